"""Ways in which one column of a released file can be wrong: values, shapes, types, words,
tokens."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Change = Callable[[np.ndarray], object]


def put(index, value) -> Change:
    def change(column: np.ndarray) -> np.ndarray:
        column = (
            column.astype(np.result_type(column, np.float64))
            if isinstance(value, float)
            else column.copy()
        )
        column[index] = value
        return column

    return change


NUMBERS: dict[str, Change] = {
    "NaN": put(0, np.nan),
    "inf": put(-1, np.inf),
    "-inf": put(0, -np.inf),
    "1e39": put(0, 1e39),
    "-1": put(0, -1.0),
    "0": put(0, 0.0),
    "1.5": put(0, 1.5),
    "2**40": put(0, 2.0**40),
    "10000": put(0, 10_000.0),
}
SHAPES: dict[str, Change] = {
    "one row less": lambda c: c[:-1],
    "one row more": lambda c: np.concatenate([c, c[:1]]),
    "no rows": lambda c: c[:0],
    "one dimension more": lambda c: c[:, None],
    "one dimension less": lambda c: c[:, 0] if c.ndim > 1 else c[0],
    "turned": lambda c: np.ascontiguousarray(c.T),
    "Fortran order": np.asfortranarray,
    "half the last axis": lambda c: np.ascontiguousarray(c[..., : c.shape[-1] // 2]),
    "twice the last axis": lambda c: np.concatenate([c, c], axis=-1),
    "reversed rows": lambda c: np.ascontiguousarray(c[::-1]),
}
TYPES: dict[str, Change] = {
    "big endian": lambda c: c.astype(c.dtype.newbyteorder(">")),
    "float16": lambda c: c.astype(np.float16),
    "float32": lambda c: c.astype(np.float32),
    "int8": lambda c: c.astype(np.int8),
    "uint64": lambda c: c.astype(np.uint64),
    "bool": lambda c: c.astype(bool),
    "text": lambda c: c.astype(str),
    "objects": lambda c: c.astype(object),
    "complex": lambda c: c.astype(complex),
    "bytes": lambda c: c.astype("S8"),
    "dates": lambda c: np.zeros(c.shape, "M8[s]"),
    "a list": lambda c: c.tolist(),
    "a tuple": lambda c: tuple(c.tolist()),
    "a dict": lambda c: dict(enumerate(c.tolist())),
    "None": lambda c: None,
    "a number": lambda c: 1.0,
    "a word": lambda c: "word",
}
WORDS: dict[str, Change] = {
    name: put(0, text)
    for name, text in {
        "empty": "",
        "separator in it": "a/b$_$1",
        "back in it": "..\\b$_$1",
        "up": "..",
        "up and separator": "../../x$_$1",
        "NUL": "a\0b",
        "line end": "a\nb",
        "carriage return": "a\rb",
        "escape": "a\x1b[2J",
        "only separator": "$_$",
        "no video": "$_$1",
        "no clip": "v$_$",
        "no separator": "alone",
        "blank": " a$_$1",
        "quote": '"',
        "formula": "=1+1",
        "long": "a" * 300,
        "right to left": "\u202ea$_$1",
        "surrogate pair": "𠮷$_$1",
        "comma": "a,b$_$1",
        "NA": "NA",
    }.items()
}
TOKENS: dict[str, Change] = {
    "a hole in the mask": put((0, 1), [1, 0, 1, 0, 0, 0]),
    "no token": put((0, 1), 0),
    "mask of twos": put((0, 1, 0), 2),
    "negative word": put((0, 0, 0), -5),
    "a word beyond all": put((0, 0, 0), 2**31),
    "half a word": put((0, 0, 0), 0.5),
    "segments": put((0, 2), 7),
}
