"""Safetensors files that detect damage to themselves: their metadata hold a SHA-256 of every tensor
and fact in them.

Trainer states, weights, predictions and extracted clips are written this way; a change made by a
disk or a program is an error when the file is read, and never becomes a result.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from avmc_core.errors import InputError

SEAL = "seal"


def write_sealed(
    path: Path, tensors: Mapping[str, np.ndarray], facts: Mapping[str, Any] | None = None
) -> None:
    """Writes tensors and JSON-ready ``facts``; the file appears complete or not at all. Equal
    content, equal bytes."""
    # the buffer is written as it is
    tensors = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    facts = dict(facts or {})
    text = json.dumps({**facts, SEAL: _seal(tensors, facts)}, sort_keys=True)
    temporary = path.with_name(f"{path.name}.writing")
    # one key: safetensors writes several in no fixed order
    save_file(tensors, temporary, {"avmc": text})
    os.replace(temporary, path)


def read_sealed(
    path: Path, expected: str = "a file as it was written"
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The tensors and facts of a file. Raises InputError when it is not such a file, or has changed
    since it was written; ``expected`` is what the message then says was expected."""
    if not path.is_file():
        raise InputError(path, "a folder" if path.is_dir() else "no such file", expected)
    try:
        with safe_open(path, "np") as file:
            facts = json.loads((file.metadata() or {})["avmc"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if facts.pop(SEAL) != _seal(tensors, facts):
            raise ValueError("its content is not what its seal says")
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        SafetensorError,
    ) as error:
        raise InputError(path, f"{type(error).__name__}: {error}", expected) from None
    return tensors, facts


def _seal(tensors: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> str:
    hashed = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        hashed.update(f"{name} {tensor.dtype.str} {tensor.shape}".encode())
        hashed.update(memoryview(tensor.reshape(-1)).cast("B") if tensor.size else b"")
    return hashed.hexdigest()
