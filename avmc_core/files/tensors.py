"""Safetensors files that are written in blocks and read by mapping them: neither way holds a whole
tensor in memory."""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import os
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avmc_core.errors import InputError

_NAMES = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "BOOL": "|b1"}
_MAX_HEADER = 100_000


@dataclass(frozen=True)
class Blocks:
    """A tensor of known dtype and shape whose values arrive in blocks along its first axis."""

    dtype: str  # as numpy spells it
    shape: tuple[int, ...]
    blocks: Iterable[np.ndarray]


def write_tensors(path: Path, tensors: Mapping[str, Blocks | np.ndarray]) -> dict[str, int | str]:
    """Writes a safetensors file and returns its ``{"size": bytes, "sha256": hex}``.

    Tensors of eight bytes per number go first, so that everything lies aligned in the mapped file.
    Blocks that do not add up to the stated shape are a ValueError.
    """
    whole = {
        n: t if isinstance(t, Blocks) else Blocks(t.dtype.str, t.shape, (t,))
        for n, t in tensors.items()
    }
    whole = dict(
        sorted(whole.items(), key=lambda item: (-np.dtype(item[1].dtype).itemsize, item[0]))
    )
    spelling = {np.dtype(dtype): name for name, dtype in _NAMES.items()}
    header, end = {}, 0
    for name, tensor in whole.items():
        start, end = (
            end,
            end + int(np.prod(tensor.shape, dtype=np.int64)) * np.dtype(tensor.dtype).itemsize,
        )
        kind = spelling[np.dtype(tensor.dtype)]
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for part in _bytes(struct.pack("<Q", len(text)) + text, whole, header):
            digest.update(part)
            file.write(part)
        size = file.tell()
        file.flush()
        os.fsync(file.fileno())
    return {"size": size, "sha256": digest.hexdigest()}


def _bytes(
    head: bytes, tensors: Mapping[str, Blocks], header: Mapping[str, dict]
) -> Iterable[memoryview | bytes]:
    yield head
    for name, tensor in tensors.items():
        start, end = header[name]["data_offsets"]
        written = 0
        for block in tensor.blocks:
            part = memoryview(np.ascontiguousarray(block, tensor.dtype).reshape(-1)).cast("B")
            written += len(part)
            yield part
        if written != end - start:
            raise ValueError(
                f"{name}: {written} bytes in its blocks, {end - start} in its shape {tensor.shape}"
            )


def map_tensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a safetensors file as read-only views into the mapped file. Raises InputError
    if it is damaged."""
    try:
        with path.open("rb") as file:
            mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        (size,) = struct.unpack("<Q", mapping[:8])
        if size > _MAX_HEADER:
            raise ValueError(f"a header of {size} bytes")
        tensors, end = {}, 0
        for name, entry in json.loads(mapping[8 : 8 + size]).items():
            start, stop = entry["data_offsets"]
            dtype, shape = np.dtype(_NAMES[entry["dtype"]]), tuple(entry["shape"])
            if (
                min(shape, default=0) < 0
                or start != end
                or stop - start != math.prod(shape) * dtype.itemsize
            ):
                raise ValueError(f"tensor {name} out of place")
            view = memoryview(mapping)[8 + size + start : 8 + size + stop]
            tensors[name], end = np.frombuffer(view, dtype).reshape(shape), stop
        if 8 + size + end != len(mapping):
            raise ValueError(f"{len(mapping)} bytes instead of {8 + size + end}")
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
        struct.error,
    ) as error:
        raise InputError(
            path, f"{type(error).__name__}: {error}", "a complete safetensors file"
        ) from None
    return tensors
