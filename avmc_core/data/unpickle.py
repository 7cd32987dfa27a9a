"""A pickle reader that executes nothing and loads no array: the only way in for the released files.

A pickle is a small program. This interpreter knows just the opcodes that protocols 2 to 5 use for
numpy arrays and scalars, str, int, float, bool, None, list, tuple and dict; every other opcode or
global is an error. A global is only ever a name here, never an imported object. Array bytes stay
where they lie in the file, which is mapped read-only. Arrays of objects, as pandas hands out
columns of text, are read where each object is a plain value.

How much memory and time a small file can take is bounded by the constants below and those of
``pickle_machine``: a bomb ends in an InputError after a few hundred megabytes and seconds at the
most.
"""

from __future__ import annotations

import mmap
import stat
from pathlib import Path
from typing import Any

import numpy as np

from avmc_core.data.pickle_arrays import Array, ArrayMachine
from avmc_core.data.pickle_machine import WHOLE
from avmc_core.errors import InputError
from avmc_core.files.kinds import foreign_bytes

# a released file needs about a thousand, with lists for arrays about ten per clip
MAX_OPCODES = 250_000
MAX_VALUES = 250_000  # values of the result, where one that is referred to twice counts twice
MAX_DEPTH = 16  # nesting of the result; a released file needs 2
_PROTOCOLS = (2, 3, 4, 5)
# names of the files in zip archives that are not there to be unpacked, and what wrote them
_ARCHIVES = ((b"/data.pkl", "torch.save"), (b".npy", "numpy.savez"))


def read_pickle(path: str | Path) -> Any:
    """The object in a pickle file, built without executing anything; its arrays are read-only views
    into the file.

    Raises InputError, with file and byte offset, for whatever is not a complete pickle (protocol 2
    to 5) of plain data.
    """
    path = Path(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            kind = "a folder" if path.is_dir() else "not a regular file"
            raise InputError(path, kind, "a pickle file")
        with path.open("rb") as file:
            mapping = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(path, "no such file", "a pickle file") from None
    except (OSError, ValueError) as error:  # ValueError: an empty file cannot be mapped
        raise InputError(path, str(error), "a readable pickle file") from None
    return parse(mapping, path)


def parse(data: memoryview, path: Path) -> Any:
    """As ``read_pickle``, from bytes that were read from ``path``; the arrays are views of them."""
    reader = _Reader(path, data)
    try:
        return reader.read()
    except InputError:
        raise
    except Exception as error:  # whatever damaged bytes lead to: one kind of error for the user
        reader.refuse(
            f"damaged data ({type(error).__name__}: {str(error)[:200]})",
            "a complete, undamaged pickle",
        )


class _Reader(ArrayMachine):
    def __init__(self, path: Path, data: memoryview):
        super().__init__(path, data)
        self.values_left = MAX_VALUES

    def read(self) -> Any:
        protocol = self.data[1] if len(self.data) > 1 and self.data[0] == 0x80 else None
        if protocol not in _PROTOCOLS:
            content, expected = "no pickle header", "a pickle of protocol 2 to 5"
            if protocol is not None:
                content = f"pickle protocol {protocol}"
            elif (other := foreign_bytes(self.data[:512])) is not None:
                content, expected = other
                for member, writer in _ARCHIVES:  # the first name stands behind a header of 30
                    if "zip" in content and member in bytes(self.data[30:512]):
                        content = f"a zip archive written by {writer}"
                        expected = "the same data as numpy arrays, written by pickle.dump"
            elif self.data and self.data[0] in b"(]})" and self.data[-1] == ord("."):
                content = "a pickle of protocol 0 or 1"
                expected = "protocol 2 to 5: pickle.dump(value, file, protocol=4)"
            self.refuse(content, expected)
        self.at = 2
        for _ in range(MAX_OPCODES):
            self.start = self.at
            code = self.take(1)[0]
            if code == ord("."):
                return self.finish()
            operation = _OPERATIONS.get(code)
            if code in b"\x97\x98":
                self.refuse(
                    "arrays whose bytes were stored separately",
                    "one file: pickle.dump without buffer_callback",
                )
            if operation is None:
                self.refuse(*self.unknown(code))
            operation(self)
        self.refuse(f"more than {MAX_OPCODES} pickle opcodes", "a file of arrays")

    def unknown(self, code: int) -> tuple[str, str]:
        """What a byte that is no known opcode tells of the file, and what to do."""
        head = bytes(self.data[: 2**16])
        if head.count(b"\n") and head.count(b"\n") == head.count(b"\r\n"):
            what = "line ends that were rewritten, as a transfer in text mode does"
            return what, "the file as it was, transferred in binary mode"
        if not any(self.data[self.start : self.start + 64]):
            return "zeros where the data should go on: a download that was interrupted", WHOLE
        if code in b"UT":
            return "a pickle of Python 2", (
                "the same of Python 3, from its maker; or, only where you trust its maker, because "
                "to load a pickle can run code, written anew: pickle.dump(pickle.load(file, "
                "encoding='latin1'), new, protocol=4)"
            )
        known = "arrays, numbers, strings, lists, tuples and dicts only"
        return f"pickle opcode {bytes([code])!r}", known

    def finish(self) -> Any:
        if self.at != len(self.data) or len(self.stack) != 1 or self.marks:
            self.refuse(
                f"the pickle's end, {len(self.data) - self.at} bytes before the file's",
                "one object per file",
            )
        return self.plain(self.stack.pop(), 0)

    def plain(self, value: Any, depth: int) -> Any:
        """A copy of ``value`` made of admitted types only. Counting what is referred to twice as
        two values, and the depth, keeps objects that multiply or contain themselves from reaching
        anyone who would walk through them."""
        self.values_left -= 1
        if depth > MAX_DEPTH or self.values_left < 0:
            self.refuse(
                "a nested or multiplied object",
                f"at most {MAX_DEPTH} levels and {MAX_VALUES} values",
            )
        if value is None or type(value) in (str, int, float, bool) or isinstance(value, np.generic):
            return value
        if type(value) is Array and value.value is not None:
            if isinstance(value.value, list):
                return self.objects(value, depth)
            return value.value
        if type(value) in (list, tuple):
            return type(value)([self.plain(item, depth + 1) for item in value])
        if type(value) is dict:
            return {key: self.at_key(key, item, depth) for key, item in value.items()}
        self.refuse(
            f"an object of kind {type(value).__name__.strip('_')}", "arrays and plain values only"
        )

    def at_key(self, key: str | int, item: Any, depth: int) -> Any:
        self.within.append(repr(key[:80] if isinstance(key, str) else key))
        copy = self.plain(item, depth + 1)
        self.within.pop()
        return copy

    def objects(self, array: Array, depth: int) -> np.ndarray:
        """An array of plain values that numpy has no type for, or that pandas gave none."""
        objects = np.empty(array.shape, dtype=object)
        for place, item in enumerate(array.value):
            value = self.plain(item, depth + 1)
            if isinstance(value, (np.ndarray, list, tuple, dict)):
                wanted = "bool, int, float and unicode arrays"
                if isinstance(value, np.ndarray):
                    wanted = "one array, padded with zeros: rows, steps, columns"
                self.refuse(f"an object array of {type(value).__name__}s", wanted)
            objects.flat[place] = value
        objects.flags.writeable = False
        return objects

    # Opcodes with more to them than one expression

    def frame(self) -> None:
        if self.number("<Q") > len(self.data) - self.at:
            self.refuse("a frame beyond the end of the file", WHOLE)

    def long(self) -> None:
        size = self.number("<B")
        if size > 8:
            self.refuse(f"an integer of {size} bytes", "at most 8 bytes")
        self.push(int.from_bytes(self.take(size), "little", signed=True))

    def append(self, items: list[Any]) -> None:
        self.top(list).extend(items)

    def set_items(self, items: list[Any]) -> None:
        target, keys = self.top(dict), items[::2]
        if len(items) % 2 or not all(type(key) in (str, int) for key in keys):
            self.refuse("dict items that are not pairs with a str or int key", "str or int keys")
        target.update(zip(keys, items[1::2], strict=True))

    def recall(self, index: int) -> None:
        if index not in self.memo:
            self.refuse(f"a reference to an unknown object ({index})", "one that came before")
        self.push(self.memo[index])


_OPERATIONS = {
    ord("\x95"): _Reader.frame,
    ord("("): lambda r: r.marks.append(len(r.stack)),
    ord("N"): lambda r: r.push(None),
    ord("\x88"): lambda r: r.push(True),
    ord("\x89"): lambda r: r.push(False),
    ord("J"): lambda r: r.push(r.number("<i")),
    ord("K"): lambda r: r.push(r.number("<B")),
    ord("M"): lambda r: r.push(r.number("<H")),
    ord("\x8a"): _Reader.long,
    ord("G"): lambda r: r.push(r.number(">d")),
    ord("X"): lambda r: r.push(r.text(r.number("<I"))),
    ord("\x8c"): lambda r: r.push(r.text(r.number("<B"))),
    ord("\x8d"): lambda r: r.push(r.text(r.number("<Q"))),
    ord("B"): lambda r: r.push(r.take(r.number("<I"))),
    ord("C"): lambda r: r.push(r.take(r.number("<B"))),
    ord("\x8e"): lambda r: r.push(r.take(r.number("<Q"))),
    ord("\x96"): lambda r: r.push(r.take(r.number("<Q"))),
    ord("]"): lambda r: r.push([]),
    ord("a"): lambda r: r.append([r.pop()]),
    ord("e"): lambda r: r.append(r.pop_mark()),
    ord(")"): lambda r: r.push(()),
    ord("t"): lambda r: r.push(tuple(r.pop_mark())),
    ord("\x85"): lambda r: r.push(r.pop_tuple(1)),
    ord("\x86"): lambda r: r.push(r.pop_tuple(2)),
    ord("\x87"): lambda r: r.push(r.pop_tuple(3)),
    ord("}"): lambda r: r.push({}),
    ord("s"): lambda r: r.set_items(list(r.pop_tuple(2))),
    ord("u"): lambda r: r.set_items(r.pop_mark()),
    ord("q"): lambda r: r.memo.__setitem__(r.number("<B"), r.top(object)),
    ord("r"): lambda r: r.memo.__setitem__(r.number("<I"), r.top(object)),
    ord("\x94"): lambda r: r.memo.__setitem__(len(r.memo), r.top(object)),
    ord("h"): lambda r: r.recall(r.number("<B")),
    ord("j"): lambda r: r.recall(r.number("<I")),
    ord("c"): lambda r: r.global_(r.line(), r.line()),
    ord("\x93"): _Reader.global_from_stack,
    ord("R"): _Reader.reduce,
    ord("b"): _Reader.build,
}
