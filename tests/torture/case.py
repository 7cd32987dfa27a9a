"""What a hostile case is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Case:
    """``write`` puts the file or files into an empty folder; the sandbox runs ``read`` on them."""

    name: str
    write: Callable[[Path], None]
    read: Callable[[Path], str]


def same(left, right) -> bool:
    """Equal in type, shape and every bit."""
    if isinstance(left, np.ndarray):
        if not isinstance(right, np.ndarray) or left.dtype.newbyteorder(
            "="
        ) != right.dtype.newbyteorder("="):
            return False
        if left.dtype == object:
            return left.shape == right.shape and same(left.tolist(), right.tolist())
        return (
            left.shape == right.shape
            and left.astype(left.dtype.newbyteorder("=")).tobytes()
            == right.astype(right.dtype.newbyteorder("=")).tobytes()
        )
    if isinstance(left, (list, tuple)):
        return type(left) is type(right) and len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return (
            type(right) is dict
            and list(left) == list(right)
            and all(same(left[key], right[key]) for key in left)
        )
    return type(left) is type(right) and (left == right or (left != left and right != right))


def flipped(data: bytes, rng: np.random.Generator, places: Sequence[int] | None = None) -> bytes:
    """One to four bytes changed, each by a single bit or entirely."""
    changed = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        place = int(rng.choice(places) if places is not None else rng.integers(len(data)))
        changed[place] = (
            changed[place] ^ (1 << int(rng.integers(8)))
            if rng.random() < 0.5
            else int(rng.integers(256))
        )
    return bytes(changed)


def cut(data: bytes, rng: np.random.Generator) -> bytes:
    """Truncated, or with a part missing, doubled or of zeros."""
    start, stop = sorted(rng.integers(0, len(data), 2).tolist())
    how = int(rng.integers(4))
    return [
        data[:start],
        data[:start] + data[stop:],
        data[:stop] + data[start:],
        data[:start] + bytes(stop - start) + data[stop:],
    ][how]


def damaged(data: bytes, rng: np.random.Generator, places: Sequence[int] | None = None) -> bytes:
    """Flipped or cut, and always different from the original."""
    while True:
        made = flipped(data, rng, places) if rng.random() < 0.7 else cut(data, rng)
        if made != data:
            return made
