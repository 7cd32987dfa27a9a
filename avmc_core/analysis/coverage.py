"""Do the intervals cover? A simulation with a known truth, of the size of the test split.

Each of 145 videos has a difficulty, each clip a deviation of its own, each run (seed) a level; the
truth is their common mean. The spreads are in points of an accuracy: runs about one point apart,
which is what seeds do here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from avmc_core.analysis.statistics import bootstrap

VIDEOS, CLIPS_PER_VIDEO = 145, 7
# an accuracy: 0/1 clips have a spread of nearly one half
VIDEO_SD, CLIP_SD, RUN_SD = (
    0.15,
    0.45,
    0.01,
)


def coverage(
    seeds: int, simulations: int = 1000, draws: int = 500, level: float = 0.95, seed: int = 0
) -> float:
    """Share of simulated experiments with ``seeds`` runs whose interval contains the truth."""
    rng = np.random.default_rng(seed)
    hits = 0
    for number in range(simulations):
        clip = VIDEO_SD * rng.normal(size=(VIDEOS, 1)) + CLIP_SD * rng.normal(
            size=(VIDEOS, CLIPS_PER_VIDEO)
        )
        # (R, videos)
        sums = clip.sum(axis=1) + CLIPS_PER_VIDEO * RUN_SD * rng.normal(size=(seeds, 1))
        statistics = np.stack([sums, np.full_like(sums, CLIPS_PER_VIDEO)], axis=-1)
        interval = bootstrap(statistics, _mean, n=draws, seed=number, level=level)["mean"]
        hits += interval.low <= 0.0 <= interval.high
    return hits / simulations


def table(seeds: Sequence[int] = (3, 5, 10, 20), simulations: int = 1000) -> list[dict[str, float]]:
    """Coverage for several numbers of seeds, with the simulation's own standard error."""
    rows = []
    for number in seeds:
        share = coverage(number, simulations)
        error = float(np.sqrt(share * (1 - share) / simulations))
        rows.append(
            {
                "seeds": number,
                "coverage": share,
                "standard_error": error,
                "simulations": simulations,
            }
        )
    return rows


def _mean(statistics: np.ndarray, weights: np.ndarray | None) -> dict[str, np.ndarray]:
    total = statistics.sum(axis=-2) if weights is None else weights @ statistics
    return {"mean": total[..., 0] / total[..., 1]}
