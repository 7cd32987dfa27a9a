"""Writes the released pickles as a stream: padded float64 arrays leave in blocks and never exist as
a whole.

The opcodes are pickle protocol 4, so that any ``pickle.load`` reads the file; the old
``numpy.core`` spelling is the one that numpy 1 and 2 both know.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from avmc_core import schema
from avmc_core.files.atomic import new_file

# Keys of a split, in the released order.
FEATURE_KEYS = (
    "id",
    "audio",
    "vision",
    "raw_text",
    "text",
    "text_bert",
    "audio_lengths",
    "vision_lengths",
)
KEYS = (*FEATURE_KEYS, "annotations", *(schema.LABEL_KEYS[task] for task in "MAVT"))
MASK = "mask"  # not released: 1 for labelled rows of train_mix, 0 for others
# Not released: keys beside the splits by which our import knows what an exported store was, with
# facts as JSON.
# the generator's settings; how one's own clips were read
SIMULATED, EXTRACTED = MARKS = ("simulated", "extracted")
_BLOCK_BYTES = 2**24


@dataclass(frozen=True)
class Padded:
    """A ragged sequence that is written as a zero-padded (N, T, D) float64 array."""

    values: np.ndarray  # (sum of lengths, D)
    lengths: np.ndarray  # (N,) int64
    steps: int  # T

    def blocks(self) -> Iterator[np.ndarray]:
        """Blocks (n, T, D) float64 of the padded array."""
        offsets = np.concatenate([[0], np.cumsum(self.lengths)])
        rows = max(1, _BLOCK_BYTES // (8 * self.steps * self.values.shape[1]))
        for start in range(0, len(self.lengths), rows):
            lengths = self.lengths[start : start + rows]
            block = np.zeros((len(lengths), self.steps, self.values.shape[1]))
            valid = np.arange(self.steps) < lengths[:, None]
            block[valid] = self.values[offsets[start] : offsets[start + len(lengths)]]
            yield block


# an array or a list; a Padded; or a tuple of Padded, which are written one after the other
Column = Any


def write_supervised(
    path: str | Path,
    splits: Mapping[str, Mapping[str, Column]],
    marks: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Writes ``{split: {key: column}}`` as ch-simsv2s.pkl is laid out, keys in the released order,
    atomically.

    ``marks``: what of ``MARKS`` applies to the data, with its facts, for our own import.
    """
    _write(path, {name: _ordered(columns) for name, columns in splits.items()}, marks)


def write_unsupervised(
    path: str | Path,
    columns: Mapping[str, Column],
    marks: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Writes ``{key: column}``, flat, as ch-simsv2u.pkl is laid out. See ``write_supervised``."""
    _write(path, _ordered(columns), marks)


def _ordered(columns: Mapping[str, Column]) -> dict[str, Column]:
    known = [key for key in KEYS if key in columns]
    return {key: columns[key] for key in [*known, *(key for key in columns if key not in known)]}


def _write(
    path: str | Path, content: dict[str, Any], marks: Mapping[str, Mapping[str, Any]] | None
) -> None:
    content |= {name: json.dumps(facts, sort_keys=True) for name, facts in (marks or {}).items()}
    with new_file(path) as temporary, temporary.open("wb") as file:
        file.write(b"\x80\x04")
        for piece in _opcodes(content):
            file.write(piece)
        file.write(b".")


def _opcodes(value: Any) -> Iterator[bytes]:
    """Pickle opcodes that leave ``value`` (a dict, a str or a column) on the stack; the memo is not
    used."""
    if isinstance(value, Mapping):
        yield b"}("
        for key, item in value.items():
            yield _text(key)
            yield from _opcodes(item)
        yield b"u"
    elif isinstance(value, str):
        yield _text(value)
    elif isinstance(value, Padded):
        yield from _opcodes((value,))
    elif isinstance(value, tuple) and value and all(isinstance(part, Padded) for part in value):
        shape = (sum(len(part.lengths) for part in value), value[0].steps, value[0].values.shape[1])
        yield from _array(
            shape, np.dtype("<f8"), (block for part in value for block in part.blocks())
        )
    else:
        array = np.asarray(value)
        if array.dtype.kind not in "biufU":  # strings of pandas, for instance
            array = np.asarray([str(item) for item in value])
        yield from _array(array.shape, array.dtype.newbyteorder("<"), (array,))


def _array(
    shape: tuple[int, ...], dtype: np.dtype, blocks: Iterable[np.ndarray]
) -> Iterator[bytes]:
    size, align = (dtype.itemsize, 4) if dtype.kind == "U" else (-1, -1)
    yield b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R(K\x01("
    yield b"".join(_integer(length) for length in shape) + b"t"
    yield b"cnumpy\ndtype\n" + _text(dtype.str[1:]) + b"\x89\x88\x87R(K\x03"
    yield (
        _text(dtype.str[0])
        + b"NNN"
        + _integer(size)
        + _integer(align)
        + _integer(8 if dtype.kind == "U" else 0)
    )
    yield b"tb\x89\x8e" + struct.pack("<Q", int(np.prod(shape, dtype=np.int64)) * dtype.itemsize)
    for block in blocks:
        yield np.ascontiguousarray(block, dtype).tobytes()
    yield b"tb"


def _integer(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def _text(value: str) -> bytes:
    data = value.encode("utf-8")
    return b"X" + struct.pack("<I", len(data)) + data
