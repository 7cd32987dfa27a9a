"""Which metrics labels of a given range have: those of Section 5.1 from -1 to 1, and from -3 to 3
those that MMSA computes for CMU-MOSI and CMU-MOSEI.

The latter, by their names there: ``Has0_acc_2`` and ``Has0_F1_score`` tell negative clips from all
others, where 0 does not count as negative; ``Non0_acc_2`` and ``Non0_F1_score`` tell positive clips
from negative ones and leave out those whose label is 0; ``Mult_acc_7`` and ``Mult_acc_5`` are
shares of clips whose prediction and label, cut to [-3, 3] or [-2, 2], round to the same number
(halves to the even one). F1 is the mean over both classes by their support. ``MAE`` and ``Corr``
are computed on the uncut values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from avmc_core import metrics, schema
from avmc_core.clip_statistics import (
    COLUMNS,
    D14,
    Sums,
    clip_statistics,
    moments,
    paired,
    ratio,
    sums_over_clips,
)
from avmc_core.metrics import METRICS, Metric

HAS0, NON0 = "has0", "non0"
_PARTS = ("tp", "fp", "fn", "tn")


@dataclass(frozen=True)
class Convention:
    """The metrics of labels from -``limit`` to ``limit``, in the terms of ``avmc_core.metrics``:
    ``statistics(prediction, label)`` gives (N, K), ``aggregate(statistics, weights)`` the value of
    each of ``metrics``."""

    name: str
    limit: float
    metrics: Mapping[str, Metric]
    statistics: Callable[[ArrayLike, ArrayLike], np.ndarray]
    aggregate: Callable[..., dict[str, np.ndarray]]
    columns: tuple[str, ...]  # K

    def labels_vary(self, statistics: np.ndarray, weights: ArrayLike | None) -> np.ndarray:
        """Whether the labels of each resample differ at all, (...,) or (..., R)."""
        return moments(sums_over_clips(statistics, weights, self.columns))[1] > 0

    def evaluate(self, prediction: ArrayLike, label: ArrayLike) -> dict[str, float]:
        """Each of ``metrics`` for predictions and labels (N,), NaN where it is not defined."""
        values = self.aggregate(self.statistics(prediction, label), None)
        return {name: float(value) for name, value in values.items()}

    def reasons(self, prediction: ArrayLike, label: ArrayLike) -> dict[str, str]:
        """Why ``evaluate`` gives NaN: a sentence for each metric that is not defined on these
        clips, and only for those."""
        statistics = self.statistics(prediction, label)
        if not len(statistics):
            return dict.fromkeys(self.metrics, "no clips")
        s = sums_over_clips(statistics, None, self.columns)
        return {
            name: self.metrics[name].undefined(s, D14)
            for name, value in self.aggregate(statistics, None).items()
            if np.isnan(value)
        }


def _f1(s: Sums, of: str) -> np.ndarray:
    """F1 of the two classes, by the number of clips that have each."""
    tp, fp, fn, tn = (s[f"{part}_{of}"] for part in _PARTS)
    positive, negative = (np.nan_to_num(ratio(2 * hits, 2 * hits + fp + fn)) for hits in (tp, tn))
    return ratio((tp + fn) * positive + (tn + fp) * negative, tp + fp + fn + tn)


def _accuracy(s: Sums, of: str) -> np.ndarray:
    tp, fp, fn, tn = (s[f"{part}_{of}"] for part in _PARTS)
    return ratio(tp + tn, tp + fp + fn + tn)


def _of(name: str, formula: Callable[[Sums], np.ndarray]) -> Metric:
    return Metric(
        name=name,
        formula=lambda s, c: formula(s),
        higher_is_better=True,
        percent=True,
        undefined=lambda s, c: "every label is 0, and zeros are left out",
    )


_MOSI = (
    _of("Has0_acc_2", lambda s: _accuracy(s, HAS0)),
    _of("Has0_F1_score", lambda s: _f1(s, HAS0)),
    _of("Non0_acc_2", lambda s: _accuracy(s, NON0)),
    _of("Non0_F1_score", lambda s: _f1(s, NON0)),
    _of("Mult_acc_5", lambda s: ratio(s["correct_5"], s["clips"])),
    _of("Mult_acc_7", lambda s: ratio(s["correct_7"], s["clips"])),
    METRICS["MAE"],
    METRICS["Corr"],
)


def _mosi_columns(p: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """Each additive quantity (N,) of N clips. Classes are decided in float32, the precision of
    labels and predictions in every store."""
    p32, y32 = p.astype(np.float32), y.astype(np.float32)
    columns = {"clips": np.ones(len(y)), "absolute": np.abs(p - y)}
    for name, counted, predicted, true in (
        (HAS0, np.ones(len(y), bool), p32 >= 0, y32 >= 0),
        (NON0, y32 != 0, p32 > 0, y32 > 0),
    ):
        parts = (predicted & true, predicted & ~true, ~predicted & true, ~predicted & ~true)
        columns |= {
            f"{part}_{name}": counted & hit for part, hit in zip(_PARTS, parts, strict=True)
        }
    for classes, bound in ((5, 2.0), (7, 3.0)):
        rounded = (np.round(np.clip(x, -bound, bound)) for x in (p32, y32))
        columns[f"correct_{classes}"] = np.equal(*rounded)
    p, y = (x - x.sum() / max(len(x), 1) for x in (p, y))
    return columns | {"p": p, "y": y, "pp": p * p, "yy": y * y, "py": p * y}


_COLUMNS = tuple(_mosi_columns(np.zeros(0), np.zeros(0)))


def _mosi_statistics(prediction: ArrayLike, label: ArrayLike) -> np.ndarray:
    columns = _mosi_columns(*paired(prediction, label)).values()
    return np.stack([column.astype(np.float64) for column in columns], axis=1)


def _mosi_aggregate(
    statistics: np.ndarray, weights: ArrayLike | None = None
) -> dict[str, np.ndarray]:
    s = sums_over_clips(statistics, weights, _COLUMNS)
    return {metric.name: metric.formula(s, D14) for metric in _MOSI}


SIMS = Convention("Section 5.1", 1.0, METRICS, clip_statistics, metrics.aggregate, COLUMNS)
MOSI = Convention(
    "MMSA's for CMU-MOSI and CMU-MOSEI",
    3.0,
    MappingProxyType({metric.name: metric for metric in _MOSI}),
    _mosi_statistics,
    _mosi_aggregate,
    _COLUMNS,
)
ALL: Mapping[str, Metric] = MappingProxyType({**MOSI.metrics, **SIMS.metrics})


def of_limit(limit: float) -> Convention:
    """The convention of labels from -limit to limit."""
    return SIMS if limit == min(schema.LIMITS) else MOSI
