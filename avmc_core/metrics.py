"""The eight metrics of Section 5.1: everything about each in one place.

A further metric is one entry of ``_ALL``: how it follows from the sums of ``clip_statistics``, in
which direction it is better, and how it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from avmc_core.clip_statistics import (
    D14,
    Conventions,
    Sums,
    clip_statistics,
    moments,
    ratio,
    sums_over_clips,
)
from avmc_core.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric: how it follows from sums over clips, and how it is read and printed."""

    name: str
    formula: Callable[[Sums, Conventions], np.ndarray]  # NaN where it is not defined
    higher_is_better: bool
    percent: bool  # shown as the paper shows even Corr and R2; or else in label units
    column: str | None = None  # in the paper's tables; None where it prints none
    # why it is not defined on clips with these sums
    undefined: Callable[[Sums, Conventions], str] = lambda s, c: "not defined on these clips"

    @property
    def scale(self) -> float:
        """The factor between a value and the figure that is displayed: 100 for a percentage, else
        1."""
        return 100.0 if self.percent else 1.0

    @property
    def decimals(self) -> int:
        """Decimals of the shown figure."""
        return 2 if self.percent else 3

    @property
    def sign(self) -> int:
        """1 where higher is better, else -1."""
        return 1 if self.higher_is_better else -1


# Below, w is the weight of a clip, sums go over the clips, and pbar and ybar are weighted means.


def _acc2(s: Sums, c: Conventions) -> np.ndarray:
    """(TP + TN) / (TP + FP + FN + TN)."""
    return ratio(s["tp"] + s["tn"], s["tp"] + s["fp"] + s["fn"] + s["tn"])


def _f1(s: Sums, c: Conventions) -> np.ndarray:
    """2 TP / (2 TP + FP + FN) of the two polarities, averaged over those that occur in labels or
    predictions."""
    miss = s["fp"] + s["fn"]
    occurs = np.stack([2 * s["tp"] + miss, 2 * s["tn"] + miss])  # (2, ...): positive, negative
    f1 = np.nan_to_num(ratio(2 * np.stack([s["tp"], s["tn"]]), occurs))
    if c.average == "weighted":
        share = np.stack([s["tp"] + s["fn"], s["tn"] + s["fp"]])
    else:
        share = (occurs > 0).astype(np.float64)
        if c.average == "binary":
            share[1] = 0.0
    return ratio((share * f1).sum(axis=0), share.sum(axis=0))


def _corr(s: Sums, c: Conventions) -> np.ndarray:
    """sum w (p - pbar)(y - ybar) / sqrt(sum w (p - pbar)^2 sum w (y - ybar)^2)."""
    spread_p, spread_y, together = moments(s)
    return np.clip(ratio(together, np.sqrt(spread_p) * np.sqrt(spread_y)), -1.0, 1.0)


def _r2(s: Sums, c: Conventions) -> np.ndarray:
    """1 - sum w (p - y)^2 / sum w (y - ybar)^2: against predicting the average of these very clips
    (Section 5.1)."""
    return 1.0 - ratio(s["squared"], moments(s)[1])


def _no_polarity(s: Sums, c: Conventions) -> str:
    return "every label is 0, and zeros are excluded"


def _no_f1(s: Sums, c: Conventions) -> str:
    if np.isnan(_acc2(s, c)):
        return _no_polarity(s, c)
    return "no positive label and no positive prediction"


def _no_weak(s: Sums, c: Conventions) -> str:
    return f"no clip with {'0 < ' if c.zero == 'excluded' else ''}|label| <= {c.weak:g}"


def _no_spread(s: Sums, c: Conventions) -> str:
    spread_p, spread_y, _ = moments(s)
    constant = {"all labels are equal": spread_y == 0, "all predictions are equal": spread_p == 0}
    return "; ".join(reason for reason, holds in constant.items() if holds)


_ALL = (
    Metric(
        name="Acc2",
        formula=_acc2,
        higher_is_better=True,
        percent=True,
        column="Acc2",
        undefined=_no_polarity,
    ),
    Metric(
        name="F1",
        formula=_f1,
        higher_is_better=True,
        percent=True,
        column="F1_score",
        undefined=_no_f1,
    ),
    Metric(
        name="Acc2_weak",
        formula=lambda s, c: ratio(s["weak_correct"], s["weak"]),
        higher_is_better=True,
        percent=True,
        column="Acc2_weak",
        undefined=_no_weak,
    ),
    Metric(
        name="Acc3",
        formula=lambda s, c: ratio(s["correct3"], s["clips"]),
        higher_is_better=True,
        percent=True,
    ),
    Metric(
        name="Acc5",
        formula=lambda s, c: ratio(s["correct5"], s["clips"]),
        higher_is_better=True,
        percent=True,
    ),
    Metric(
        name="Corr",
        formula=_corr,
        higher_is_better=True,
        percent=True,
        column="Corr",
        undefined=_no_spread,
    ),
    Metric(
        name="R2",
        formula=_r2,
        higher_is_better=True,
        percent=True,
        column="R_square",
        undefined=lambda s, c: "all labels are equal",
    ),
    Metric(
        name="MAE",
        formula=lambda s, c: ratio(s["absolute"], s["clips"]),
        higher_is_better=False,
        percent=False,
        column="MAE",
    ),
)
METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _ALL})
# Each metric by its heading in the tables of the paper and of others.
BY_COLUMN: Mapping[str, Metric] = MappingProxyType({m.column or m.name: m for m in _ALL})


def format_metric(name: str, value: float, known: Mapping[str, Metric] = METRICS) -> str:
    """Print one value as the paper's tables do: percentages with two decimals and no sign, MAE with
    three.

    >>> format_metric("Acc2", 0.825), format_metric("MAE", 0.297), format_metric("Corr", np.nan)
    ('82.50', '0.297', 'n/a')
    """
    if name not in known:
        raise InputError("format_metric", repr(name), f"one of {', '.join(known)}")
    metric = known[name]
    return "n/a" if np.isnan(value) else f"{value * metric.scale:z.{metric.decimals}f}"


def aggregate(
    statistics: np.ndarray, weights: ArrayLike | None = None, conventions: Conventions = D14
) -> dict[str, np.ndarray]:
    """Metrics from clip statistics, for the clips as they are or for many resamples of them at
    once. The formulas stand with the metrics.

    Args:
        statistics: (..., N, K) as from ``clip_statistics`` with the same conventions; leading axes
            are free (runs).
        weights: (..., R, N), how often each clip counts in each resample; None counts every clip
            once.
        conventions: only ``average`` is used here.

    Returns:
        Each name of ``METRICS`` with an array (..., R), or (...,) without weights. NaN where a
        metric is not defined; ``reasons`` says why.

    Raises:
        InputError: weights that are negative, not finite, or not one for each clip.

    >>> rows = clip_statistics([-0.6, 0.1, 0.7], [-0.8, -0.2, 0.4])
    >>> aggregate(rows, [[1, 1, 1], [0, 0, 2]])["MAE"].round(3).tolist()
    [0.267, 0.3]
    """
    s = sums_over_clips(statistics, weights)
    return {name: metric.formula(s, conventions) for name, metric in METRICS.items()}


def evaluate(
    prediction: ArrayLike, label: ArrayLike, conventions: Conventions = D14
) -> dict[str, float]:
    """Score N predictions: fractions (Acc2 ... R2) and label units (MAE), NaN where a metric is not
    defined.

    Arguments and errors as in ``clip_statistics``, formulas as stated with each metric.

    >>> scores = evaluate([-0.6, 0.1, 0.7, -0.1], [-0.8, -0.2, 0.4, 0.0])
    >>> print(*(f"{name} {format_metric(name, value)}" for name, value in scores.items()))
    Acc2 75.00 F1 76.67 Acc2_weak 66.67 Acc3 50.00 Acc5 25.00 Corr 93.60 R2 69.33 MAE 0.225
    """
    values = aggregate(clip_statistics(prediction, label, conventions), conventions=conventions)
    return {name: float(value) for name, value in values.items()}


def reasons(
    prediction: ArrayLike, label: ArrayLike, conventions: Conventions = D14
) -> dict[str, str]:
    """Why ``evaluate`` gives NaN: a sentence for each metric that is not defined on these clips,
    and only for those.

    >>> reasons([0.3, 0.3], [-0.8, 1.0])
    {'Acc2_weak': 'no clip with |label| <= 0.4', 'Corr': 'all predictions are equal'}
    """
    statistics = clip_statistics(prediction, label, conventions)
    if not len(statistics):
        return dict.fromkeys(METRICS, "no clips")
    s, scores = sums_over_clips(statistics, None), aggregate(statistics, conventions=conventions)
    return {
        name: METRICS[name].undefined(s, conventions)
        for name, value in scores.items()
        if np.isnan(value)
    }
