"""The features of one video as MMSA-FET's commands write them, a pickle of a few arrays, as a clip
for a prediction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from avmc_core import schema
from avmc_core.clips.prediction import Clip
from avmc_core.data.padding import FINITE
from avmc_core.data.unpickle import read_pickle
from avmc_core.errors import InputError, counted
from avmc_core.files.names import shown
from avmc_core.models.base import Sizes

SUFFIXES = (".pkl", ".pickle")
RELEASED = Sizes()
_KEYS = (*schema.MODALITIES, "text_bert")


def is_feature_file(path: str | Path) -> bool:
    """Whether a path is that of such a file, by its name."""
    return Path(path).suffix.lower() in SUFFIXES


def read_feature_file(
    path: str | Path, sentence: str = "", sizes: Sizes = RELEASED
) -> tuple[Clip, list[str]]:
    """Returns the clip, and sentences on what was assumed or cut. ``sizes``: those of the model.

    Keys: audio, vision, text (T, D) of any float type, with the D of ``sizes``, each with or
    without a first axis of 1; text_bert (3, T): ids, mask, segments. A key ``config`` and others
    that nothing here reads may stand beside them. Steps of zeros at either end are padding and left
    out; -inf, the logarithm of silence, becomes 0. Raises InputError, naming the key, for anything
    else.
    """
    path = Path(path)
    content = read_pickle(path)
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise InputError(
            path, f"a {type(content).__name__}", f"a dict with the keys {', '.join(_KEYS)}"
        )
    if any(name in content for name in schema.SPLITS):
        raise InputError(
            path,
            "a data set with splits",
            "the features of one video; `avmc data import` reads data sets",
        )
    if missing := [key for key in _KEYS if key not in content]:
        raise InputError(path, f"no key {', '.join(missing)}", f"the keys {', '.join(_KEYS)}")
    notes: list[str] = []
    tokens, words = _tokens(f"{path}, key text_bert", content["text_bert"], sizes.text_steps)
    parts = {}
    for name in schema.MODALITIES:
        values = _features(f"{path}, key {name}", content[name], getattr(sizes, name), name, notes)
        cap = getattr(sizes, f"{name}_steps")
        values = (
            values[:words]
            if name == "text"
            else _without_padding(f"{path}, key {name}", values, name, notes)
        )
        if len(values) > cap:
            notes.append(f"{name} cut from {len(values)} to {cap} steps")
        parts[name] = values[:cap]
    if len(parts["text"]) < min(words, sizes.text_steps):
        raise InputError(
            f"{path}, key text", f"{len(parts['text'])} steps", f"{words}, as text_bert's mask has"
        )
    raw_text = content.get("raw_text", "")
    sentence = sentence or (raw_text if isinstance(raw_text, str) else "")
    frames = np.arange(len(parts["vision"]))
    notes.append(
        "features as they stand in the file: on what scale the model's own were, is unpublished"
    )
    return Clip(shown(path.name), sentence, **parts, tokens=tokens, frames=frames), notes


def _features(where: str, value: Any, width: int, name: str, notes: list[str]) -> np.ndarray:
    """(T, D) float32."""
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
        raise InputError(where, _described(value), f"a float array (steps, {width})")
    value = value[0] if value.ndim == 3 and len(value) == 1 else value
    if value.ndim != 2 or value.shape[1] != width or not len(value):
        raise InputError(
            where,
            _described(value),
            f"(steps, {width}), the columns that the models were trained on",
        )
    silent = np.isneginf(value)
    if name != "text" and silent.any():
        values = counted(int(silent.sum()), "value")
        notes.append(f"{values} of -inf in {name} set to 0")
        value = np.where(silent, 0, value)
    with np.errstate(over="ignore"):
        values = value.astype(np.float32)
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values).all(axis=1)))
        raise InputError(f"{where}, step {row}", "NaN, inf or more than float32 holds", FINITE)
    return values


def _without_padding(where: str, values: np.ndarray, name: str, notes: list[str]) -> np.ndarray:
    there = np.flatnonzero(values.any(axis=1))
    if not len(there):
        raise InputError(where, "nothing but zeros", "features")
    kept = values[there[0] : there[-1] + 1]
    if len(kept) < len(values):
        steps = counted(len(values) - len(kept), "step")
        notes.append(f"{steps} of zeros at the ends of {name} left out, as padding")
    return kept


def _tokens(where: str, value: Any, cap: int) -> tuple[np.ndarray, int]:
    """Tokens (3, cap) int64, padded or cut, and how many there are."""
    if isinstance(value, np.ndarray) and value.ndim == 3 and len(value) == 1:
        value = value[0]
    if (
        not isinstance(value, np.ndarray)
        or value.dtype.kind not in "iuf"
        or value.ndim != 2
        or len(value) != 3
    ):
        raise InputError(where, _described(value), "(3, steps): ids, mask and segments")
    with np.errstate(invalid="ignore"):
        whole = value.astype(np.int64)
    words = int(whole[1].sum())
    mask = np.arange(whole.shape[1]) < words
    if not (
        np.array_equal(whole, value)
        and whole.min(initial=0) >= 0
        and words >= 1
        and (whole[1] == mask).all()
    ):
        raise InputError(
            where,
            "ids below 0, or a mask with gaps",
            "whole numbers, and a mask of ones before zeros",
        )
    tokens = np.zeros((3, cap), dtype=np.int64)
    tokens[:, : min(cap, whole.shape[1])] = whole[:, :cap]
    return tokens, words


def _described(value: Any) -> str:
    return (
        f"an array of shape {value.shape}"
        if isinstance(value, np.ndarray)
        else f"a {type(value).__name__}"
    )
