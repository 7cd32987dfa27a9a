"""Readers of the released artefacts: what they return has the released keys, shapes, types and
ranges.

The feature arrays stay in the file (``avmc_core.data.unpickle``); whoever reads them checks their
values (``importing``).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from avmc_core import schema
from avmc_core.data import layouts
from avmc_core.data.columns import READERS, check_rows, plain
from avmc_core.data.label_table import read_meta
from avmc_core.data.released_writer import (
    EXTRACTED,
    FEATURE_KEYS,
    KEYS,
    MARKS,
    MASK,
    Padded,
    write_supervised,
    write_unsupervised,
)
from avmc_core.data.unpickle import read_pickle
from avmc_core.errors import InputError

__all__ = [
    "ID_SEPARATOR",
    "Padded",
    "dims",
    "layout_of",
    "mark",
    "open_supervised",
    "open_unsupervised",
    "read_meta",
    "steps",
    "taken_for",
    "write_supervised",
    "write_unsupervised",
]

ID_SEPARATOR = "$_$"  # between video id and clip id
_MAX_CONFIG = 2**16  # characters of MMSA-FET's settings that a manifest keeps


def open_supervised(
    path: str | Path, repairs: Counter[str] | None = None, limit: float | None = None
) -> dict[str, dict[str, np.ndarray]]:
    """``{split: {key: array}}`` of ch-simsv2s.pkl, or of another file that is laid out so
    (``layouts``), for train, valid and test; a ``train_mix`` added by an export is left out, and so
    are the settings that MMSA-FET writes beside the splits.

    Per split of N rows: id, raw_text (N,) unicode; audio, vision and text (N, T, D) float, mapped;
    regression_labels (N,) float64 in [-limit, limit]. Where the file has them, as the released one
    must: text_bert (N, 3, T) int64: ids, mask, segments; annotations (N,) unicode; audio_lengths,
    vision_lengths (N,) int64 in 1..T; regression_labels_T, _A, _V as M's. ``limit``: the largest
    label, where it is declared.

    What had to be set right is counted in ``repairs``: other names of a split, columns of shape (N,
    1), text as bytes, lengths outside 1..T where the layout is not the released one, keys that
    nothing here reads. Raises InputError for anything else, for ids that occur twice and for splits
    whose T or D differ.
    """
    repairs = Counter() if repairs is None else repairs
    content = _renamed(_mapping(path, read_pickle(path)), repairs)
    layout = layouts.checked_layout(path, content, limit)
    _check_keys(path, content, schema.SPLITS, (schema.TRAIN_MIX, layouts.CONFIG, *MARKS), "split")
    keys = KEYS if layout is None else _keys(layout)
    splits = {
        name: _columns(f"{path}, split {name}", content[name], keys, repairs, layout)
        for name in schema.SPLITS
    }
    for name, columns in splits.items():
        for what, of in (("steps", steps), ("columns", dims)):
            if of(columns) != of(splits["train"]):
                raise InputError(
                    f"{path}, split {name}",
                    f"{what} {of(columns)}",
                    f"those of train, {of(splits['train'])}",
                )
    _check_unique(path, np.concatenate([columns["id"] for columns in splits.values()]))
    return splits


def open_unsupervised(
    path: str | Path, repairs: Counter[str] | None = None
) -> dict[str, np.ndarray]:
    """``{key: array}`` of ch-simsv2u.pkl, a flat dict. As a split of ``open_supervised``, without
    annotations and labels: the file may hold placeholders under these keys, which are left out."""
    repairs = Counter() if repairs is None else repairs
    content = _mapping(path, read_pickle(path))
    if {"train", "test"} & set(content):
        raise InputError(
            path,
            "a file with splits",
            "a flat dict of unlabelled clips; splits are given with --supervised",
        )
    columns = {key: value for key, value in content.items() if key not in (*MARKS, layouts.CONFIG)}
    columns = _columns(str(path), columns, FEATURE_KEYS, repairs)
    _check_unique(path, columns["id"])
    return columns


def layout_of(path: str | Path, limit: float | None = None) -> layouts.Layout:
    """The format that a file read by ``open_supervised`` was recognised as."""
    return layouts.recognised(_mapping(path, read_pickle(path)), limit)


def taken_for(path: str | Path, limit: float | None = None) -> dict[str, Any]:
    """What a store's manifest says about the file that it was made from: its ``layout`` in words,
    the types of its columns, and, as JSON text, the ``config`` that MMSA-FET writes."""
    content = _mapping(path, read_pickle(path))
    layout = layouts.recognised(content, limit)
    facts = {} if layout is None else {"layout": layout.name}
    split = content.get("train")
    if isinstance(split, Mapping):
        facts["dtypes"] = {key: _kind(value) for key, value in split.items() if key in KEYS}
    if layouts.CONFIG in content:
        config = json.dumps(content[layouts.CONFIG], sort_keys=True, default=str)
        facts["config"] = (
            config if len(config) <= _MAX_CONFIG else f"{len(config)} characters, left out"
        )
    return facts


def mark(path: str | Path, name: str) -> dict[str, Any] | None:
    """The facts with which an export marked a file of released format, by the mark's name in
    ``MARKS``; None if the file has no such mark."""
    facts = _mapping(path, read_pickle(path)).get(name)
    if facts is None:
        return None
    try:
        facts = json.loads(facts)
        if not isinstance(facts, dict) or (
            name == EXTRACTED and not isinstance(facts["approximation"], str)
        ):
            raise TypeError(name)
        return facts
    except (TypeError, ValueError, KeyError, RecursionError):
        raise InputError(
            f"{path}, key {name}", "something else", "a JSON object, as an export writes it"
        ) from None


def steps(columns: Mapping[str, np.ndarray]) -> dict[str, int]:
    """T of each modality, the length at which the arrays are cut and padded."""
    return {modality: columns[modality].shape[1] for modality in schema.MODALITIES}


def dims(columns: Mapping[str, np.ndarray]) -> dict[str, int]:
    """D of each modality, the width of its features."""
    return {modality: columns[modality].shape[2] for modality in schema.MODALITIES}


def _kind(value: Any) -> str:
    return value.dtype.name if isinstance(value, np.ndarray) else type(value).__name__


def _keys(layout: layouts.Layout) -> tuple[str, ...]:
    """The keys that a split of this layout has to have, in the released order."""
    absent = {schema.LABEL_KEYS[task] for task in schema.TASKS if task not in layout.tasks}
    if layout.aligned:
        absent |= set(layouts.LENGTHS.values())
    if not layout.released:
        absent.add("annotations")  # nothing is computed from them
        absent |= set() if layout.tokens else {layouts.TOKENS}
    return tuple(key for key in KEYS if key not in absent)


def _mapping(where: str | Path, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise InputError(where, f"a {type(value).__name__}", "a dict with string keys")
    return value


def _renamed(content: dict[str, Any], repairs: Counter[str]) -> dict[str, Any]:
    """The splits under our names, where a file has them under others alone."""
    for other in list(content):
        ours = layouts.SYNONYMS.get(other.lower(), other.lower())
        if ours in schema.SPLITS and ours not in content:
            content = {ours if key == other else key: value for key, value in content.items()}
            repairs[f"split {other!r} read as {ours}"] += 1
    return content


def _check_keys(where, given: Mapping[str, Any], required, optional, noun: str) -> None:
    missing = [key for key in required if key not in given]
    unknown = sorted(set(given) - set(required) - set(optional))
    if missing or unknown:
        names = [f"no {noun} {key!r}" for key in missing] + [
            f"an unknown {noun} {key[:80]!r}" for key in unknown[:5]
        ]
        raise InputError(where, ", ".join(names), f"the {noun}s {', '.join(required)}")


def _columns(
    where: str,
    value: Any,
    required: tuple[str, ...],
    repairs: Counter[str],
    layout: layouts.Layout | None = None,
) -> dict[str, np.ndarray]:
    given = _mapping(where, value)
    _check_keys(where, given, required, (*KEYS, *layouts.UNUSED, MASK), "key")
    for key in layouts.UNUSED:
        repairs[f"key {key} left out"] += key in given
    taken = [*required, *(key for key in ("annotations",) if layout and key in given)]
    taken = [key for key in KEYS if key in taken]
    arrays = {key: plain(f"{where}, key {key}", given[key], repairs) for key in taken}
    columns = {key: READERS[key](f"{where}, key {key}", arrays[key]) for key in taken}
    rows = len(columns["id"])
    for key, column in columns.items():
        if len(column) != rows or not rows:
            raise InputError(
                f"{where}, key {key}",
                f"{len(column)} rows",
                f"{rows or 'some'} rows, as many as ids",
            )
    limit = layout.limit if layout else min(schema.LIMITS)
    for key in schema.LABEL_KEYS.values():
        if key in columns:
            good = np.abs(columns[key]) <= limit
            expected = f"a label in [{-limit:g}, {limit:g}]"
            check_rows(f"{where}, key {key}", columns[key], good, expected)
    for modality, key in layouts.LENGTHS.items():
        if key in columns:
            columns[key] = _lengths(where, columns, modality, repairs, layout)
        elif (layout is None or layout.released) and (
            columns[modality].shape[1] != columns["text"].shape[1]
        ):
            raise InputError(
                f"{where}, key {modality}",
                f"no {key}, and {columns[modality].shape[1]} steps",
                f"its lengths, or as many steps as text, {columns['text'].shape[1]}: aligned to it",
            )
    if layouts.TOKENS in columns:
        _check_tokens(f"{where}, key text_bert", columns["text_bert"], columns["text"].shape[1])
    return columns


def _lengths(
    where: str,
    columns: dict[str, np.ndarray],
    modality: str,
    repairs: Counter[str],
    layout: layouts.Layout | None,
) -> np.ndarray:
    """Lengths (N,) in 1..T; in the released layout any other is an error, elsewhere it is brought
    there and counted: some files of the public toolkits count frames that were cut, or none."""
    key, limit = layouts.LENGTHS[modality], columns[modality].shape[1]
    lengths = columns[key]
    good = (lengths >= 1) & (lengths <= limit)
    if layout is None or layout.released:
        check_rows(f"{where}, key {key}", lengths, good, f"1 to {limit}")
    repairs[f"{key} outside 1 to {limit}, brought there"] += int((~good).sum())
    return lengths.clip(1, limit)


def _check_unique(where: str | Path, ids: np.ndarray) -> None:
    values, counts = np.unique(ids, return_counts=True)
    if len(values) < len(ids):
        raise InputError(
            where, f"the id {str(values[np.argmax(counts)])!r} {counts.max()} times", "each id once"
        )


def _check_tokens(where: str, tokens: np.ndarray, limit: int) -> None:
    if tokens.shape[1:] != (3, limit):
        raise InputError(
            where, f"shape {tokens.shape}", f"(rows, 3, {limit}), as long as the text features"
        )
    mask, lengths = tokens[:, 1], tokens[:, 1].sum(axis=1)
    if (mask[:, ::-1] == (np.arange(limit) < lengths[:, None])).all() and (lengths < limit).any():
        raise InputError(
            where, "tokens padded at the start", "tokens padded at the end, from the first step on"
        )
    prefix = (mask == (np.arange(limit) < lengths[:, None])).all(axis=1)
    check_rows(where, mask, prefix & (lengths >= 1), "a mask of ones, at least one, and then zeros")
