"""Intervals that respect where the clips come from: a bootstrap over source videos, and over runs
where there are any.

Clips of one video share speaker, scene and microphone, so they are resampled together (cluster
bootstrap). Every metric here is a function of sums over clips (``avmc_core.metrics.aggregate``); a
resample is then a vector of multiplicities, and all of them are one matrix product: no loop over
draws, no copy of the data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtrit

from avmc_core.data.metric_conventions import SIMS, Convention
from avmc_core.errors import InputError


@dataclass(frozen=True)
class Interval:
    """A figure with its percentile bootstrap interval; ``low`` and ``high`` are NaN where no draw
    gave a value. ``note``: a remark to show with the figure."""

    estimate: float
    low: float
    high: float
    level: float = 0.95
    note: str = ""

    def scaled(self, factor: float) -> Interval:
        """All three numbers times ``factor``."""
        numbers = {name: getattr(self, name) * factor for name in ("estimate", "low", "high")}
        return replace(self, **numbers)

    def __format__(self, spec: str) -> str:
        """``f"{interval:.2f}"`` gives ``0.71 [0.66, 0.75]``; the specification applies to all three
        numbers."""
        if np.isnan(self.estimate):
            return "–"
        return f"{self.estimate:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


def comparable(
    statistics: np.ndarray, weights: np.ndarray | None = None, convention: Convention = SIMS
) -> dict[str, np.ndarray]:
    """The metrics of a convention for figures that are averaged over runs or compared with one
    another: here the Corr of constant predictions is 0.

    By itself it is not defined, and is shown as undefined. But a run that predicts the same value
    for every clip orders no two of them: leaving it out of a mean would flatter its model, and as
    NaN it would hide the model's other runs. Whatever shows such a mean states how many runs count
    in this way. Where all labels are equal, Corr (like R2) stays NaN.
    """
    metrics = convention.aggregate(statistics, weights)
    equal = np.isnan(metrics["Corr"])
    if equal.any():
        equal = equal & convention.labels_vary(statistics, weights)
    return metrics | {"Corr": np.where(equal, 0.0, metrics["Corr"])}


def bootstrap(
    statistics: np.ndarray,
    aggregate: Callable[[np.ndarray, np.ndarray | None], Mapping[str, np.ndarray]],
    groups: np.ndarray | None = None,
    *,
    n: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Percentile intervals of several figures at once, from ``n`` resamples of whole groups of
    clips.

    ``statistics`` (N, K) holds what each clip adds to K sums, or (R, N, K) for R runs on the same
    clips, and ``aggregate(statistics, weights)`` turns them into named figures, as ``comparable``
    does: ``weights`` (n, N) says how often each row counts in each draw. ``groups`` (N,) names the
    source video of each clip; without it every clip stands for itself. With R runs the estimate is
    the mean over runs, and every draw resamples runs and groups independently of each other. Draws
    in which a figure is NaN (an empty weak band) are left out of its interval.

    Raises InputError when there is no clip or the sizes do not fit.
    """
    values = np.asarray(statistics, dtype=np.float64)
    values = values[None] if values.ndim == 2 else values
    if values.ndim != 3 or 0 in values.shape[:2]:
        raise InputError(
            "bootstrap statistics",
            f"shape {np.shape(statistics)}",
            "(N, K) or (R, N, K), N and R > 0",
        )
    sums = group_sums(values, groups)  # (R, G, K)
    runs, videos, _ = sums.shape
    rng = np.random.default_rng(seed)
    drawn_videos = multiplicities(videos, n, rng)  # (n, G)
    drawn_runs = multiplicities(runs, n, rng).T / runs  # (R, n)
    draws = aggregate(sums, drawn_videos)  # each (R, n)
    intervals = {}
    for name, estimates in aggregate(sums, None).items():  # each (R,)
        low, high = percentile((drawn_runs * draws[name]).sum(axis=0), level)
        intervals[name] = Interval(float(np.mean(estimates)), low, high, level)
    return intervals


def mean(statistics: np.ndarray, weights: np.ndarray | None) -> dict[str, np.ndarray]:
    """For ``bootstrap``: the mean of a quantity, whose sum and number are the two columns of the
    statistics; NaN where nothing is drawn."""
    sums = statistics.sum(axis=-2) if weights is None else weights @ statistics
    with np.errstate(invalid="ignore"):
        return {"mean": sums[..., 0] / sums[..., 1]}


def prediction_interval(runs: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Where one further run, of the same distribution as ``runs`` (normal, of unknown mean and
    spread), lies with probability ``level``: mean ± t · sd · sqrt(1 + 1/n), with n - 1 degrees of
    freedom. (NaN, NaN) for fewer than two runs, which tell nothing of their spread.

    An interval of the mean is narrower, and the narrower the more runs there are: a figure that is
    itself one run lies outside it, however right it is.
    """
    values = np.asarray(runs, dtype=np.float64)
    if len(values) < 2 or np.isnan(values).any():
        return float("nan"), float("nan")
    reach = stdtrit(len(values) - 1, (1 + level) / 2) * np.sqrt(1 + 1 / len(values))
    half = float(reach * values.std(ddof=1))
    return float(values.mean()) - half, float(values.mean()) + half


def percentile(draws: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The central interval that holds ``level`` of the draws. Draws that are NaN do not count;
    where no draw is left the interval is (NaN, NaN)."""
    draws = draws[~np.isnan(draws)]
    if not len(draws):
        return float("nan"), float("nan")
    tail = (1 - level) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)


def multiplicities(size: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """(n, size): how often each of ``size`` units is drawn when ``size`` of them are drawn with
    replacement."""
    return rng.multinomial(size, np.full(size, 1 / size), size=n).astype(np.float64)


def group_sums(values: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """(R, N, K) -> (R, G, K): sums over the clips of each group."""
    if groups is None:
        return values
    groups = np.asarray(groups)
    if groups.shape != values.shape[1:2]:
        raise InputError(
            "bootstrap groups", f"shape {groups.shape}", f"({values.shape[1]},), one for each clip"
        )
    _, index = np.unique(groups, return_inverse=True)
    membership = np.zeros((index.max() + 1, len(index)))
    membership[index, np.arange(len(index))] = 1.0  # (G, N)
    return membership @ values
