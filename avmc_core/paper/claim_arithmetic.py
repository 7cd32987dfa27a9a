"""Claims that the printed figures decide among themselves (and one that the public code's schedule
decides).

Every figure comes from ``resources/published.json``. A percentage "follows" when it is what its
cells give, rounded as printed; for cells that are rounded themselves the found figure is shown, so
that a reader sees by how much it misses.
"""

from __future__ import annotations

from itertools import pairwise, product
from math import floor, log10
from typing import Any

from avmc_core.paper.claim_outcome import Outcome, words
from avmc_core.paper.label_summary import printed_weak_levels, published_class_counts
from avmc_core.published import published, text_figure
from avmc_core.schema import GRID, SPLITS


def figure(name: str) -> Any:
    """The value of a figure that is printed in the text. Raises KeyError for an unknown name."""
    return text_figure(name)[0]


def size_factor() -> Outcome:
    """The abstract's supervised clips against those it does not call new."""
    before = figure("supervised_clips") - figure("new_clips")
    ratio = figure("supervised_clips") / before
    printed = figure("size_factor")
    growth = f"{ratio:.2f} times ({before} clips before), as a whole number {round(ratio)}"
    return Outcome(f"{printed} times", growth, round(ratio) == printed)


def mosi_drop() -> Outcome:
    """A rounded figure follows if the loss, in points or in percent, rounds to it at its one
    significant digit."""
    before, after, printed = (
        figure(f"mosi_{name}") for name in ("accuracy_with_text", "accuracy_without_text", "drop")
    )
    points, percent = before - after, 100 * (before - after) / before
    rounded = _one_digit(points), _one_digit(percent)
    loss = f"{points} points, {percent:.1f} %; to one digit {rounded[0]:g} and {rounded[1]:g}"
    return Outcome(f"about {printed} %", loss, printed in rounded)


def original_balance() -> Outcome:
    """With p positive clips for every 100 negative ones, at most 100 / (100 + p) of all clips are
    negative."""
    ratio = figure("original_positive_to_negative_percent")
    printed = figure("original_negative_percent")
    most = 100 * 100 / (100 + ratio)
    bound = f"at most {most:.2f} %, if {ratio} positive clips come with 100 negative ones"
    return Outcome(f"{printed} %", bound, printed <= most)


def supervised_total() -> Outcome:
    """The printed number of supervised clips against the sum of the splits of Table 1."""
    total = sum(published()["table1_splits"][split][0] for split in SPLITS)
    return Outcome(str(figure("supervised_clips")), str(total), total == figure("supervised_clips"))


def supervised_name() -> Outcome:
    """The sentence of Section 3.1 against Figure 2, which calls the unlabelled part by that
    name."""
    printed, elsewhere = figure("supervised_name"), figure("supervised_name_elsewhere")
    return Outcome(
        printed,
        f"{elsewhere} everywhere else; {printed} is the unlabelled part. Probably a slip",
        printed == elsewhere,
    )


def unlabelled_over() -> Outcome:
    """The sentence says "over" a round number of unlabelled clips; an exact number is printed
    elsewhere."""
    exact, least = figure("unlabelled_clips"), figure("unlabelled_clips_over")
    return Outcome(f"over {least}", str(exact), exact > least)


def votes_kept() -> Outcome:
    """How many votes are left when the highest and the lowest are dropped."""
    left = figure("annotators") - 2
    return Outcome(
        str(figure("votes_kept")),
        f"{figure('annotators')} - 2 = {left}",
        left == figure("votes_kept"),
    )


def classes_cover_grid() -> Outcome:
    """Whether the levels of the five classes of Section 3.2 are those of the label grid, each
    once."""
    levels = sorted(level for values in figure("classes").values() for level in values)
    steps = sorted({round(above - below, 6) for below, above in pairwise(levels)})
    return Outcome(
        f"{len(figure('classes'))} classes",
        f"{len(levels)} levels from {levels[0]:g} to {levels[-1]:g}, {len(set(levels))} "
        f"different, in steps of {words(steps)}",
        levels == figure("label_grid") == GRID.tolist(),
    )


def better_balanced() -> Outcome:
    """Whether the ratio of positive to negative clips is nearer to one than in the original
    CH-SIMS."""
    now = figure("positive_to_negative_percent")
    before = figure("original_positive_to_negative_percent")
    here, there = abs(100 - now), abs(100 - before)
    apart = f"{here:.2f} points from balance (100 %) against {there:.2f}"
    return Outcome(f"{now} % against {before} %", apart, here < there)


def mostly_weak_by_table1() -> Outcome:
    """Whether more than half of the clips of Table 1 are in its two weak classes."""
    n = published_class_counts().sum()
    weak, strong = (
        float(n[names].sum()) / float(n.sum()) for names in (["WNEG", "WPOS"], ["NEG", "POS"])
    )
    return Outcome(
        "weak", f"{100 * weak:.2f} % weak, {100 * strong:.2f} % strong in Table 1", weak > 0.5
    )


def table1_sums() -> Outcome:
    """Whether the classes of each split of Table 1 add up to its number of clips."""
    rows = {split: published()["table1_splits"][split] for split in SPLITS}
    sums = {split: sum(row[1:]) for split, row in rows.items()}
    totals = {split: row[0] for split, row in rows.items()}
    return Outcome(words(totals), words(sums), totals == sums)


def weak_band() -> Outcome:
    """The printed band of weak labels against the levels of the classes that are called weak."""
    low, high = figure("weak_band")
    weak = printed_weak_levels()
    counted = {level for level in figure("label_grid") if low <= level <= high}
    difference = f"leaves out {words(sorted(weak - counted))}; adds {words(sorted(counted - weak))}"
    return Outcome(f"{low:g} to {high:g}", difference, weak == counted)


def vision_groups() -> Outcome:
    """OpenFace writes landmarks in pixels (x, y) or millimetres (x, y, z), a presence for 18 units
    beside the intensity of 17, and gaze as two vectors, two angles, or both; head position and
    orientation are three numbers each."""
    points = figure("landmarks")
    units = figure("action_units")
    printed = figure("features")["vision"]
    landmarks, action_units, gaze = (2 * points, 3 * points), (units, 2 * units + 1), (2, 6, 8)
    sums = sorted({a + b + c + 6 for a, b, c in product(landmarks, action_units, gaze)})
    without = [a + b + 6 for a, b in product(landmarks, action_units)]
    note = f"; without gaze {printed} is possible" if printed in without else ""
    return Outcome(str(printed), f"one of {words(sums)}{note}", printed in sums)


def passes_of_an_epoch() -> Outcome:
    """Algorithm 1 and the public semi-supervised code have the same two passes (D10). We read that
    code and rebuilt it: the golden files hold its network and losses, not its schedule."""
    from avmc_core.models.avmc import AVMC, SEMI
    from avmc_core.models.base import Sizes

    passes = len(AVMC(SEMI, Sizes()).passes(1))
    return Outcome(
        str(figure("passes")),
        f"{passes}, as the public code was read (D10)",
        passes == figure("passes"),
    )


def _one_digit(value: float) -> float:
    return round(value, -floor(log10(value)))


CHECKS = {
    check.__name__: check
    for check in (
        size_factor,
        mosi_drop,
        original_balance,
        supervised_total,
        supervised_name,
        unlabelled_over,
        votes_kept,
        classes_cover_grid,
        better_balanced,
        mostly_weak_by_table1,
        table1_sums,
        weak_band,
        vision_groups,
        passes_of_an_epoch,
    )
}
