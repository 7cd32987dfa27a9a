"""Compares two models on the same clips: by how much they differ, how certain that is, and what
remains after correction for many comparisons.

Differences come from one bootstrap that draws source videos for both models together (their clips
are the same) and runs for each on its own (their seeds are not). For two fixed models there is a
permutation test that swaps whole videos.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from avmc_core.analysis.statistics import (
    Interval,
    comparable,
    group_sums,
    multiplicities,
    percentile,
)
from avmc_core.data.metric_conventions import SIMS, Convention
from avmc_core.errors import InputError

Aggregate = Callable[[np.ndarray, np.ndarray | None], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Difference:
    """The first model against the second, in one metric."""

    difference: Interval  # first minus second, means over runs
    # probability that a run of the first is better than a run of the second, ties counting half
    improvement: Interval
    p: float  # two-sided, of no difference, from the same draws

    @property
    def better(self) -> bool | None:
        """Whether the first is better; None if the interval of the probability of improvement
        decides neither way, or does not exist."""
        if self.improvement.low > 0.5:
            return True
        return False if self.improvement.high < 0.5 else None


def compare(
    first: np.ndarray,
    second: np.ndarray,
    groups: np.ndarray | None = None,
    *,
    aggregate: Aggregate | None = None,
    n: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    convention: Convention = SIMS,
) -> dict[str, Difference]:
    """Paired bootstrap of two models. ``first`` (R1, N, K) and ``second`` (R2, N, K) are clip
    statistics of their runs on the same N clips, ``groups`` (N,) the clips' source videos;
    ``aggregate`` as in ``statistics.bootstrap``, of metrics of the ``convention``; by default
    ``comparable``.

    The p value is twice the smaller share of draws on either side of zero, with one draw added to
    each side. Raises InputError when the clips are not the same in number.
    """
    aggregate = aggregate or partial(comparable, convention=convention)
    # (R, G, K)
    a, b = (group_sums(np.asarray(s, dtype=np.float64), groups) for s in (first, second))
    if a.shape[1:] != b.shape[1:] or a.ndim != 3 or 0 in (a.shape[0], b.shape[0], a.shape[1]):
        raise InputError(
            "compare", f"shapes {np.shape(first)}, {np.shape(second)}", "(R, N, K), the same clips"
        )
    rng = np.random.default_rng(seed)
    videos = multiplicities(a.shape[1], n, rng)  # (n, G): the same for both models
    runs_a, runs_b = (multiplicities(len(s), n, rng) / len(s) for s in (a, b))  # (n, R)
    whole_a, whole_b = aggregate(a, None), aggregate(b, None)
    drawn_a, drawn_b = aggregate(a, videos), aggregate(b, videos)  # each (R, n)
    differences = {}
    for name in whole_a:
        sign = convention.metrics[name].sign
        apart = np.einsum("nr,rn->n", runs_a, drawn_a[name]) - np.einsum(
            "nr,rn->n", runs_b, drawn_b[name]
        )
        wins = _wins(sign * drawn_a[name], sign * drawn_b[name])  # (R1, R2, n)
        improved = np.einsum("nr,rsn,ns->n", runs_a, wins, runs_b)
        estimate = float(np.mean(whole_a[name]) - np.mean(whole_b[name]))
        better = float(_wins(sign * whole_a[name][:, None], sign * whole_b[name][:, None]).mean())
        differences[name] = Difference(
            Interval(estimate, *percentile(apart, level), level),
            Interval(better, *percentile(improved, level), level),
            _p_value(apart),
        )
    return differences


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """Holm's step-down adjustment of a declared family of p values: rejecting those below a level
    keeps the probability of any false alarm in the whole family below that level. NaN counts as
    1."""
    ordered = sorted(p, key=lambda name: (np.nan_to_num(p[name], nan=1.0), name))
    adjusted, largest = {}, 0.0
    for rank, name in enumerate(ordered):
        largest = max(largest, min(1.0, (len(p) - rank) * float(np.nan_to_num(p[name], nan=1.0))))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p}


def permutation_test(
    first: np.ndarray,
    second: np.ndarray,
    label: np.ndarray,
    groups: np.ndarray | None = None,
    *,
    n: int = 10_000,
    seed: int = 0,
    convention: Convention = SIMS,
) -> dict[str, float]:
    """Two-sided p values of "these two sets of predictions are interchangeable", for each metric.

    ``first`` and ``second`` (N,) are predictions of two fixed models for the same clips. Each
    permutation swaps the two predictions of randomly chosen videos (of clips, without ``groups``);
    the p value is the share of permutations, the identity among them, that leave the metrics at
    least as far apart. Raises InputError as ``metrics.clip_statistics`` does.
    """
    clips = len(label)
    statistics = convention.statistics(
        np.concatenate([first, second]), np.concatenate([label, label])
    )
    # (G, K)
    a, b = (group_sums(part[None], groups)[0] for part in (statistics[:clips], statistics[clips:]))
    kept = np.random.default_rng(seed).integers(0, 2, size=(n, len(a))).astype(np.float64)
    kept = np.concatenate([np.ones((1, len(a))), kept])  # (n + 1, G)
    both = np.concatenate([a, b])
    one = comparable(both, np.concatenate([kept, 1 - kept], axis=1), convention)
    other = comparable(both, np.concatenate([1 - kept, kept], axis=1), convention)
    p_values = {}
    for name in one:
        apart = np.abs(one[name] - other[name])
        p_values[name] = (
            float(np.mean(apart >= apart[0] * (1 - 1e-9) - 1e-12))
            if np.isfinite(apart[0])
            else float("nan")
        )
    return p_values


def _wins(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(R1, n), (R2, n) -> (R1, R2, n): 1 where a is larger, 0.5 where equal; NaN where either
    is."""
    gap = a[:, None] - b[None]
    return (np.sign(gap) + 1) / 2


def _p_value(apart: np.ndarray) -> float:
    apart = apart[~np.isnan(apart)]
    if not len(apart):
        return float("nan")
    side = min(int((apart <= 0).sum()), int((apart >= 0).sum()))
    return min(1.0, 2 * (side + 1) / (len(apart) + 1))
