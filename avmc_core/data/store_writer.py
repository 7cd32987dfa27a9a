"""Writes the files of a feature store (``store`` says what they hold) into a folder that is not yet
one."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from avmc_core import schema
from avmc_core.data.manifest import (
    CLIPS,
    MANIFEST,
    RELEASED_LABELS,
    SCHEMA_VERSION,
    content_digest,
    files_of,
)
from avmc_core.files.atomic import sync
from avmc_core.files.tensors import Blocks, write_tensors


def write_split(
    folder: Path,
    name: str,
    clips: pd.DataFrame,
    values: Mapping[str, Iterable[np.ndarray]],
    tokens: np.ndarray,
    dims: Mapping[str, int] = schema.DIMS,
) -> dict[str, dict]:
    """Writes the four files of a split of N ``clips`` (CLIP_COLUMNS) and returns their entries in
    the manifest.

    ``values``: per modality, blocks (sum of some T_i, D) of the clips' steps in order; ``tokens``
    (N, 3, T) int64; ``dims``: D of each modality.
    """
    files = files_of(name)
    entries = {}
    for modality in schema.MODALITIES:
        offsets = np.concatenate([[0], np.cumsum(clips[f"{modality}_length"].to_numpy(np.int64))])
        steps = Blocks("<f4", (int(offsets[-1]), dims[modality]), values[modality])
        entries[files[modality]] = write_tensors(
            folder / files[modality], {"values": steps, "offsets": offsets}
        )
    labels = clips[list(schema.TASKS)].to_numpy(np.float32)
    mask = np.full(len(clips), name != schema.UNLABELLED)
    tensors = {"labels": labels, "mask": mask, "tokens": tokens}
    return entries | {files["labels"]: write_tensors(folder / files["labels"], tensors)}


def write_extra(
    folder: Path, split: str, name: str, values: Iterable[np.ndarray], lengths: np.ndarray, dim: int
) -> dict[str, dict]:
    """Writes the file of one of ``schema.EXTRAS`` for a split and returns its entry in the
    manifest.

    ``values``: blocks (sum of some T_i, D) of the clips' steps in order; ``lengths`` (N,) the T_i,
    each at least 1; ``dim``: D.
    """
    file = files_of(split, [name])[name]
    offsets = np.concatenate([[0], np.cumsum(np.asarray(lengths, np.int64))])
    steps = Blocks("<f4", (int(offsets[-1]), dim), values)
    return {file: write_tensors(folder / file, {"values": steps, "offsets": offsets})}


def write_index(
    folder: Path,
    clips: Mapping[str, pd.DataFrame],
    files: Mapping[str, dict],
    *,
    steps: Mapping[str, int],
    source: Mapping[str, Any],
    repairs: Mapping[str, int],
    generator: Mapping[str, Any] | None = None,
    extras: Mapping[str, int] | None = None,
    dims: Mapping[str, int] = schema.DIMS,
    labels: Mapping[str, Any] = RELEASED_LABELS,
    tokens: bool = True,
    label_set: str = "",
    dataset: str = "",
) -> None:
    """Writes ``clips.csv`` and the manifest. ``files``: what ``write_split`` and ``write_extra``
    returned for every split; ``steps``: the cap T of every kind of features; ``generator``: the
    settings that made the clips, when they are simulated; ``extras``: D of each of
    ``schema.EXTRAS`` that was written; ``dims``: D of each modality; ``labels``: ``limit``, the
    largest label, and ``tasks``, which of ``schema.TASKS`` are annotated; ``tokens``:
    whether the ids of the tokens are known; ``label_set``: in words, which labels the clips carry;
    ``dataset``: the data set that this is known to be."""
    # every text: readers take a bare carriage return for the end of a line
    quoting = csv.QUOTE_NONNUMERIC
    data = (
        pd.concat(clips.values())
        .to_csv(index=False, lineterminator="\n", quoting=quoting)
        .encode("utf-8")
    )
    (folder / CLIPS).write_bytes(data)
    files = {**files, CLIPS: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}}
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "kind": "real" if generator is None else "simulated",
        "source": source,
        "splits": {name: len(table) for name, table in clips.items()},
        "dims": {**dims, **(extras or {})},
        "steps": dict(steps),
        "repairs": [{"what": what, "count": count} for what, count in repairs.items() if count],
        "files": files,
    }
    if generator is not None:
        manifest["generator"] = dict(generator)
    if dict(labels) != RELEASED_LABELS:
        manifest["labels"] = dict(labels)
    if not tokens:
        manifest["tokens"] = False
    names = {"label_set": label_set, "dataset": dataset}
    manifest |= {name: value for name, value in names.items() if value}
    manifest["digest"] = content_digest(manifest)
    (folder / MANIFEST).write_text(
        json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    sync(folder / CLIPS)
    sync(folder / MANIFEST)
