"""Pickles that were made to do harm do none: nothing is executed, and memory stays small."""

from __future__ import annotations

import os
import pickle
import pickletools
import socket
import subprocess
import sys

import pytest
from pickle_programs import AFTER, BEFORE, BOMBS, GLOBALS, HEAD, SPELLINGS, Call, text, write

from avmc_core.data.unpickle import read_pickle
from avmc_core.errors import InputError


@pytest.mark.parametrize("name", GLOBALS)
@pytest.mark.parametrize("spell", SPELLINGS)
def test_no_other_global_is_reached(tmp_path, name, spell):
    """The error names the global, and the module is not even imported."""
    module, attribute = name.split()
    before = set(sys.modules)
    with pytest.raises(InputError, match=f"{module}.{attribute}"):
        read_pickle(write(tmp_path, HEAD + spell(module, attribute) + text("x") + b"\x85R."))
    assert set(sys.modules) == before


@pytest.mark.parametrize("protocol", range(6))
def test_gadgets_create_no_file(tmp_path, protocol):
    """The ordinary pickle module does create a file from the same bytes."""
    mark = tmp_path / "mark"
    for gadget in (
        Call(os.system, f"touch {mark}"),
        Call(open, str(mark), "w"),
        Call(eval, f"open({str(mark)!r}, 'w').close()"),
        {"train": {"audio": Call(os.mkdir, str(mark))}},
    ):
        data = pickle.dumps(gadget, protocol)
        with pytest.raises(InputError):
            read_pickle(write(tmp_path, data))
        assert not mark.exists()
    pickle.loads(data)
    assert mark.exists()


def test_gadgets_open_no_socket(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        data = pickle.dumps(Call(socket.create_connection, server.getsockname()), 4)
        with pytest.raises(InputError, match="create_connection"):
            read_pickle(write(tmp_path, data))
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize("opcode", pickletools.opcodes, ids=lambda opcode: opcode.name)
def test_every_opcode_alone_ends_clearly(tmp_path, opcode):
    """Every opcode of every protocol, after operands of several kinds, gives plain data or one
    InputError."""
    for before in BEFORE:
        for after in AFTER:
            try:
                read_pickle(
                    write(tmp_path, HEAD + before + opcode.code.encode("latin1") + after + b".")
                )
            except InputError as error:
                assert "x.pkl, byte" in str(error)


def test_bombs_stay_small(tmp_path):
    """Small files that would expand enormously or take forever: each ends in one error within
    seconds and with less than 1 GB, all in one process."""
    for name, data in BOMBS.items():
        (tmp_path / f"{name}.pkl").write_bytes(data)
    code = """
import pathlib, re, sys, time
from avmc_core.errors import InputError
from avmc_core.data.unpickle import read_pickle
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.pkl")):
    start = time.monotonic()
    try:
        read_pickle(path)
        print("read", path.name)
    except InputError as error:
        print("refused", path.name, round(time.monotonic() - start, 1), str(error)[-90:])
# not ru_maxrss: that starts at what the parent had when it forked
status = pathlib.Path("/proc/self/status").read_text()
print("peak", int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) // 1024)
"""
    lines = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    ).stdout.splitlines()
    assert len(lines) == len(BOMBS) + 1 and all(
        line.startswith("refused") for line in lines[:-1]
    ), lines
    assert int(lines[-1].split()[1]) < 1000, lines
