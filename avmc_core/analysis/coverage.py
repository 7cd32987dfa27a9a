"""Do the intervals cover? A simulation with a known truth, of the size of the test split.

Each of 145 videos has a difficulty, each clip a deviation of its own, each run (seed) a level; the
truth is their common mean. The spreads are in points of an accuracy; runs lie about one point
apart, as seeds do here. Two models that are compared share videos and clips, whose difficulty
cancels; what remains is where they differ: on some videos and clips always, on others from run to
run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from avmc_core.analysis.comparison import compare
from avmc_core.analysis.statistics import bootstrap, mean
from avmc_core.runs.kept import kept

VIDEOS, CLIPS_PER_VIDEO = 145, 7
# an accuracy: 0/1 clips have a spread of nearly one half
VIDEO_SD, CLIP_SD, RUN_SD = (0.15, 0.45, 0.01)
DRAWS = 500  # of each bootstrap
COLUMNS = ("runs apart", "seeds", "coverage", "standard_error", "simulations")
PARTING_VIDEO_SD, PARTING_CLIP_SD = 0.03, 0.3  # two models disagree on about a tenth of the clips


def coverage(seeds: int, simulations: int = 1000, draws: int = DRAWS, level: float = 0.95) -> float:
    """Share of simulated experiments with ``seeds`` runs whose interval contains the truth."""
    rng, hits = np.random.default_rng(0), 0
    for number in range(simulations):
        clip = VIDEO_SD * rng.normal(size=(VIDEOS, 1)) + CLIP_SD * rng.normal(
            size=(VIDEOS, CLIPS_PER_VIDEO)
        )
        # (R, videos)
        sums = clip.sum(axis=1) + CLIPS_PER_VIDEO * RUN_SD * rng.normal(size=(seeds, 1))
        statistics = np.stack([sums, np.full_like(sums, CLIPS_PER_VIDEO)], axis=-1)
        interval = bootstrap(statistics, mean, n=draws, seed=number, level=level)["mean"]
        hits += interval.low <= 0.0 <= interval.high
    return hits / simulations


def paired_coverage(
    seeds: int,
    simulations: int = 1000,
    run_sd: float = RUN_SD,
) -> float:
    """Share of simulated comparisons of two models whose interval of the difference
    (``comparison.compare``) contains the true one. Each model has ``seeds`` runs, whose standard
    deviation is ``run_sd``."""
    rng, size, hits = np.random.default_rng(0), CLIPS_PER_VIDEO, 0
    for number in range(simulations):
        apart = PARTING_VIDEO_SD * size * rng.normal(size=VIDEOS)
        apart += PARTING_CLIP_SD * np.sqrt(size) * rng.normal(size=VIDEOS)
        statistics = []
        for share in (0.5, -0.5):
            level_of_run = size * run_sd * rng.normal(size=(seeds, 1))
            of_run = PARTING_CLIP_SD * np.sqrt(size) * rng.normal(size=(seeds, VIDEOS))
            sums = share * apart + level_of_run + of_run  # (R, videos)
            statistics.append(np.stack([sums, np.full_like(sums, size)], axis=-1))
        differences = compare(*statistics, aggregate=_accuracy, n=DRAWS, seed=number)
        interval = differences["Acc2"].difference
        hits += interval.low <= 0.0 <= interval.high
    return hits / simulations


def paired_table(
    seeds: Sequence[int] = (3, 5), spreads: Sequence[float] = (0.01, 0.03), simulations: int = 500
) -> list[dict[str, float]]:
    """``table`` for the difference between two models, once for each of several spreads between
    runs, given in points of 100."""
    return [
        {"runs apart": 100 * spread, **row}
        for spread in spreads
        for row in table(seeds, simulations, partial(paired_coverage, run_sd=spread))
    ]


def table(
    seeds: Sequence[int] = (3, 5, 10, 20),
    simulations: int = 1000,
    covers: Callable[[int, int], float] = coverage,
) -> list[dict[str, float]]:
    """Coverage for several numbers of seeds, with the simulation's own standard error."""
    rows = []
    for number in seeds:
        share = covers(number, simulations)
        error = float(np.sqrt(share * (1 - share) / simulations))
        rows.append(dict(zip(COLUMNS[1:], (number, share, error, simulations), strict=True)))
    return rows


def kept_rows(name: str, rows: Callable[[], list[dict[str, float]]]) -> list[dict[str, float]]:
    """The result of ``table`` or ``paired_table``, computed once and stored."""

    def compute() -> dict[str, np.ndarray]:
        table = rows()
        return {column: np.array([row[column] for row in table]) for column in table[0]}

    arrays = kept(f"coverage-{name}", [__name__], {}, compute)
    columns = sorted(arrays, key=list(COLUMNS).index)
    return [
        dict(zip(columns, values, strict=True))
        for values in zip(*(arrays[column].tolist() for column in columns), strict=True)
    ]


def _accuracy(statistics: np.ndarray, weights: np.ndarray | None) -> dict[str, np.ndarray]:
    return {"Acc2": mean(statistics, weights)["mean"]}
