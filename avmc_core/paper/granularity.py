"""What the digits of a printed accuracy allow: over how many clips, and over how many runs, it can
have been computed.

An accuracy over N clips is k / N for a whole number k, and the mean of s such accuracies is
k / (s N). Printed with two decimals of a percentage, it therefore fits few pairs of N and s. This
is the GRIM test of Brown and Heathers (Social Psychological and Personality Science 8(4), 2017),
applied to accuracies.

Figures are percentages, as printed. A printed figure on the boundary of two is accepted for both,
so that no answer hangs on whether ties were rounded up, down, to even, or as the nearest binary
number happens to lie.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from avmc_core.errors import InputError

RUNS = (1, 3, 5, 10)  # numbers of runs that papers average over
# "half": the mean is rounded once; "truncated": its further digits are dropped; "per run": every
# run is rounded to the printed digits first, and their mean again.
ROUNDINGS = ("half", "truncated", "per run")
DECIMALS = 2
WHOLE = 100 * 10**DECIMALS  # 100 %, in units of the last digit
RANKED = (1, 3)  # numbers of runs behind the rows of one column
SURE = 0.95  # the least weight of an answer
LUCK = 0.01  # the most pairs that may fit as well by chance


@dataclass(frozen=True)
class Answer:
    """What a column of figures says when all of them are means of the same number of runs over the
    same clips.

    ``n`` and ``runs`` are None where it is undecidable. ``weight``: of the best pair of N and runs
    among all that fit. ``chance``: how many pairs with grids as fine as the best one's or coarser
    would fit figures that were drawn at random.
    """

    n: int | None
    runs: int | None
    weight: float
    chance: float

    def __str__(self) -> str:
        if self.n is None:
            return "undecidable"
        kind = "1 run" if self.runs == 1 else f"means of {self.runs} runs"
        return f"{kind} over {self.n} clips"


def fits(
    figures: Sequence[float],
    n: int,
    runs: int = 1,
    rounding: str = "half",
) -> np.ndarray:
    """Which printed percentages can be the mean accuracy of ``runs`` runs over ``n`` clips:
    (len(figures),) bool.

    Raises InputError for a figure that is not a percentage with ``DECIMALS`` decimals, for N or
    runs below 1, and for an unknown rounding.

    >>> fits([82.50, 79.92], n=1034).tolist(), fits([79.92], n=1034, runs=3).tolist()
    ([True, False], [True])
    """
    return _fit(_printed(figures), n, runs, rounding)


@cache
def chance(n: int, runs: int = 1, rounding: str = "half") -> float:
    """The share of all percentages with ``DECIMALS`` decimals that fit: how probably a random one
    does."""
    return float(_fit(np.arange(WHOLE + 1), n, runs, rounding).mean())


def ranked(figures: Sequence[float], candidates: Iterable[int]) -> pd.DataFrame:
    """How well each number of clips fits a column whose rows may be of different kinds: the best
    first.

    With c_s the share of all figures that fit as means of s runs, a figure that does is 1 / c_s
    times as probable under that grid as at random. A row may be any of the S kinds in ``RANKED``,
    or none of them, all equally probable beforehand, so that a column of different figures x is
    more probable under N than at random by the factor

        L(N) = product over x of (1 + sum over s of [x fits] / c_s) / (1 + S).

    Columns: ``n``; for each s a column s, how many figures fit; ``of``, how many there are;
    ``support``, log10 L; ``p``, a bound on how often random figures support any candidate as well:
    the number of candidates over L (at most 1; Markov's inequality).
    """
    printed, numbers = np.unique(_printed(figures)), list(candidates)
    rows = []
    for n in numbers:
        fit = {s: _fit(printed, n, s) for s in RANKED}
        factors = (1 + sum(fit[s] / chance(n, s) for s in RANKED)) / (1 + len(RANKED))
        support = float(np.log10(factors).sum())
        counts = {s: int(fit[s].sum()) for s in RANKED}
        rows.append({"n": n, **counts, "of": len(printed), "support": support, "p": 0.0})
    table = pd.DataFrame(rows).sort_values(
        ["support", "n"], ascending=[False, True], ignore_index=True
    )
    return table.assign(p=np.minimum(1.0, len(numbers) * 10.0 ** -table["support"]))


def runner_up(table: pd.DataFrame) -> pd.Series:
    """The best row of a ranking by ``ranked`` whose number of clips neither divides the winner's
    nor is a multiple of it, and so has another grid."""
    best = int(table.loc[0, "n"])
    others = table[[max(n, best) % min(n, best) != 0 for n in table["n"]]]
    return others.iloc[0]


def read_column(
    figures: Sequence[float],
    candidates: Iterable[int],
    runs: Sequence[int] = RUNS,
) -> Answer:
    """N and the number of runs, when all figures are means of the same number of runs over one
    number of clips.

    Of all pairs (N, s) that every figure fits, each is weighted by the probability of the figures
    under it: grids with fewer figures make those that are printed more probable, (1 / size of the
    grid) ** (number of figures). Pairs with one and the same grid (s N is equal) count as the one
    with the fewest runs. The answer is the heaviest pair, if it has 95 % of the weight and a random
    column would fit it, or a coarser grid, less often than once in 100; else the column is
    undecidable.

    >>> str(read_column([82.50, 83.46, 79.01, 81.33, 73.98], [1034]))
    '1 run over 1034 clips'
    """
    printed, numbers = _printed(figures), np.array(list(candidates))
    # cells of the grid to its share of all figures, runs and N
    pairs: dict[int, tuple[float, int, int]] = {}
    fitting = []
    for s in sorted(runs):
        fitted = _fit(printed, numbers[:, None], s).all(axis=1)
        for n, fit in zip(numbers.tolist(), fitted, strict=True):
            if s * n not in pairs:  # else the same grid, with fewer runs
                pairs[s * n] = (chance(n, s), s, n)
                fitting += [pairs[s * n]] if fit else []
    if not fitting:
        return Answer(None, None, 0.0, 0.0)
    coarsest = min(share for share, _, _ in fitting)
    weights = [(coarsest / share) ** len(printed) for share, _, _ in fitting]
    weight, (share, s, n) = max(zip(weights, fitting, strict=True), key=lambda pair: pair[0])
    by_chance = sum(other ** len(printed) for other, _, _ in pairs.values() if other <= share)
    weight /= sum(weights)
    if weight < SURE or by_chance > LUCK:
        return Answer(None, None, weight, by_chance)
    return Answer(n, s, weight, by_chance)


def simulated_column(rows: int, n: int, runs: int, rng: np.random.Generator) -> np.ndarray:
    """Printed mean accuracies of ``rows`` models, each of ``runs`` runs over ``n`` clips: (rows,)
    percentages. The models' true accuracies are uniform between 60 and 85 %."""
    accuracy = rng.uniform(0.60, 0.85, rows)
    right = rng.binomial(n, accuracy[:, None], (rows, runs))  # (rows, runs)
    return np.round(100 * (right / n).mean(axis=1), DECIMALS)


def _printed(figures: Sequence[float]) -> np.ndarray:
    """Percentages as whole numbers of their last digit."""
    values = np.asarray(figures, dtype=np.float64)
    units = np.round(values * 10**DECIMALS)
    bad = ~(np.abs(values * 10**DECIMALS - units) < 1e-6) | (values < 0) | (values > 100)
    if values.ndim != 1 or bad.any():
        offending = values[bad][0] if values.ndim == 1 else f"shape {values.shape}"
        raise InputError(
            "a printed accuracy",
            str(offending),
            f"percentages from 0 to 100 with {DECIMALS} decimals",
        )
    return units.astype(np.int64)


def _fit(printed: np.ndarray, n: int | np.ndarray, runs: int, rounding: str = "half") -> np.ndarray:
    """``fits`` for figures as whole numbers of their last digit; ``n`` may be an array that
    broadcasts with them, unless every run is rounded."""
    if rounding not in ROUNDINGS:
        raise InputError("rounding", repr(rounding), f"one of {', '.join(ROUNDINGS)}")
    if np.min(n) < 1 or runs < 1:
        raise InputError("a printed accuracy", f"{runs} runs over {n} clips", "at least 1 of each")
    if rounding == "per run" and runs > 1:
        sums = _sums_of_rounded(n, runs)
        return np.array([_within(sums, runs, int(figure)) for figure in printed], dtype=bool)
    # in half units of the last digit, so that ties are whole numbers
    whole, cells = 2 * WHOLE, runs * n
    low, high = (
        (2 * printed, 2 * printed + 2)
        if rounding == "truncated"
        else (2 * printed - 1, 2 * printed + 1)
    )
    least = -(-low * cells // whole)  # the smallest k with whole * k / cells >= low
    most = high * cells // whole
    if rounding == "truncated":
        most = most - (most * whole == high * cells)  # the next figure's own beginning
    return np.minimum(most, cells) >= np.maximum(least, 0)


@cache
def _sums_of_rounded(n: int, runs: int) -> int:
    """The sums that ``runs`` accuracies over ``n`` clips can have when each is rounded first, as
    the bits of a number."""
    one = {(2 * WHOLE * k + n - tie) // (2 * n) for k in range(n + 1) for tie in (0, 1)}
    sums = 1
    for _ in range(runs):
        reached = 0
        for value in one:
            reached |= sums << value
        sums = reached
    return sums


def _within(sums: int, runs: int, figure: int) -> bool:
    """Whether one of the sums, divided by ``runs``, rounds to the figure."""
    low, high = -(-(2 * figure - 1) * runs // 2), (2 * figure + 1) * runs // 2
    low = max(low, 0)
    return bool((sums >> low) & ((1 << (high - low + 1)) - 1))
