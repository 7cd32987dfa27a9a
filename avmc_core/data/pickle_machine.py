"""The virtual machine that executes a pickle: the bytes of the file, the stack, its marks and the
memo. The effects of the opcodes are in ``pickle_arrays`` and ``unpickle``."""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from avmc_core.errors import InputError

MAX_TEXT = 256 * 2**20  # bytes of all strings and unicode arrays together, at four a character
WHOLE = "the whole file: this one was cut, so download or copy it again"
MAX_NAME = 256  # bytes of a global's name


class Machine:
    """A pickle that is being read. Anything invalid is an InputError with the file, the byte offset
    and the keys of the enclosing dicts."""

    def __init__(self, path: Path, data: memoryview):
        self.path, self.data = path, data
        self.at = self.start = 0  # next byte; first byte of the present opcode
        self.stack: list[Any] = []
        self.marks: list[int] = []  # heights of the stack
        self.memo: dict[int, Any] = {}
        self.within: list[str] = []  # keys of the dicts that are being copied
        self.text_left = MAX_TEXT

    def refuse(self, content: str, expected: str) -> NoReturn:
        raise InputError(f"{self.path}, byte {self.start}{self.place()}", content, expected)

    def place(self) -> str:
        """Where in the file the machine is, for an error message: the keys of the dicts that are
        being read."""
        starts, keys = [*self.marks, len(self.stack)], self.within[:4]
        for start, end in pairwise(starts):
            if start and isinstance(self.stack[start - 1], dict):
                open_keys = [key for key in self.stack[start:end:2] if isinstance(key, str)]
                keys += [repr(key[:80]) for key in open_keys[-1:]]
        return f", key {' / '.join(keys)}" if keys else ""

    # Bytes of the file and items of the stack

    def take(self, size: int) -> memoryview:
        if size > len(self.data) - self.at:
            left = len(self.data) - self.at
            self.refuse(f"the end of the file, {left} bytes on", f"{size} more bytes: {WHOLE}")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def charge(self, size: int) -> None:
        self.text_left -= size
        if self.text_left < 0:
            self.refuse(
                f"more than {MAX_TEXT} bytes of text",
                "less (bytes of arrays need pickle protocol 3 or 4)",
            )

    def text(self, size: int) -> str:
        self.charge(4 * size)  # what a string takes in memory at most
        return str(self.take(size), "utf-8")

    def line(self) -> str:
        head = bytes(self.data[self.at : self.at + MAX_NAME])
        if b"\n" not in head:
            self.refuse("a name without an end", f"a name of less than {MAX_NAME} bytes")
        return str(self.take(head.index(b"\n") + 1)[:-1], "utf-8")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def top(self, kind: type) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0) or not isinstance(
            self.stack[-1], kind
        ):
            self.refuse("an opcode without its operand", f"a {kind.__name__} on the pickle's stack")
        return self.stack[-1]

    def pop(self, kind: type = object) -> Any:
        self.top(kind)
        return self.stack.pop()

    def pop_mark(self) -> list[Any]:
        if not self.marks:
            self.refuse("an opcode without its mark", "a mark on the pickle's stack")
        height = self.marks.pop()
        items = self.stack[height:]
        del self.stack[height:]
        return items

    def pop_tuple(self, size: int) -> tuple:
        return tuple([self.pop() for _ in range(size)][::-1])
