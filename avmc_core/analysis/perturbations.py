"""Test clips with one modality taken away, exchanged or disturbed: the change in a trained model's
predictions shows which modalities it uses."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from avmc_core import schema
from avmc_core.analysis.recombination import crossed
from avmc_core.data.ragged import Ragged
from avmc_core.data.store import Split, Store
from avmc_core.errors import InputError
from avmc_core.simulated.text_encoder import SPECIAL

REAL_MASK = 103  # bert-base-chinese's [MASK]
TASK_OF_MODALITY = {modality: task for task, modality in schema.MODALITY_OF_TASK.items()}


@dataclass(frozen=True)
class Usual:
    """Features of the training clips: mean and standard deviation of the clips' means, each (D,)
    float32, by modality; ``first`` are those of the first text state, [CLS]. ``mask``: the token
    [MASK]."""

    mean: dict[str, np.ndarray]
    spread: dict[str, np.ndarray]
    mask: int


def usual(store: Store) -> Usual:
    """The means and standard deviations of the training clips of a store, per modality."""
    train = store.split("train")
    features = {name: getattr(train, name).mean() for name in schema.MODALITIES} | {
        "first": train.text.first()
    }
    return Usual(
        {
            name: values.mean(axis=0, dtype=np.float64).astype(np.float32)
            for name, values in features.items()
        },
        {
            name: values.std(axis=0, dtype=np.float64).astype(np.float32)
            for name, values in features.items()
        },
        SPECIAL.index("[MASK]") if store.simulated else REAL_MASK,
    )


def removed(split: Split, names: Collection[str], average: Usual) -> Split:
    """``split`` without some modalities: each of their steps is replaced by the mean of the
    training clips; the numbers of steps stay.

    For models that read tokens every word becomes [MASK]. The annotations of the removed modalities
    become NaN.
    """
    changes: dict[str, object] = {}
    labels = split.labels.copy()
    for name in names:
        ragged = _modality(split, name)
        values = np.tile(average.mean[name], (int(ragged.lengths.sum()), 1))
        if name == "text":
            values[_starts(ragged)] = average.mean["first"]
            changes["tokens"] = _masked(split.tokens, average.mask)
        changes[name] = _ragged(values, ragged)
        labels[:, schema.TASKS.index(TASK_OF_MODALITY[name])] = np.nan
    return replace(split, labels=labels, **changes)


def permuted(split: Split, name: str, rng: np.random.Generator) -> Split:
    """``split`` with one modality of each clip taken from another clip of the split, at random; no
    clip keeps its own, and each gives its own once. T, A and V move with their modalities. Raises
    InputError for fewer than two clips."""
    _modality(split, name)
    if len(split) < 2:
        raise InputError(f"permutation of {name}", f"{len(split)} clips", "two or more")
    order = rng.permutation(len(split))
    rows = {modality: np.arange(len(split)) for modality in schema.MODALITIES}
    rows[name] = np.empty(len(split), dtype=np.int64)
    rows[name][order] = np.roll(order, 1)
    return crossed(*(item for modality in schema.MODALITIES for item in (split, rows[modality])))


def noised(
    split: Split, name: str, scale: float, average: Usual, rng: np.random.Generator
) -> Split:
    """``split`` with every feature of one modality shifted, by one normal number per clip and
    feature: ``scale`` standard deviations of the training clips' means. [CLS] is shifted by the
    same numbers times its own standard deviations.

    Noise that is new at each step would vanish in models that average over steps; this one does
    not.
    """
    ragged = _modality(split, name)
    normal = rng.standard_normal((len(split), len(average.mean[name])), dtype=np.float32)  # (N, D)
    values = np.concatenate([ragged[row] for row in range(len(split))])
    values += np.repeat(scale * average.spread[name] * normal, ragged.lengths, axis=0)
    if name == "text":
        values[_starts(ragged)] = ragged.first() + scale * average.spread["first"] * normal
    return replace(split, **{name: _ragged(values, ragged)})


def _modality(split: Split, name: str) -> Ragged:
    if name not in schema.MODALITIES:
        raise InputError("modality", repr(name), f"one of {', '.join(schema.MODALITIES)}")
    return getattr(split, name)


def _starts(ragged: Ragged) -> np.ndarray:
    """Where each clip's first step is, (N,)."""
    return np.cumsum(ragged.lengths) - ragged.lengths


def _ragged(values: np.ndarray, like: Ragged) -> Ragged:
    """Steps of all clips, one after the other, in the lengths of ``like``."""
    return Ragged.of(((values, np.append(0, np.cumsum(like.lengths))),), like.steps)


def _masked(tokens: np.ndarray, mask: int) -> np.ndarray:
    """(N, 3, T) with every word replaced; [CLS], [SEP] and padding stay."""
    out, length = tokens.copy(), tokens[:, 1].sum(axis=1, keepdims=True)  # (N, 1)
    place = np.arange(tokens.shape[2])
    out[:, 0] = np.where((place > 0) & (place < length - 1), mask, out[:, 0])
    return out
