"""The feature store: a folder that holds the released data ragged, in float32 and mapped, with a
manifest.

``manifest.json`` names every other file with its size and SHA-256. ``clips.csv`` has one row per
clip. Per split there is one safetensors file for each modality (``values`` (sum of T_i, D) float32,
``offsets`` (N + 1,) int64) and one for ``labels`` (``labels`` (N, 4) float32, ``mask`` (N,) bool,
``tokens`` (N, 3, T) int64). ``importing`` writes it. Features of ``schema.EXTRAS`` that the
manifest lists under ``dims`` and ``steps`` have a file like a modality's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
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
    check_bytes,
    check_files,
    content_digest,
    extras_of,
    files_of,
    read_manifest,
)
from avmc_core.data.ragged import Ragged, joined
from avmc_core.errors import InputError
from avmc_core.files.tensors import map_tensors

__all__ = [
    "CLIP_COLUMNS",
    "SCHEMA_VERSION",
    "Ragged",
    "Split",
    "Store",
    "content_digest",
    "open_store",
    "verify_store",
]

CLIP_COLUMNS = (
    *("id", "video_id", "clip_id", "split", "text", "annotation"),
    *schema.TASKS,
    *(f"{modality}_length" for modality in schema.MODALITIES),
)


@dataclass(frozen=True)
class Split:
    """N clips: features, labels and one row of ``clips`` each, in the same order."""

    name: str
    clips: pd.DataFrame  # CLIP_COLUMNS; labels NaN where unlabelled, lengths in steps
    text: Ragged
    audio: Ragged
    vision: Ragged
    tokens: np.ndarray  # (N, 3, T) int64: ids, mask, segments
    labels: np.ndarray  # (N, 4) float32 in the order of schema.TASKS, NaN where unlabelled
    mask: np.ndarray  # (N,) bool: labelled
    # of schema.EXTRAS, with lengths of their own
    extras: dict[str, Ragged] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.mask)


@dataclass(frozen=True)
class Store:
    """An opened feature store."""

    path: Path
    manifest: dict[str, Any]
    splits: dict[str, Split]  # train, valid, test and, if imported, unlabelled

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the content and of its declared origin: if both are equal, so are the
        digests, whatever files they came from."""
        return self.manifest["digest"]

    @property
    def simulated(self) -> bool:
        """Whether this is a simulated corpus; everything made from one must say so."""
        return self.manifest["kind"] == "simulated"

    @property
    def dataset(self) -> str:
        """The data set that this is known to be by its widths and labels: "CH-SIMS v2.0" or ""."""
        return self.manifest.get("dataset", "")

    @property
    def as_released(self) -> bool:
        """Whether widths, annotations and range of labels are those of CH-SIMS v2.0, and tokens
        there, whatever the clips are."""
        same_width = all(self.dims[name] == width for name, width in schema.DIMS.items())
        same_labels = self.tasks == schema.TASKS and self.limit == min(schema.LIMITS)
        return same_width and same_labels and self.has_tokens

    @property
    def dims(self) -> dict[str, int]:
        """D of each modality, and of each of ``extras``."""
        return dict(self.manifest["dims"])

    @property
    def limit(self) -> float:
        """The largest label: they run from -limit to limit."""
        return self.manifest.get("labels", RELEASED_LABELS)["limit"]

    @property
    def tasks(self) -> tuple[str, ...]:
        """Which of ``schema.TASKS`` are annotated; M always is."""
        return tuple(self.manifest.get("labels", RELEASED_LABELS)["tasks"])

    @property
    def has_tokens(self) -> bool:
        """Whether the ids of the tokens are known; else ``Split.tokens`` holds the mask alone."""
        return self.manifest.get("tokens", True)

    @property
    def extras(self) -> tuple[str, ...]:
        """Which of ``schema.EXTRAS`` every split of this store has."""
        return extras_of(self.manifest)

    @property
    def lacks(self) -> tuple[str, ...]:
        """The modalities that the clips lack: their features are one step of zeros, which
        no model may learn from."""
        return tuple(self.manifest["source"].get("extraction", {}).get("lacks", ()))

    def split(self, name: str) -> Split:
        """A split by name; ``train_mix`` is a view of train (mask True) followed by unlabelled
        (mask False), all of both (the reference's loader can lose a row: D15).

        Raises InputError for a name that the store does not have.
        """
        if name == schema.TRAIN_MIX:
            return joined_splits(name, self.split("train"), self.split(schema.UNLABELLED))
        if name not in self.splits:
            names = [
                *self.splits,
                *([schema.TRAIN_MIX] if schema.UNLABELLED in self.splits else []),
            ]
            raise InputError(self.path, f"no split {name!r}", f"one of {', '.join(names)}")
        return self.splits[name]


def open_store(path: str | Path) -> Store:
    """Opens a store by mapping its files, in well under a second.

    Raises InputError for anything but a complete, consistent store of this schema version. Checks
    names, sizes, shapes, lengths and the manifest's digest, and every byte of what is read whole:
    the clips and their labels. ``verify_store`` checks every byte of the features too.
    """
    path = Path(path)
    if not (path / MANIFEST).exists():
        kind = (
            f"a folder without {MANIFEST}"
            if path.is_dir()
            else "a file"
            if path.exists()
            else "no such folder"
        )
        raise InputError(
            path, kind, "a feature store, as `avmc data import` and `avmc extract` make them"
        )
    manifest = read_manifest(path / MANIFEST)
    try:
        check_files(path, manifest)
        for name in (CLIPS, *(files_of(split)["labels"] for split in manifest["splits"])):
            check_bytes(path / name, manifest["files"][name]["sha256"])
        clips = _read_clips(path / CLIPS)
        splits = {name: _open_split(path, name, manifest, clips) for name in manifest["splits"]}
    except InputError:
        raise
    except Exception as error:  # whatever damaged files lead to: one kind of error for the user
        raise InputError(
            path,
            f"an inconsistent store ({type(error).__name__}: {error})",
            "one that was imported",
        ) from None
    return Store(path, manifest, splits)


def verify_store(path: str | Path) -> Store:
    """Opens a store and compares every file with the SHA-256 in its manifest. Raises InputError if
    one differs."""
    store = open_store(path)
    for name, entry in store.manifest["files"].items():
        check_bytes(store.path / name, entry["sha256"])
    return store


def _read_clips(path: Path) -> pd.DataFrame:
    clips = pd.read_csv(path, dtype=str, keep_default_na=False, na_filter=False, encoding="utf-8")
    if tuple(clips.columns) != CLIP_COLUMNS:
        raise InputError(path, f"columns {', '.join(clips.columns)}", ", ".join(CLIP_COLUMNS))
    # exactly what was written
    labels = {task: [float(text or "nan") for text in clips[task]] for task in schema.TASKS}
    lengths = {
        f"{modality}_length": clips[f"{modality}_length"].astype("int64")
        for modality in schema.MODALITIES
    }
    return clips.assign(**labels, **lengths)


def _open_split(path: Path, name: str, manifest: dict[str, Any], clips: pd.DataFrame) -> Split:
    extras = extras_of(manifest)
    files = {part: path / file for part, file in files_of(name, extras).items()}
    clips = clips[clips["split"] == name].reset_index(drop=True)
    rows = manifest["splits"][name]
    if len(clips) != rows:
        raise InputError(path / CLIPS, f"{len(clips)} clips of split {name}", f"{rows}")
    ragged = {}
    for modality in (*schema.MODALITIES, *extras):
        tensors, dim, steps = (
            map_tensors(files[modality]),
            manifest["dims"][modality],
            manifest["steps"][modality],
        )
        values, offsets = tensors["values"], tensors["offsets"].copy()
        lengths = np.diff(offsets) if modality in extras else clips[f"{modality}_length"].to_numpy()
        if (
            values.dtype != np.float32
            or values.shape != (lengths.sum(), dim)
            or lengths.min(initial=1)
            < 1  # a split may be empty: clips of a user's own have no splits
            or lengths.max(initial=0) > steps
        ):
            raise InputError(
                files[modality],
                f"{values.dtype} {values.shape}",
                f"float32 ({lengths.sum()}, {dim})",
            )
        if len(lengths) != rows or not np.array_equal(
            offsets, np.concatenate([[0], np.cumsum(lengths)])
        ):
            raise InputError(files[modality], "offsets that do not fit", f"the lengths in {CLIPS}")
        ragged[modality] = Ragged.of(((values, offsets),), steps)
    tensors = {key: tensor.copy() for key, tensor in map_tensors(files["labels"]).items()}
    shapes = {"labels": (rows, 4), "mask": (rows,), "tokens": (rows, 3, manifest["steps"]["text"])}
    kinds = {"labels": np.float32, "mask": np.bool_, "tokens": np.int64}
    if {key: tensor.shape for key, tensor in tensors.items()} != shapes or any(
        tensor.dtype != kinds[key] for key, tensor in tensors.items()
    ):
        raise InputError(files["labels"], "tensors of other names, types or shapes", str(shapes))
    if not np.array_equal(
        tensors["labels"], clips[list(schema.TASKS)].to_numpy(np.float32), equal_nan=True
    ):
        raise InputError(files["labels"], "labels that do not fit", f"those in {CLIPS}")
    return Split(
        name, clips, **tensors, extras={extra: ragged.pop(extra) for extra in extras}, **ragged
    )


def joined_splits(name: str, *splits: Split) -> Split:
    """The clips of several splits one after the other, without a copy of their features."""
    ragged = {
        modality: joined([getattr(split, modality) for split in splits])
        for modality in schema.MODALITIES
    }
    extras = {
        extra: joined([split.extras[extra] for split in splits]) for extra in splits[0].extras
    }
    arrays = {
        key: np.concatenate([getattr(split, key) for split in splits])
        for key in ("tokens", "labels", "mask")
    }
    clips = pd.concat([split.clips for split in splits], ignore_index=True)
    return Split(name, clips, **ragged, **arrays, extras=extras)
