"""What printed digits allow, compared with brute force, with simulated tables, and with the paper's
own tables."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pandas as pd
import pytest

from avmc_core.data.label_sets import MIXED, RELABELLED
from avmc_core.errors import InputError
from avmc_core.paper import claims, digits, granularity
from avmc_core.paper.findings import FAILS, HOLDS, PART


@pytest.mark.parametrize(
    "n, runs", [(7, 1), (37, 1), (37, 3), (483, 1), (200, 2), (96, 5), (1034, 3)]
)
def test_a_figure_fits_exactly_when_some_count_prints_it(n, runs):
    """Every k / (s N) is printed by Python's exact decimal formatting; a tie may be rounded either
    way, and both are allowed."""
    cells = n * runs
    printed = set()
    for k in range(cells + 1):
        whole, rest = divmod(20_000 * k, 2 * cells)  # hundredths of a percent
        up = rest > cells or (rest == cells)
        printed |= {whole + up} | ({whole} if rest == cells else set())
    everything = np.arange(10_001) / 100
    assert set(np.flatnonzero(granularity.fits(everything, n, runs))) == printed
    assert granularity.chance(n, runs) == len(printed) / 10_001
    assert {f"{100 * k / cells:.2f}" for k in range(cells + 1)} <= {
        f"{p / 100:.2f}" for p in printed
    }


@pytest.mark.parametrize("n, runs", [(9, 3), (13, 2), (24, 3), (32, 2)])
def test_runs_that_are_rounded_first_by_adding_all_combinations(n, runs):
    rounded = {round(10_000 * k / n + tie) for k in range(n + 1) for tie in (-1e-6, 1e-6)}
    means = {
        round(sum(parts) / runs + tie)
        for parts in combinations_with_replacement(sorted(rounded), runs)
        for tie in (-1e-6, 1e-6)
    }
    everything = np.arange(10_001) / 100
    assert set(np.flatnonzero(granularity.fits(everything, n, runs, "per run"))) == means


def test_digits_that_are_dropped_instead_of_rounded():
    n = 41
    dropped = {10_000 * k // n for k in range(n + 1)}
    everything = np.arange(10_001) / 100
    assert set(np.flatnonzero(granularity.fits(everything, n, 1, "truncated"))) == dropped


def test_the_chances_of_the_specification():
    assert [
        granularity.chance(n, s) for n, s in ((1034, 1), (487, 1), (1034, 3), (487, 3))
    ] == pytest.approx([0.104, 0.049, 0.311, 0.146], abs=1e-3)


@pytest.mark.parametrize("runs", [1, 3])
@pytest.mark.parametrize("n", [1034, 487, 483, 700])
def test_clips_and_runs_are_found_in_95_of_100_simulated_tables(n, runs):
    rng = np.random.default_rng(n + runs)
    columns = [granularity.simulated_column(19, n, runs, rng) for _ in range(100)]
    read = [granularity.read_column(column, range(345, 1035)) for column in columns]
    assert sum((answer.n, answer.runs) == (n, runs) for answer in read) >= 95


def test_where_everything_fits_nothing_is_decided():
    """Ten runs over 1034 clips: every figure is possible, also when the number of clips is
    known."""
    rng = np.random.default_rng(1)
    columns = [granularity.simulated_column(19, 1034, 10, rng) for _ in range(50)]
    assert granularity.chance(1034, 10) == 1
    assert all(str(granularity.read_column(column, [1034])) == "undecidable" for column in columns)
    wide = [granularity.read_column(column, range(345, 1035)).n is None for column in columns]
    assert sum(wide) >= 48


def test_rows_of_several_kinds_are_no_one_table():
    rng = np.random.default_rng(2)
    mixed = [
        *granularity.simulated_column(10, 487, 1, rng),
        *granularity.simulated_column(9, 487, 3, rng),
    ]
    assert granularity.read_column(mixed, range(345, 1035)).runs == 3, (
        "a single run is a mean of three alike"
    )
    table = granularity.ranked([*mixed, 66.27, 71.07], range(345, 1035))
    assert table.loc[0, "n"] == 487 and table.loc[0, "p"] < 1e-3
    assert table.loc[0, "support"] - granularity.runner_up(table)["support"] > 3
    noise = np.round(rng.uniform(60, 85, 19), 2)
    assert granularity.ranked(noise, range(345, 1035)).loc[0, "p"] > 0.05
    assert granularity.read_column(noise, range(345, 1035)).n is None


@pytest.mark.parametrize(
    "figures, n, runs",
    [([101.0], 9, 1), ([-0.1], 9, 1), ([5.123], 9, 1), ([5.0], 0, 1), ([5.0], 9, 0)],
)
def test_what_is_no_printed_accuracy_is_refused(figures, n, runs):
    with pytest.raises(InputError, match="printed accuracy"):
        granularity.fits(figures, n, runs)
    with pytest.raises(InputError, match="one of half"):
        granularity.fits([5.0], 9, 1, "upwards")


def test_the_paper_counted_487_weak_clips_and_1034_in_all():
    """By hand: 79.92 is 826.37 clips of 1034; three runs give 2479 / 3102. 74.54 is 363 of 487, and
    360.03 of 483."""
    for figure, clips, numbers in (
        (79.92, 1034, [3, 5, 10]),
        (74.54, 487, [1, 3, 5, 10]),
        (74.54, 483, []),
    ):
        fitting = [runs for runs in granularity.RUNS if granularity.fits([figure], clips, runs)[0]]
        assert fitting == numbers
    assert (digits.clips("Acc2"), digits.clips("Acc2_weak")) == (1034, 487)
    assert (digits.weak_clips(RELABELLED), digits.weak_clips(MIXED)) == (483, 462)
    for metric in digits.METRICS:
        table = digits.ranking(metric)
        assert table.loc[0, "n"] == digits.clips(metric)
        assert table.loc[0, "support"] - granularity.runner_up(table)["support"] > 5


def test_rows_of_table_2_are_of_several_kinds():
    kinds = digits.kinds("Table 2")
    assert {"AV-MC", "AV-MC(Semi)", "MMIM"} <= set(kinds.one_run) and "MISA" in kinds.means
    assert set(kinds.neither) == {"TFN", "MTFN"}
    assert len(kinds.one_run) + len(kinds.means) + len(kinds.neither) == 15
    read = digits.rows_read(digits.readings())
    assert len(read) == 15 + 4 + 8 and not read[["table", "row", "annotation"]].duplicated().any()


def test_one_last_digit_stands_between_table_4_and_single_runs():
    """All figures that k of n clips can give, rounded: one of Table 4's is none of them, and a unit
    of its last digit from one. Of Table 2 many are none."""
    runs = {
        metric: {round(100 * k / digits.clips(metric), 2) for k in range(digits.clips(metric) + 1)}
        for metric in digits.METRICS
    }
    ((row, metric, figure, near),) = digits.misfits("Table 4")
    assert (row, metric, figure) == ("w/o Mixup-AV", "Acc2", 80.47)
    assert near and figure not in runs[metric] and round(figure - 0.01, 2) in runs[metric]
    others = digits.misfits("Table 2")
    assert len(others) > 5 and all(figure not in runs[metric] for _, metric, figure, _ in others)


def test_the_ledger_says_what_the_digits_say():
    found = {c.key: claims.decide(c, None) for c in claims.claims() if c.key.startswith("digits-")}
    assert {key: ruling.verdict for key, ruling in found.items()} == {
        "digits-Acc2-clips": HOLDS,
        "digits-Acc2_weak-clips": HOLDS,
        "digits-released-weak-clips": FAILS,
        "digits-one-kind-table2": FAILS,
        "digits-one-kind-table4": PART,
    }
    assert all(ruling.claim.kind == claims.CHECK for ruling in found.values())
    assert all(
        "probability" in found[key].found for key in ("digits-Acc2-clips", "digits-one-kind-table2")
    )


def test_our_own_runs_are_read_as_what_they_are():
    """Single runs of the first seed are told apart from means over three seeds; a row that lacks a
    seed is not a mean of three."""
    rng = np.random.default_rng(3)
    rows = [
        (f"model {i}", seed, rng.binomial(96, 0.7) / 96) for i in range(17) for seed in (1, 2, 3)
    ]
    runs = pd.DataFrame(
        [*rows, ("short", 1, 0.5), ("failed", 2, np.nan)], columns=["name", "seed", "Acc2"]
    )
    read = digits.own_check(runs, 96)
    assert read["figures"].tolist() == [18, 17]
    assert read["read"].tolist() == ["1 run over 96 clips", "means of 3 runs over 96 clips"]


def test_rounding_once_explains_the_printed_figures_best():
    table = digits.by_rounding().set_index(["rounding", "metric"])
    surplus = table["fit a mean of 3"] - table["a mean of 3, by chance"]
    for metric in digits.METRICS:
        assert surplus["half", metric] >= surplus.xs(metric, level="metric").max()
