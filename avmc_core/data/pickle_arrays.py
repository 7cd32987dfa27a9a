"""What a pickle's opcodes may make of bytes: arrays, scalars and their dtypes, and nothing else. A
global is only ever a name here, never an imported object."""

from __future__ import annotations

import enum
import math
import re
from dataclasses import dataclass

import numpy as np

from avmc_core.data.pickle_machine import MAX_NAME, Machine

_DTYPE = re.compile(r"b1|[iu][1248]|f[248]|[US](?:0|[1-9]\d{0,6})|O8")
_REMEDIES = {  # package of a global that is refused: how the same data can be written instead
    "pandas": "its values as numpy arrays: column.to_numpy()",
    "torch": "its values as numpy arrays: tensor.numpy()",
    "joblib": "the same data written by pickle.dump instead of joblib.dump",
    "collections": "plain dicts: dict(value)",
}


class Global(enum.Enum):
    """The names a file of arrays refers to. They stand for what ``reduce`` does itself."""

    RECONSTRUCT = "numpy.core.multiarray _reconstruct"
    FROMBUFFER = "numpy.core.numeric _frombuffer"  # the same in protocol 5
    SCALAR = "numpy.core.multiarray scalar"
    NDARRAY = "numpy ndarray"
    DTYPE = "numpy dtype"
    ENCODE = "_codecs encode"  # how protocol 2 spells bytes, as a text
    BYTES = "__builtin__ bytes"


@dataclass
class Dtype:
    """A dtype that is being read: BUILD may still change its byte order."""

    value: np.dtype


@dataclass
class Array:
    """An array that is being read."""

    value: np.ndarray | list | None = None  # set by BUILD; a list for an array of objects
    shape: tuple[int, ...] = ()  # of an array of objects


class ArrayMachine(Machine):
    """A machine that knows the seven names of a file of arrays."""

    def global_(self, module: str, name: str) -> None:
        try:
            self.push(Global(f"{module.replace('numpy._core.', 'numpy.core.')} {name}"))
        except ValueError:
            remedy = _REMEDIES.get(
                module.partition(".")[0], "numpy arrays, dtypes and scalars only"
            )
            self.refuse(f"the global {f'{module}.{name}'[:MAX_NAME]!r}", remedy)

    def global_from_stack(self) -> None:
        name, module = self.pop(str), self.pop(str)
        self.global_(module, name)

    def reduce(self) -> None:
        """In an ordinary pickle this calls a function; here it has one of seven known effects."""
        arguments, function = self.pop(tuple), self.pop(Global)
        match function, arguments:
            case Global.RECONSTRUCT, (Global.NDARRAY, (0,), memoryview()):
                self.push(Array())
            case Global.FROMBUFFER, (
                memoryview() as raw,
                Dtype(dtype),
                tuple(shape),
                "C" | "F" as order,
            ):
                self.check_shape(shape)
                self.push(Array(self.array(shape, dtype, raw, order)))
            case Global.DTYPE, (str(name), False | 0, True | 1) if _DTYPE.fullmatch(name):
                self.push(Dtype(np.dtype(name)))
            case Global.SCALAR, (Dtype(dtype), memoryview() as raw) if len(raw) == dtype.itemsize:
                self.push(self.array((1,), dtype, raw)[0] if raw else dtype.type())  # an empty text
            case Global.ENCODE, (str(text), "latin1"):
                self.charge(len(text))
                self.push(memoryview(text.encode("latin1")))
            case Global.BYTES, ():
                self.push(memoryview(b""))
            case _:
                self.refuse(
                    f"unexpected arguments of {function.value}",
                    "bool, int, float and unicode arrays",
                )

    def build(self) -> None:
        match self.pop(tuple), self.top(object):
            case (
                3,
                "<" | ">" | "=" | "|" as order,
                None,
                None,
                None,
                int(),
                int(),
                int(),
            ), Dtype() as target:
                target.value = target.value.newbyteorder(order)
            case (1, tuple(shape), Dtype(dtype), bool(fortran), list(items)), Array() as target:
                self.check_shape(shape)
                if dtype.kind != "O" or math.prod(shape) != len(items) or len(shape) != 1:
                    self.refuse("an array of objects in another shape", "one dimension")
                target.value, target.shape = items, shape
            case (
                1,
                tuple(shape),
                Dtype(dtype),
                bool(fortran),
                memoryview() as raw,
            ), Array() as target:
                self.check_shape(shape)
                target.value = self.array(shape, dtype, raw, "F" if fortran else "C")
            case _:
                self.refuse(
                    "an unexpected state of an array or dtype",
                    "bool, int, float and unicode arrays",
                )

    def check_shape(self, shape: tuple) -> None:
        if not all(type(size) is int and size >= 0 for size in shape) or len(shape) > 8:
            self.refuse("an array of impossible shape", "up to 8 sizes")

    def array(
        self, shape: tuple[int, ...], dtype: np.dtype, raw: memoryview, order: str = "C"
    ) -> np.ndarray:
        # An empty array may not claim sizes that no file of this length could hold: someone might
        # count up to them.
        if dtype.itemsize == 0:
            self.refuse("an array of values without bytes", "at least one byte per value")
        if dtype.kind == "O":
            self.refuse("an array of objects with the bytes of something else", "a list of values")
        claimed = math.prod(max(size, 1) for size in shape) * dtype.itemsize
        if (
            math.prod(shape) * dtype.itemsize != len(raw)
            or claimed > len(self.data) + dtype.itemsize
        ):
            self.refuse(
                f"{len(raw)} bytes for an array of {dtype.str} {shape}", "as many as the array has"
            )
        if dtype.kind == "U":
            self.charge(len(raw))
            codes = np.frombuffer(raw, dtype.str[0] + "u4")
            for block in np.array_split(codes, codes.size // 2**20 + 1):
                if ((block > 0x10FFFF) | (block >> 11 == 0x1B)).any():  # 0x1B: surrogates
                    self.refuse("code points that are not characters", "unicode text")
        return np.frombuffer(raw, dtype).reshape(shape, order=order)
