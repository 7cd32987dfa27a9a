"""The eight metrics of Section 5.1, from statistics of single clips.

``clip_statistics`` turns N clips into an (N, K) table whose rows add up; every metric follows from
the sums (``aggregate``). A bootstrap is therefore one matrix product, of resampling counts (R, N)
with the table. The conventions are those of the released evaluator (D14), the alternatives are
fields of ``Conventions``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from avmc_core.errors import InputError

ZERO = ("negative", "excluded")
AVERAGES = ("weighted", "macro", "binary")


@dataclass(frozen=True)
class Conventions:
    """What the names of the metrics leave open. The defaults are D14.

    A cut belongs to the class below it, and the outermost classes are open. ``cuts3`` and ``cuts5``
    are the inner boundaries of the laboratory's evaluators (the released one and MMSA's for SIMS:
    -1.01, -0.7, -0.1, 0.1, 0.7, 1.01); on the label grid, ``cuts5`` gives the five classes of
    Section 3.2.
    """

    clip: bool = True  # predictions and labels are cut to [-1, 1] before every metric
    zero: str = "negative"  # a label of 0: "negative" (Has0) or "excluded" from Acc2, F1 and Acc2_weak (Non0)
    average: str = "weighted"  # F1 of both polarities by support, their plain mean ("macro"), or of the positive ("binary")
    weak: float = 0.4  # |label| up to which a clip is weak; a comment in the released code says 0.6
    cuts3: tuple[float, ...] = (-0.1, 0.1)
    cuts5: tuple[float, ...] = (-0.7, -0.1, 0.1, 0.7)

    def __post_init__(self):
        for name, allowed in (("zero", ZERO), ("average", AVERAGES)):
            if getattr(self, name) not in allowed:
                raise InputError(
                    f"Conventions.{name}", repr(getattr(self, name)), f"one of {', '.join(allowed)}"
                )
        if not self.weak >= 0:
            raise InputError("Conventions.weak", repr(self.weak), "a number not below 0")
        for name, inner in (("cuts3", 2), ("cuts5", 4)):
            cuts = getattr(self, name)
            if len(cuts) != inner or not np.all(np.diff(cuts) > 0):
                raise InputError(f"Conventions.{name}", repr(cuts), f"{inner} increasing numbers")


D14 = Conventions()


@dataclass(frozen=True)
class Metric:
    """How a metric is read and printed."""

    name: str
    column: str | None  # in the paper's tables; None where it prints none
    higher_is_better: bool = True
    percent: bool = True  # shown as a percentage, as the paper does even for Corr and R2; otherwise in label units

    @property
    def scale(self) -> float:
        """Shown figure per unit of the value."""
        return 100.0 if self.percent else 1.0

    @property
    def decimals(self) -> int:
        return 2 if self.percent else 3


_ALL = (
    Metric("Acc2", "Acc2"),
    Metric("F1", "F1_score"),
    Metric("Acc2_weak", "Acc2_weak"),
    Metric("Acc3", None),
    Metric("Acc5", None),
    Metric("Corr", "Corr"),
    Metric("R2", "R_square"),
    Metric("MAE", "MAE", higher_is_better=False, percent=False),
)
METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _ALL})


def format_metric(name: str, value: float) -> str:
    """Print one value as the paper's tables do: percentages with two decimals and no sign, MAE with
    three.

    >>> format_metric("Acc2", 0.825), format_metric("MAE", 0.297), format_metric("Corr", float("nan"))
    ('82.50', '0.297', 'n/a')
    """
    if name not in METRICS:
        raise InputError("format_metric", repr(name), f"one of {', '.join(METRICS)}")
    metric = METRICS[name]
    return "n/a" if np.isnan(value) else f"{value * metric.scale:z.{metric.decimals}f}"


# Columns of the statistics. tp .. tn count the clips of Acc2 and F1; p and y are taken about their
# means over the clips.
COLUMNS = (
    *("clips", "tp", "fp", "fn", "tn", "weak", "weak_correct", "correct3", "correct5"),
    *("absolute", "squared", "p", "y", "pp", "yy", "py"),
)
# A spread below this share of the mean square is rounding: the clips of the (re)sample all have one
# value.
ROUNDING = 1e-12


def clip_statistics(
    prediction: ArrayLike, label: ArrayLike, conventions: Conventions = D14
) -> np.ndarray:
    """What each clip contributes to the metrics.

    Classes are decided in float32, the precision of labels and predictions in every store, so that
    a 0.4 read from a table and one read from a float32 array fall on the same side of the weak
    band; sums are float64. Corr and R2 are sums about the mean of the clips given here, because raw
    sums of squares cancel. Rows may thus be repeated, dropped, or added up (over the clips of one
    video, say), but not mixed with those of another call.

    Args:
        prediction: (N,) in label units.
        label: (N,) in label units, no NaN: labelled clips only.
        conventions: as in ``Conventions``.

    Returns:
        (N, K) float64, columns as in ``COLUMNS``.

    Raises:
        InputError: not two equally long lists of finite numbers.
    """
    p, y = _numbers("prediction", prediction), _numbers("label", label)
    if p.shape != y.shape:
        raise InputError("prediction", f"{len(p)} values", f"{len(y)}, one for each label")
    if conventions.clip:
        p, y = np.clip(p, -1.0, 1.0), np.clip(y, -1.0, 1.0)
    p32, y32 = p.astype(np.float32), y.astype(np.float32)

    counted = np.ones(len(y), dtype=bool) if conventions.zero == "negative" else y32 != 0
    said, true = p32 > 0, y32 > 0
    weak = counted & (np.abs(y32) <= np.float32(conventions.weak))
    error = p - y
    p, y = (x - x.sum() / max(len(x), 1) for x in (p, y))
    columns = {
        "clips": np.ones(len(y)),
        "tp": counted & said & true,
        "fp": counted & said & ~true,
        "fn": counted & ~said & true,
        "tn": counted & ~said & ~true,
        "weak": weak,
        "weak_correct": weak & (said == true),
        "correct3": _classes(p32, conventions.cuts3) == _classes(y32, conventions.cuts3),
        "correct5": _classes(p32, conventions.cuts5) == _classes(y32, conventions.cuts5),
        "absolute": np.abs(error),
        "squared": error**2,
        **{"p": p, "y": y, "pp": p * p, "yy": y * y, "py": p * y},
    }
    return np.stack([columns[name].astype(np.float64) for name in COLUMNS], axis=1)  # (N, K)


def aggregate(
    statistics: np.ndarray, weights: ArrayLike | None = None, conventions: Conventions = D14
) -> dict[str, np.ndarray]:
    """Metrics from clip statistics, for the clips as they are or for many resamples of them at
    once.

    With w_i the weight of clip i, sums over i, and means denoted by a bar:

    - Acc2 = (TP + TN) / (TP + FP + FN + TN); Acc2_weak the same over weak clips; Acc3, Acc5 = share
      of equal classes;
    - F1 = the average of 2 TP / (2 TP + FP + FN) over the polarities that occur in labels or
      predictions;
    - MAE = sum w |p - y| / sum w;
    - R2 = 1 - sum w (p - y)^2 / sum w (y - ybar)^2: against predicting the average of these very
      clips (Section 5.1);
    - Corr = sum w (p - pbar)(y - ybar) / sqrt(sum w (p - pbar)^2 sum w (y - ybar)^2).

    Args:
        statistics: (..., N, K) as from ``clip_statistics`` with the same conventions; leading axes
        are free (runs). weights: (..., R, N), how often each clip counts in each resample; None
        counts every clip once. conventions: only ``average`` is used here.

    Returns:
        Each name of ``METRICS`` with an array (..., R), or (...,) without weights. NaN where a
        metric is not defined; ``reasons`` says why.

    Raises:
        InputError: weights that are negative, not finite, or not one for each clip.

    >>> rows = clip_statistics([-0.6, 0.1, 0.7], [-0.8, -0.2, 0.4])
    >>> aggregate(rows, [[1, 1, 1], [0, 0, 2]])["MAE"].round(3).tolist()
    [0.267, 0.3]
    """
    s = _sums(statistics, weights)
    polarity = s["tp"] + s["fp"] + s["fn"] + s["tn"]
    spread_p, spread_y, together = _moments(s)
    corr = _ratio(together, np.sqrt(spread_p) * np.sqrt(spread_y))
    return {
        "Acc2": _ratio(s["tp"] + s["tn"], polarity),
        "F1": _f1(s, conventions.average),
        "Acc2_weak": _ratio(s["weak_correct"], s["weak"]),
        "Acc3": _ratio(s["correct3"], s["clips"]),
        "Acc5": _ratio(s["correct5"], s["clips"]),
        "Corr": np.clip(corr, -1.0, 1.0),
        "R2": 1.0 - _ratio(s["squared"], spread_y),
        "MAE": _ratio(s["absolute"], s["clips"]),
    }


def evaluate(
    prediction: ArrayLike, label: ArrayLike, conventions: Conventions = D14
) -> dict[str, float]:
    """Score N predictions: fractions (Acc2 ... R2) and label units (MAE), NaN where a metric is not
    defined.

    Arguments and errors as in ``clip_statistics``, formulas as in ``aggregate``.

    >>> scores = evaluate([-0.6, 0.1, 0.7, -0.1], [-0.8, -0.2, 0.4, 0.0])
    >>> {name: format_metric(name, value) for name, value in scores.items()}  # doctest: +NORMALIZE_WHITESPACE
    {'Acc2': '75.00', 'F1': '76.67', 'Acc2_weak': '66.67', 'Acc3': '50.00', 'Acc5': '25.00',
     'Corr': '93.60', 'R2': '69.33', 'MAE': '0.225'}
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
    scores = aggregate(statistics, conventions=conventions)
    spread_p, spread_y, _ = _moments(_sums(statistics, None))
    constant = {"all labels are equal": spread_y == 0, "all predictions are equal": spread_p == 0}
    only_zeros = "every label is 0, and zeros are excluded"
    why = {
        "Acc2": only_zeros,
        "F1": only_zeros
        if np.isnan(scores["Acc2"])
        else "no positive label and no positive prediction",
        "Acc2_weak": f"no clip with {'0 < ' if conventions.zero == 'excluded' else ''}|label| <= {conventions.weak:g}",
        "Corr": "; ".join(reason for reason, holds in constant.items() if holds),
        "R2": "all labels are equal",
    }
    return {name: why[name] for name, value in scores.items() if np.isnan(value)}


def _numbers(name: str, values: ArrayLike) -> np.ndarray:
    """(N,) float64, all finite."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(name, "values that are no numbers", "(N,) numbers") from error
    if array.ndim != 1:
        raise InputError(name, f"shape {array.shape}", "shape (N,)")
    if bad := int(np.count_nonzero(~np.isfinite(array))):
        raise InputError(name, f"{bad} of {len(array)} values NaN or infinite", "finite numbers")
    return array


def _classes(x: np.ndarray, cuts: tuple[float, ...]) -> np.ndarray:
    """Number of cuts below each value; compared in the values' own precision."""
    return np.searchsorted(np.asarray(cuts, dtype=x.dtype), x, side="left")


def _sums(statistics: np.ndarray, weights: ArrayLike | None) -> dict[str, np.ndarray]:
    """Each column summed over clips: (...,), or (..., R) with weights."""
    if weights is None:
        sums = statistics.sum(axis=-2)
    else:
        w = np.asarray(weights, dtype=np.float64)
        if w.ndim < 2 or w.shape[-1] != statistics.shape[-2]:
            raise InputError(
                "weights", f"shape {w.shape}", f"shape (..., R, {statistics.shape[-2]})"
            )
        if not (np.isfinite(w).all() and (w >= 0).all()):
            raise InputError("weights", "negative, NaN or infinite weights", "counts")
        sums = w @ statistics  # (..., R, K)
    return dict(zip(COLUMNS, np.moveaxis(sums, -1, 0), strict=True))


def _moments(s: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums of (p - pbar)^2, (y - ybar)^2 and their product; a spread that is only rounding is 0."""
    clips = np.where(s["clips"] > 0, s["clips"], 1.0)

    def moment(a: str, b: str) -> np.ndarray:
        return s[a + b] - s[a] * s[b] / clips

    spreads = [np.where((m := moment(x, x)) > ROUNDING * s[x + x], m, 0.0) for x in "py"]
    return spreads[0], spreads[1], moment("p", "y")


def _f1(s: dict[str, np.ndarray], average: str) -> np.ndarray:
    """F1 of the two polarities, averaged over those that occur."""
    miss = s["fp"] + s["fn"]
    occurs = np.stack([2 * s["tp"] + miss, 2 * s["tn"] + miss])  # (2, ...): positive, negative
    f1 = np.nan_to_num(_ratio(2 * np.stack([s["tp"], s["tn"]]), occurs))
    if average == "weighted":
        share = np.stack([s["tp"] + s["fn"], s["tn"] + s["fp"]])
    else:
        share = (occurs > 0).astype(np.float64)
        if average == "binary":
            share[1] = 0.0
    return _ratio((share * f1).sum(axis=0), share.sum(axis=0))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, NaN where there is no whole."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)
