"""Runs of other people on the real files: what is recorded, how far seeds lie apart, and what
picking the best of many gains."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from avmc_core.drawing import digit_figures, seed_figures
from avmc_core.paper import digits, seeds, successors
from avmc_core.published import published


def test_the_record_has_98_runs_of_which_three_stand_in_two_files():
    table = seeds.runs()
    assert len(table) == 98 and seeds.repeated() == 3
    assert (
        set(table.groupby(seeds.BATCH, dropna=False).size()) == {1, 5}
        and len(seeds.batches()) == 19
    )
    assert seeds.batches()["name"].is_unique and sum(map(len, seeds.by_name().values())) == 98


def test_single_runs_say_which_labels_they_used():
    """Each distinct Acc2_weak is k / 483 to two decimals; Acc2 is over 1034 clips for both sets."""
    assert seeds.fitting_runs() == {"relabelled": 98, "mixed": 6, "runs": 98}
    k = seeds.runs()["Acc2_weak"] * 483 / 100
    assert (k - k.round()).abs().max() <= 0.005 * 4.83 + 1e-9


def test_the_printed_figure_is_the_best_batch_of_its_setting():
    name, printed = seeds.printed_batch()
    assert printed == {"Acc2": 83.77, "Acc2_weak": 75.24}
    table = seeds.batches()
    assert table.loc[table["Acc2"].idxmax(), "name"] == name
    assert round(float(seeds.by_name()[name]["Acc2"].mean()), 2) == 83.77


@pytest.mark.parametrize("metric", ["Acc2", "Acc2_weak", "MAE"])
def test_the_spread_by_a_plain_loop(metric):
    table = seeds.runs()
    variances, repeated = [], []
    for key, part in table.groupby(seeds.BATCH, dropna=False):
        if len(part) == 5:
            variances.append(np.var(part[metric], ddof=1))
            if key[0] == "MSE-ChatGLM3-6B" and key[2] == 80:
                repeated.append(part[metric].tolist())
    found = seeds.spread(metric)
    assert found.within == pytest.approx(np.sqrt(np.mean(variances)))
    assert found.batches == len(repeated) == 6
    assert found.between == pytest.approx(np.std(np.mean(repeated, axis=1), ddof=1))
    ms_within = np.mean(np.var(repeated, axis=1, ddof=1))
    assert found.p == pytest.approx(stats.f.sf(5 * found.between**2 / ms_within, 5, 24))
    assert np.std(seeds.residuals(metric)) == pytest.approx(found.within, rel=0.05)


def test_the_best_of_draws_by_enumeration():
    values = [1.0, 4.0, 9.0]
    every = np.mean([max(draw) for draw in product(values, repeat=3)])
    assert seeds.best_of(np.array(values), 3) == pytest.approx(every - np.mean(values))
    assert seeds.best_of(np.array(values), 1) == pytest.approx(0)


def test_the_best_of_equal_models_by_simulation_and_by_hand():
    rng = np.random.default_rng(0)
    drawn = rng.binomial(483, 0.74, (20_000, 10)).max(axis=1) / 483 * 100 - 74
    assert seeds.best_of_equals(0.74, 483, 10) == pytest.approx(
        drawn.mean(), abs=4 * drawn.std() / np.sqrt(20_000)
    )
    assert seeds.best_of_equals(0.5, 1, 2) == pytest.approx(25), (
        "one coin or another comes up three times in four"
    )
    assert seeds.best_of_equals(0.8, 1034, 1) == pytest.approx(0, abs=1e-9)


def test_how_large_a_difference_has_to_be():
    one, several = seeds.needed("Acc2", 1, 1), seeds.needed("Acc2", 3, 3)
    assert (
        one
        == pytest.approx(1.959964 * seeds.spread("Acc2").within * np.sqrt(2))
        == pytest.approx(several * np.sqrt(3))
    )
    assert seeds.margin("Acc2") == pytest.approx(1.55) and seeds.margin(
        "Acc2_weak"
    ) == pytest.approx(2.26)
    assert seeds.margin("Acc2") < seeds.needed("Acc2", 1, 3)


def test_successors_keep_their_digits_and_say_what_those_allow():
    table = successors.table().set_index("model")
    assert table.loc["AV-MC (re-run)", ["Acc2", "MAE", "Corr"]].tolist() == ["80.6", ".301", "72.1"]
    assert "too few" in table.loc["AV-MC (re-run)", "runs by digits"], (
        "one decimal admits everything"
    )
    assert table.loc["MSE-Adapter ChatGLM3-6B", "runs by digits"] == "5 or 10", "five seeds said"
    assert "relabelled (483 clips): none" in table.loc["PaP ChatGLM3-6B", "labels by digits"]
    assert (table["source"] != "").all()
    by_runs = successors.tables_by_runs().set_index("table")
    assert (
        by_runs.loc["the laboratory's, later", "p, 5 runs"]
        < 1e-3
        < 0.1
        < by_runs.loc["the laboratory's, later", "p, 3 runs"]
    )
    assert by_runs.loc["Table 2", "p, 3 runs"] < 1e-3 < 0.1 < by_runs.loc["Table 2", "p, 5 runs"]


def test_the_figures_draw():
    read = digits.readings()
    fig = digit_figures.runs_allowed(
        read, {metric: digits.clips(metric) for metric in digits.METRICS}
    )
    filled = [
        line
        for line in fig.axes[0].lines
        if line.get_fillstyle() == "full" and line.get_marker() == "o"
    ]
    acc2 = read[read["metric"] == "Acc2"]
    assert len(filled) == int(acc2[[1, 3, 5, 10]].to_numpy().sum())
    rankings = {"Acc2": digits.ranking("Acc2")}
    digit_figures.clips_that_fit(rankings, digits.marked())
    name, marked = seeds.printed_batch()
    table = published()["table2_benchmark"]
    printed = {"Acc2": {row: cells[0] for row, cells in table["rows"].items()}}
    fig = seed_figures.beside_table_2(seeds.by_name(), printed, marked, name)
    points = [line for line in fig.axes[0].lines if line.get_marker() == "o"]
    assert sum(len(line.get_xdata()) for line in points) == 98
    gains, margins = seeds.curves([1, 5, 10])
    assert all(np.all(np.diff(gain) > 0) for curves in gains.values() for gain in curves.values())
    seed_figures.winners_curve([1, 5, 10], gains, margins)
    assert isinstance(successors.table(), pd.DataFrame)
