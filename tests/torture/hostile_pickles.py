"""Pickle files that call, import, multiply, recurse or are damaged, against the restricted reader alone."""

from __future__ import annotations

import os
import pickle
import pickletools
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import test_unpickle
import test_unpickle_hostile as known
from pickle_programs import text

from avmc_core import unpickle
from avmc_core.unpickle import read_pickle
from torture import sandbox
from torture.case import Case, damaged, same

MARK = "mark"  # the file that a gadget would make
HEAD = b"\x80\x04"
OPERANDS = (b"", b"(", b"]", b"}", b"K\x01", b")N", b"(K\x01K\x02", b"cnumpy\ndtype\n)", b"cnumpy\nndarray\nN")
PIECES = [bytes([code]) for code in unpickle._OPERATIONS]
PIECES += [
    b"K\x00",
    b"K\x01",
    b"J\xff\xff\xff\xff",
    b"q\x00",
    b"h\x00",
    b"C\x01b",
    b"C\x00",
    text("f8"),
    text("latin1"),
]
PIECES += [f"c{name.value.replace(' ', chr(10))}\n".encode() for name in unpickle._Global]
VALID = pickle.dumps({**test_unpickle.PLAIN, "id": np.array(["a$_$1", "b$_$2"])}, 4)


def gadgets(rng: np.random.Generator, count: int) -> Iterator[Case]:
    """Calls that would make a file, open a socket or start a program, in every protocol, bare and inside released keys."""
    for name in known.GLOBALS:
        module, attribute = name.split()
        for spelling in (f"c{module}\n{attribute}\n".encode(), text(module) + text(attribute) + b"\x93"):
            yield _refused(f"global {name}", HEAD + spelling + text("x") + b"\x85R.")
    for protocol in range(6):
        for number, make in enumerate(CALLS):
            for shell in (lambda call: call, lambda call: {"train": {"audio": call}}, lambda call: [call, call]):

                def write(folder: Path, make=make, shell=shell, protocol=protocol) -> None:
                    (folder / "x.pkl").write_bytes(pickle.dumps(shell(make(folder / MARK)), protocol))

                yield Case(f"gadget {number} in protocol {protocol}", write, _read_and_look)


CALLS = (
    lambda mark: known.Call(os.system, f"touch {mark}"),
    lambda mark: known.Call(os.mkdir, str(mark)),
    lambda mark: known.Call(open, str(mark), "w"),
    lambda mark: known.Call(eval, f"open({str(mark)!r}, 'w').close()"),
    lambda mark: known.Call(exec, f"open({str(mark)!r}, 'w').close()"),
    lambda mark: known.Call(subprocess.Popen, ["touch", str(mark)]),
    lambda mark: known.Call(socket.create_connection, ("127.0.0.1", 9)),
    lambda mark: known.Call(np.memmap, str(mark), "u1", "w+", 0, 4),
    lambda mark: known.Call(np.save, str(mark), 1),
)


def opcodes(rng: np.random.Generator, count: int) -> Iterator[Case]:
    """Every opcode of every protocol, after operands of several kinds and before bytes of several kinds."""
    for opcode in pickletools.opcodes:
        for number in rng.choice(len(OPERANDS), min(count, len(OPERANDS)), replace=False):
            after = (b"", b"\x00" * 9, b"\xff" * 9, b"os\nsystem\n")[int(rng.integers(4))]
            data = HEAD + OPERANDS[number] + opcode.code.encode("latin1") + after + b"."
            yield _plain(f"opcode {opcode.name} after operand {number}", data)


def bombs(rng: np.random.Generator, count: int) -> Iterator[Case]:
    """Small files that would become huge, deep or endless."""
    for name, data in known.BOMBS.items():
        yield _refused(f"bomb: {name}", data)


def programs(rng: np.random.Generator, count: int) -> Iterator[Case]:
    """Random sequences of admitted opcodes, globals and operands."""
    for number in range(count):
        picks = rng.integers(0, len(PIECES), rng.integers(1, 40))
        yield _plain(f"program {number}", HEAD + b"".join(PIECES[pick] for pick in picks) + b".")


def damaged_pickles(rng: np.random.Generator, count: int) -> Iterator[Case]:
    """A file of every admitted type, cut or with changed bytes."""
    for number in range(count):
        yield _plain(f"damaged pickle {number}", damaged(VALID, rng))


def _refused(name: str, data: bytes) -> Case:
    def read(folder: Path) -> str:
        found = read_pickle(folder / "x.pkl")
        raise sandbox.Accepted(repr(found)[:200])

    return Case(name, lambda folder: (folder / "x.pkl").write_bytes(data), read)


def _plain(name: str, data: bytes) -> Case:
    return Case(name, lambda folder: (folder / "x.pkl").write_bytes(data), _read_and_look)


def _read_and_look(folder: Path) -> str:
    """What is read must be what the ordinary module reads: only then is it asked."""
    found = read_pickle(folder / "x.pkl")
    if (folder / MARK).exists():
        raise sandbox.Accepted("the gadget ran")
    with sandbox.trusted():
        expected = pickle.loads((folder / "x.pkl").read_bytes())
    if not same(found, expected):
        raise sandbox.Accepted(f"{found!r} instead of {expected!r}"[:400])
    return sandbox.HARMLESS


def warm(folder: Path) -> None:
    """Loads what reading a good file loads."""
    (folder / "x.pkl").write_bytes(VALID)
    assert _read_and_look(folder) == sandbox.HARMLESS


FAMILIES = {
    "pickles that call or import": gadgets,
    "pickles, every opcode": opcodes,
    "pickle bombs": bombs,
    "pickles, random programs": programs,
    "pickles, damaged": damaged_pickles,
}
