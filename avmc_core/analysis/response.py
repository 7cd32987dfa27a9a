"""How far voice and face move a prediction: every neutral sentence with voices and faces over the
whole label range.

A context is what is held (a neutral sentence; for one cue alone also a neutral voice or face); at
each level of the label scale it gets a donor. The response curve is the mean prediction at each
level, its slope the sensitivity: a slope of 1 means that the prediction follows the donors' label,
0 that it ignores them. The same for the words, on neutral voices and faces, is the textual
counterpart.

Intervals come from a bootstrap that draws source videos and runs. A recombined clip has up to three
source videos and counts as often as all of them were drawn together (the pigeonhole bootstrap of
Owen 2007, whose intervals tend to be too wide).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from avmc_core import schema
from avmc_core.analysis.recombination import crossed
from avmc_core.analysis.statistics import Interval, multiplicities, percentile
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.data.store import Split
from avmc_core.errors import InputError
from avmc_core.simulated.label_model import expected_multimodal

CUES = {"A and V": ("A", "V"), "A": ("A",), "V": ("V",), "T": ("T",)}  # whose label the donors vary
NEUTRAL = int(schema.level([0.0])[0])


@dataclass(frozen=True)
class Crossing:
    """N recombined clips and, with one row per clip, ``plan``: cue (of ``CUES``), level (the
    donors' label), context (what is held)."""

    clips: Split
    plan: pd.DataFrame


@dataclass(frozen=True)
class Response:
    """Predictions of M against the donors' label."""

    levels: np.ndarray  # (L,) labels of the donors
    curve: tuple[Interval, ...]  # L mean predictions
    slope: Interval  # label units of M for each label unit of the donors


def cross(split: Split, seed: int = 0) -> Crossing:
    """Every clip of ``split`` with neutral words gets, for each cue and level, donors from the same
    split.

    Clips whose unimodal labels are placeholders take no part. What else is held is neutral: V for
    cue A, A for cue V, both for cue T, where as many contexts are made as there are neutral
    sentences. Donors of a level are dealt out in turn, in an order drawn with ``seed``; voice and
    face come from different clips. Raises InputError for the training split and when there are no
    neutral clips or fewer than two levels with donors.
    """
    if split.name == "train":
        raise InputError(
            "crossing", "clips of train", "clips that no model has been trained on: test or valid"
        )
    usable = ~placeholder_clips(split.clips) & np.isfinite(split.labels).all(axis=1)
    levels = {
        task: np.where(usable, schema.level(np.nan_to_num(split.labels[:, k])), -1)
        for k, task in _PLACES.items()
    }
    donors = {
        task: [np.flatnonzero(levels[task] == level) for level in range(len(schema.GRID))]
        for task in levels
    }
    for task, rows in donors.items():
        if not len(rows[NEUTRAL]):
            raise InputError(
                f"split {split.name}", f"no clip with {task} = 0", "neutral clips, to be held"
            )
    rng = np.random.default_rng(seed)
    contexts = len(donors["T"][NEUTRAL])
    parts = []
    for cue, tasks in CUES.items():
        shared = [k for k in range(len(schema.GRID)) if all(len(donors[task][k]) for task in tasks)]
        if len(shared) < 2:
            raise InputError(
                f"split {split.name}",
                f"donors at {len(shared)} levels of {cue}",
                "two levels or more",
            )
        held = {task: _dealt(rng, donors[task][NEUTRAL], contexts) for task in _PLACES.values()}
        for k in shared:
            rows = held | {task: _dealt(rng, donors[task][k], contexts) for task in tasks}
            parts.append(
                pd.DataFrame(
                    {**rows, "cue": cue, "level": schema.GRID[k], "context": np.arange(contexts)}
                )
            )
    plan = pd.concat(parts, ignore_index=True)
    # clips of like length together: a batch is padded to its longest
    plan = plan.iloc[np.argsort(split.audio.lengths[plan["A"]], kind="stable")].reset_index(
        drop=True
    )
    clips = crossed(
        split, plan["T"].to_numpy(), split, plan["A"].to_numpy(), split, plan["V"].to_numpy()
    )
    return Crossing(clips, plan[["cue", "level", "context"]])


_PLACES = {k: task for k, task in enumerate(schema.TASKS) if task != "M"}


def _dealt(rng: np.random.Generator, rows: np.ndarray, n: int) -> np.ndarray:
    """``n`` of ``rows`` in random order, none a second time before all have been dealt."""
    return np.concatenate([rng.permutation(rows) for _ in range(-(-n // len(rows)))])[:n]


def oracle(clips: Split) -> np.ndarray:
    """E[M | T, A, V] of the donors' labels under the rule that made the simulated test clips, (1,
    N): the expected M of a recombined clip. It is given the labels, so no model can be
    expected to reach it."""
    return expected_multimodal(clips.labels[:, 1:].astype(np.float64), "test")[None]


def responses(
    crossing: Crossing, predictions: Mapping[str, np.ndarray], n: int = 2000, seed: int = 0
) -> dict[str, dict[str, Response]]:
    """The response to each cue, by name and cue. ``predictions`` are those of M, (R, N) for each
    name's R runs."""
    by_name: dict[str, dict[str, Response]] = {name: {} for name in predictions}
    for cue in CUES:
        rows, weights = _draws(crossing, cue, n, seed)
        levels = crossing.plan["level"].to_numpy()[rows]
        for name, own in predictions.items():
            here, runs = own[:, rows].astype(np.float64), _runs(own, n, seed)
            curve = tuple(
                _interval(_means(here[:, at], weights[:, at]), here[:, at].mean(axis=1), runs)
                for at in (levels == level for level in np.unique(levels))
            )
            slope = _interval(*_slopes(crossing, rows, here, weights), runs)
            by_name[name][cue] = Response(np.unique(levels), curve, slope)
    return by_name


def difference(
    crossing: Crossing,
    first: np.ndarray,
    second: np.ndarray,
    cue: str,
    n: int = 2000,
    seed: int = 0,
) -> Interval:
    """Slope of ``first`` (R1, N) minus that of ``second`` (R2, N): videos are drawn for both
    together, runs for each."""
    rows, weights = _draws(crossing, cue, n, seed)
    drawn, whole = [], []
    for number, predictions in enumerate((first, second)):
        slopes, estimates = _slopes(
            crossing, rows, predictions[:, rows].astype(np.float64), weights
        )
        drawn.append((_runs(predictions, n, seed + number) * slopes).sum(axis=1))
        whole.append(estimates.mean())
    return Interval(float(whole[0] - whole[1]), *percentile(drawn[0] - drawn[1]))


def verdict(difference: Interval, first: str, second: str) -> str:
    """One sentence about a ``difference``, whatever its sign."""
    words = (
        "larger than"
        if difference.low > 0
        else "smaller than"
        if difference.high < 0
        else "not distinguishable from"
    )
    return f"The sensitivity of {first} is {words} that of {second}: difference {difference:+.3f}."


def _draws(crossing: Crossing, cue: str, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows of a cue and how often each of them counts in each draw of source videos, (n,
    rows)."""
    rows = np.flatnonzero(crossing.plan["cue"] == cue)
    names = [f"{name}_video" for name in schema.MODALITIES]
    videos, index = np.unique(crossing.clips.clips[names].to_numpy(str)[rows], return_inverse=True)
    drawn = multiplicities(len(videos), n, np.random.default_rng(seed))  # (n, videos)
    return rows, drawn[:, index.reshape(len(rows), 3)].prod(axis=2)


def _runs(predictions: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Shares (n, R) of the runs in each draw."""
    return multiplicities(
        len(predictions), n, np.random.default_rng([seed, len(predictions)])
    ) / len(predictions)


def _interval(draws: np.ndarray, estimates: np.ndarray, runs: np.ndarray) -> Interval:
    """From figures (n, R) of the draws, figures (R,) of all clips and the runs' shares (n, R)."""
    return Interval(float(estimates.mean()), *percentile((runs * draws).sum(axis=1)))


def _means(predictions: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted means (n, R) of predictions (R, rows)."""
    with np.errstate(invalid="ignore"):  # a draw without any of these clips
        return weights @ predictions.T / weights.sum(axis=1)[:, None]


def _slopes(
    crossing: Crossing, rows: np.ndarray, predictions: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares slopes of predictions (R, rows) on the donors' label, of the draws (n, R) and
    of all clips (R,).

    Each context's own mean is taken out first: contexts differ by their words, which is not what is
    asked here.
    """
    contexts = crossing.plan["context"].to_numpy()[rows]
    x = crossing.plan["level"].to_numpy()[rows]
    membership = np.eye(contexts.max() + 1)[contexts]  # (rows, contexts)
    own = predictions - predictions @ membership / membership.sum(axis=0) @ membership.T
    weights = np.concatenate([np.ones((1, len(x))), weights])
    total = weights.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (weights @ x)[:, None] / total
        spread = (weights @ x**2)[:, None] / total - mean**2
        slopes = (weights @ (x * own).T / total - mean * (weights @ own.T) / total) / spread
    return slopes[1:], slopes[0]
