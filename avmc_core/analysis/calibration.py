"""Whether predictions are calibrated: labels regressed on predictions, and means of both over bins
of the prediction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avmc_core import schema
from avmc_core.analysis.statistics import Interval, bootstrap
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.data.store import Split
from avmc_core.errors import InputError


@dataclass(frozen=True)
class Calibration:
    """``slope`` 1 and ``intercept`` 0 are perfect: label = intercept + slope * prediction, by least
    squares. A slope below 1 says that predictions are more extreme than labels turn out to be.
    ``error``: mean over clips of |mean label - mean prediction| of their bin, in label units."""

    slope: Interval
    intercept: Interval
    error: Interval
    predicted: tuple[Interval, ...]  # mean prediction of each bin
    labelled: tuple[Interval, ...]  # mean label of each bin


def calibration(
    predictions: np.ndarray, label: np.ndarray, groups: np.ndarray, bins: int = 5, n: int = 1000
) -> Calibration:
    """The calibration of predictions (R, N) of R runs against labels (N,); ``groups`` (N,) are the
    source videos.

    Bins hold equally many predictions, all runs together. Intervals: runs and videos drawn
    together. If all predictions are equal, the slope is NaN. Raises InputError for sizes that
    do not fit.
    """
    predictions, label = (
        np.asarray(predictions, dtype=np.float64),
        np.asarray(label, dtype=np.float64),
    )
    if predictions.ndim != 2 or label.shape != predictions.shape[1:] or not label.size:
        raise InputError(
            "calibration",
            f"predictions {predictions.shape}, labels {label.shape}",
            "(R, N) and (N,), N > 0",
        )
    edges = np.unique(np.quantile(predictions, np.arange(1, bins) / bins))
    edges = edges[
        edges < predictions.max()
    ]  # where many predictions are equal there are fewer bins
    place = np.searchsorted(edges, predictions, side="left")  # (R, N)
    inside = np.eye(len(edges) + 1)[place]  # (R, N, bins)
    labels = np.broadcast_to(label, predictions.shape)
    # (R, N, 5)
    moments = np.stack(
        [np.ones_like(predictions), predictions, labels, predictions**2, predictions * labels],
        axis=-1,
    )
    statistics = np.concatenate(
        [moments, inside, inside * predictions[..., None], inside * labels[..., None]], axis=-1
    )

    def aggregate(table: np.ndarray, weights: np.ndarray | None) -> dict[str, np.ndarray]:
        sums = table.sum(axis=-2) if weights is None else weights @ table  # (R, [n,] K)
        clips, p, y, pp, py = np.moveaxis(sums[..., :5], -1, 0)
        count, in_p, in_y = np.split(sums[..., 5:], 3, axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            spread = pp - p * p / clips
            slope = np.where(spread > 1e-12 * pp, (py - p * y / clips) / spread, np.nan)
            means = in_p / count, in_y / count
        figures = {"slope": slope, "intercept": (y - slope * p) / clips}
        figures["error"] = np.abs(in_y - in_p).sum(axis=-1) / clips
        for name, values in zip(("predicted", "labelled"), means, strict=True):
            figures |= {f"{name} {k}": values[..., k] for k in range(values.shape[-1])}
        return figures

    intervals = bootstrap(statistics, aggregate, groups, n=n)
    curves = (
        tuple(intervals[f"{name} {k}"] for k in range(len(edges) + 1))
        for name in ("predicted", "labelled")
    )
    return Calibration(intervals["slope"], intervals["intercept"], intervals["error"], *curves)


def calibrations(
    predictions: dict[str, np.ndarray], split: Split, n: int = 1000
) -> dict[str, Calibration]:
    """Task to calibration, of predictions (R, N) by task; T, A and V leave out the clips whose
    unimodal labels are placeholders."""
    own = ~placeholder_clips(split.clips)
    by_task = {}
    for task in (task for task in schema.TASKS if task in predictions):
        rows = np.flatnonzero(own) if task != "M" else np.arange(len(split))
        label = split.labels[rows, schema.TASKS.index(task)]
        by_task[task] = calibration(
            predictions[task][:, rows], label, split.clips["video_id"].to_numpy()[rows], n=n
        )
    return by_task
