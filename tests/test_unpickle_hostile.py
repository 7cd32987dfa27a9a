"""Pickles that were made to do harm do none: nothing is executed, and memory stays small."""

from __future__ import annotations

import os
import pickle
import pickletools
import socket
import struct
import subprocess
import sys

import pytest
from pickle_programs import array_opcodes, text, write

from avmc_core.errors import InputError
from avmc_core.unpickle import read_pickle


class Call:
    """Pickles as a call of ``function``."""

    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


class Named:
    """Pickles as a global that needs no import here."""

    def __init__(self, module, name):
        self.module, self.name = module, name

    def opcodes(self) -> bytes:
        return b"c" + f"{self.module}\n{self.name}\n".encode()


GLOBALS = [
    "os system",
    "posix system",
    "builtins eval",
    "builtins exec",
    "builtins getattr",
    "builtins open",
    "builtins __import__",
    "__builtin__ eval",
    "subprocess Popen",
    "socket create_connection",
    "importlib import_module",
    "runpy run_path",
    "pathlib Path.touch",
    "shutil rmtree",
    "ctypes CDLL",
    "pickle loads",
    "numpy load",
    "numpy fromfile",
    "numpy memmap",
    "numpy._core.multiarray fromfile",
    "numpy.core.multiarray _reconstruct.__globals__",
    "numpy dtype.__class__",
    "numpy.f2py.crackfortran myeval",
    "torch._utils _rebuild_tensor_v2",
    "torch load",
    "antigravity geohash",
    "_codecs decode",
    "copyreg _reconstructor",
    "collections OrderedDict",
]


@pytest.mark.parametrize("name", GLOBALS)
@pytest.mark.parametrize("spelling", ["global", "stack"])
def test_no_other_global_is_reached(tmp_path, name, spelling):
    """The error names the global, and the module is not even imported."""
    module, attribute = name.split()
    before = set(sys.modules)
    named = Named(module, attribute).opcodes() if spelling == "global" else text(module) + text(attribute) + b"\x93"
    with pytest.raises(InputError, match=f"{module}.{attribute}"):
        read_pickle(write(tmp_path, b"\x80\x04" + named + text("x") + b"\x85R."))
    assert set(sys.modules) == before


@pytest.mark.parametrize("protocol", range(6))
def test_gadgets_create_no_file(tmp_path, protocol):
    """The same bytes do create a file when they are given to the ordinary pickle module."""
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
    """Every opcode of every protocol, after operands of several kinds: plain data or one InputError."""
    for before in (b"", b"(", b"]", b"}", b"K\x01", b")N", b"(K\x01K\x02", b"cnumpy\ndtype\n)", b"cnumpy\nndarray\nN"):
        for after in (b"", b"\x00" * 9, b"\xff" * 9, b"os\nsystem\n"):
            try:
                read_pickle(write(tmp_path, b"\x80\x04" + before + opcode.code.encode("latin1") + after + b"."))
            except InputError as error:
                assert "x.pkl, byte" in str(error)


NESTED = b"]" * 120_000 + b"a" * 119_999 + b"."
BOMBS = {
    "multiplied lists": b"\x80\x04(]q\x00"
    + b"".join(b"](" + (b"h" + bytes([n])) * 10 + b"eq" + bytes([n + 1]) for n in range(12))
    + b"t.",
    "multiplied tuples": b"\x80\x04()q\x00" + b"h\x00h\x00\x86q\x00" * 40 + b"t.",
    "deep lists": b"\x80\x04" + NESTED,
    "deep tuples": b"\x80\x04)" + b"\x85" * 240_000 + b".",
    "deep tuple as a key": b"\x80\x04})" + b"\x85" * 240_000 + b"Ns.",
    "many dicts without end": b"\x80\x04" + b"}" * 300_000,
    "many byte strings": b"\x80\x04" + b"C\x00" * 249_000,
    "many memo entries": b"\x80\x04N" + b"".join(b"r" + struct.pack("<I", n) for n in range(240_000)),
    "huge claims": b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f",
    "huge text": b"\x80\x04X\xff\xff\xff\xffabc",
    "huge integer": b"\x80\x04\x8b\xff\xff\xff\x7f1",
    "one text in many arrays": b"\x80\x04(B"
    + struct.pack("<I", 2**20)
    + b"a\0\0\0" * 2**18
    + b"q\x00"
    + array_opcodes(b"(K\x01t", f"U{2**18}", b"h\x00") * 3000
    + b"t.",
    "one text encoded often": b"\x80\x04("
    + text("a" * 2**20)
    + b"q\x00"
    + (b"c_codecs\nencode\nh\x00" + text("latin1") + b"\x86R") * 5000
    + b"t.",
}


def test_bombs_stay_small(tmp_path):
    """Small files that would become huge or take for ever: one error each, under 1 GB and in seconds, in one process."""
    for name, data in BOMBS.items():
        (tmp_path / f"{name}.pkl").write_bytes(data)
    code = """
import pathlib, re, sys, time
from avmc_core.errors import InputError
from avmc_core.unpickle import read_pickle
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.pkl")):
    start = time.monotonic()
    try:
        read_pickle(path)
        print("read", path.name)
    except InputError as error:
        print("refused", path.name, round(time.monotonic() - start, 1), str(error)[-90:])
# not ru_maxrss: that starts at what the parent had when it forked
print("peak", int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]) // 1024)
"""
    lines = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=100, check=True
    ).stdout.splitlines()
    assert len(lines) == len(BOMBS) + 1 and all(line.startswith("refused") for line in lines[:-1]), lines
    assert int(lines[-1].split()[1]) < 1000, lines
