"""Pickle files that call, import, multiply, recurse or are damaged, against the restricted reader
alone."""

from __future__ import annotations

import os
import pickle
import pickletools
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pickle_programs import (
    AFTER,
    BEFORE,
    BOMBS,
    GLOBALS,
    HEAD,
    PIECES,
    PLAIN,
    SPELLINGS,
    Call,
    text,
)

from avmc_core.data.unpickle import read_pickle
from torture import sandbox
from torture.case import Case, damaged, same

MARK = "mark"  # the file that a gadget would make
VALID = pickle.dumps({**PLAIN, "id": np.array(["a$_$1", "b$_$2"])}, 4)


def gadgets(rng: np.random.Generator, count: int) -> Iterator[Case]:
    """Calls that would make a file, open a socket or start a program, in every protocol, bare and
    inside released keys."""
    for name in GLOBALS:
        module, attribute = name.split()
        for spell in SPELLINGS:
            yield _refused(
                f"global {name}", HEAD + spell(module, attribute) + text("x") + b"\x85R."
            )
    for protocol in range(6):
        for number, make in enumerate(CALLS):
            for shell in (
                lambda call: call,
                lambda call: {"train": {"audio": call}},
                lambda call: [call, call],
            ):

                def write(folder: Path, make=make, shell=shell, protocol=protocol) -> None:
                    (folder / "x.pkl").write_bytes(
                        pickle.dumps(shell(make(folder / MARK)), protocol)
                    )

                yield Case(f"gadget {number} in protocol {protocol}", write, _read_and_look)


CALLS = (
    lambda mark: Call(os.system, f"touch {mark}"),
    lambda mark: Call(os.mkdir, str(mark)),
    lambda mark: Call(open, str(mark), "w"),
    lambda mark: Call(eval, f"open({str(mark)!r}, 'w').close()"),
    lambda mark: Call(exec, f"open({str(mark)!r}, 'w').close()"),
    lambda mark: Call(subprocess.Popen, ["touch", str(mark)]),
    lambda mark: Call(socket.create_connection, ("127.0.0.1", 9)),
    lambda mark: Call(np.memmap, str(mark), "u1", "w+", 0, 4),
    lambda mark: Call(np.save, str(mark), 1),
)


def opcodes(rng: np.random.Generator, count: int) -> Iterator[Case]:
    """Every opcode of every protocol, after operands of several kinds and before bytes of several
    kinds."""
    for opcode in pickletools.opcodes:
        for number in rng.choice(len(BEFORE), min(count, len(BEFORE)), replace=False):
            after = AFTER[int(rng.integers(len(AFTER)))]
            data = HEAD + BEFORE[number] + opcode.code.encode("latin1") + after + b"."
            yield _plain(f"opcode {opcode.name} after operand {number}", data)


def bombs(rng: np.random.Generator, count: int) -> Iterator[Case]:
    """Small files that would become huge, deep or endless."""
    for name, data in BOMBS.items():
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
    """The ordinary module must read the same; it is asked only after ours has accepted the file."""
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
