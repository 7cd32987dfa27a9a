"""What single clips contribute to the metrics: an (N, K) table whose rows add up.

Every metric follows from the sums of its columns (``metrics.aggregate``). A bootstrap is therefore
one matrix product, of resampling counts (R, N) with the table. The conventions are those of the
released evaluator (D14), the alternatives are fields of ``Conventions``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from avmc_core.errors import InputError

Sums = Mapping[str, np.ndarray]  # each of ``COLUMNS`` summed over clips, (...)
ZERO = ("negative", "excluded")
AVERAGES = ("weighted", "macro", "binary")


@dataclass(frozen=True)
class Conventions:
    """The conventions that the names of the metrics leave open. The defaults are those of D14.

    A cut belongs to the class below it, and the outermost classes are open. ``cuts3`` and ``cuts5``
    are the inner boundaries of the laboratory's evaluators (the released one and MMSA's for SIMS:
    -1.01, -0.7, -0.1, 0.1, 0.7, 1.01); on the label grid, ``cuts5`` gives the five classes of
    Section 3.2.
    """

    clip: bool = True  # predictions and labels are cut to [-1, 1] before every metric
    # a label of 0: "negative" (Has0) or "excluded" from Acc2, F1 and Acc2_weak (Non0)
    zero: str = "negative"
    # F1 of both polarities by support, their plain mean ("macro"), or of the positive ("binary")
    average: str = "weighted"
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


# A spread below this share of the mean square is rounding: the clips of the (re)sample all have one
# value.
ROUNDING = 1e-12


def clip_statistics(
    prediction: ArrayLike, label: ArrayLike, conventions: Conventions = D14
) -> np.ndarray:
    """The contribution of each clip to the metrics.

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
        (N, K) float64, one column for each sum that the metrics need (``COLUMNS``).

    Raises:
        InputError: not two equally long lists of finite numbers.
    """
    p, y = paired(prediction, label)
    if conventions.clip:
        p, y = np.clip(p, -1.0, 1.0), np.clip(y, -1.0, 1.0)
    columns = _columns(p, y, conventions).values()
    return np.stack([column.astype(np.float64) for column in columns], axis=1)  # (N, K)


def _columns(p: np.ndarray, y: np.ndarray, conventions: Conventions) -> dict[str, np.ndarray]:
    """Each additive quantity (N,) of N clips; tp .. tn count the clips of Acc2 and F1, p and y are
    taken about their means over the clips."""
    p32, y32 = p.astype(np.float32), y.astype(np.float32)
    counted = np.ones(len(y), dtype=bool) if conventions.zero == "negative" else y32 != 0
    predicted, true = p32 > 0, y32 > 0
    weak = counted & (np.abs(y32) <= np.float32(conventions.weak))
    error = p - y
    p, y = (x - x.sum() / max(len(x), 1) for x in (p, y))
    return {
        "clips": np.ones(len(y)),
        "tp": counted & predicted & true,
        "fp": counted & predicted & ~true,
        "fn": counted & ~predicted & true,
        "tn": counted & ~predicted & ~true,
        "weak": weak,
        "weak_correct": weak & (predicted == true),
        "correct3": _classes(p32, conventions.cuts3) == _classes(y32, conventions.cuts3),
        "correct5": _classes(p32, conventions.cuts5) == _classes(y32, conventions.cuts5),
        "absolute": np.abs(error),
        "squared": error**2,
        **{"p": p, "y": y, "pp": p * p, "yy": y * y, "py": p * y},
    }


def paired(prediction: ArrayLike, label: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and labels, (N,) float64 each. Raises InputError for anything else than two
    equally long lists of finite numbers."""
    p, y = _numbers("prediction", prediction), _numbers("label", label)
    if p.shape != y.shape:
        raise InputError("prediction", f"{len(p)} values", f"{len(y)}, one for each label")
    return p, y


def _numbers(name: str, values: ArrayLike) -> np.ndarray:
    """(N,) float64, all finite."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(name, "values that are not numbers", "(N,) numbers") from error
    if array.ndim != 1:
        raise InputError(name, f"shape {array.shape}", "shape (N,)")
    if bad := int(np.count_nonzero(~np.isfinite(array))):
        raise InputError(name, f"{bad} of {len(array)} values NaN or infinite", "finite numbers")
    return array


def _classes(x: np.ndarray, cuts: tuple[float, ...]) -> np.ndarray:
    """Number of cuts below each value; compared in the values' own precision."""
    return np.searchsorted(np.asarray(cuts, dtype=x.dtype), x, side="left")


def sums_over_clips(
    statistics: np.ndarray, weights: ArrayLike | None, columns: Sequence[str] = ()
) -> Sums:
    """Each column of clip statistics (..., N, K) summed over clips: (...,), or (..., R) with
    weights (..., R, N). ``columns``: their names, by default ``COLUMNS``. Raises InputError for
    weights that are negative, not finite, or not one for each clip."""
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
    return dict(zip(columns or COLUMNS, np.moveaxis(sums, -1, 0), strict=True))


def moments(s: Sums) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums of (p - pbar)^2, (y - ybar)^2 and (p - pbar)(y - ybar), (...,) each, for predictions p
    and labels y; a spread that is only due to rounding is 0."""
    clips = np.where(s["clips"] > 0, s["clips"], 1.0)

    def moment(a: str, b: str) -> np.ndarray:
        return s[a + b] - s[a] * s[b] / clips

    spreads = [np.where((m := moment(x, x)) > ROUNDING * s[x + x], m, 0.0) for x in "py"]
    return spreads[0], spreads[1], moment("p", "y")


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, NaN where ``whole`` is 0."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)


COLUMNS = tuple(_columns(np.zeros(0), np.zeros(0), D14))
