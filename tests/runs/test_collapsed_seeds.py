"""A seed that predicts the same value for every clip has no Corr: means, counts and cells follow
one rule (``statistics.comparable``)."""

from __future__ import annotations

import math

import matplotlib.pyplot as plt
import pytest

from avmc_core.analysis import results
from avmc_core.drawing.model_figures import over_seeds
from avmc_core.publishing.tables import of_interval, result_table
from avmc_core.runs.declaration import Row
from avmc_core.runs.grid import run_all
from avmc_core.runs.scores import scores
from avmc_core.runs.store import Run, RunStore

FEW = (("training.max_epochs", 1),)
SOME, ALL = "two of three", "none"


@pytest.fixture(scope="module")
def records(tiny_store, tmp_path_factory):
    """Two trained seeds and a constant under one name, a constant alone under another, and a failed
    seed."""
    trained = [Run("LF_DNN", seed, FEW, SOME) for seed in (1, 2)]
    failed = Run("LF_DNN", 4, (*FEW, ("lr", 1e30)), SOME)
    grid = [*trained, Run("Constant", 3, (), SOME), failed, Run("Constant", 1, (), ALL)]
    found = run_all(
        grid, tiny_store, RunStore(tmp_path_factory.mktemp("runs")), jobs=1, progress_bar=False
    )
    assert [record.status for record in found.values()] == [
        "done",
        "done",
        "done",
        "failed",
        "done",
    ]
    return found


def test_a_mean_counts_them_as_0_and_its_cell_says_how_many(records, tiny_store):
    summary = results.summarise(records, tiny_store, draws=200)
    first, second = (scores(r, tiny_store)["M"]["Corr"] for r in list(records.values())[:2])
    corr = summary[SOME]["Corr"]
    assert (
        corr.estimate == pytest.approx((first + second) / 3)
        and corr.low <= corr.estimate <= corr.high
    )
    assert "1 of 3 seeds" in corr.note and not summary[SOME]["MAE"].note
    assert (
        math.isnan(summary[ALL]["Corr"].estimate)
        and summary[ALL]["Corr"].note == "all predictions are equal"
    )
    cells = results.comparison(
        (Row(SOME, "LF_DNN"), Row(ALL, "Constant")), summary, ["Corr", "MAE"]
    )
    table = result_table(cells, "made")
    for shown in (table._repr_html_(), table.words().to_string()):
        assert "1 of 3 seeds" in shown and "all predictions are equal" in shown
    assert of_interval("Corr", corr).note == corr.note
    fig = over_seeds(cells, results.tabulate(records, tiny_store), ["Corr", "MAE"])
    assert [len(ax.lines) for ax in fig.axes] == [4, 6], "no interval and no mean without a Corr"
    plt.close(fig)


def test_counts_of_seeds_go_by_the_same_mean(records, tiny_store):
    table = results.tabulate(records, tiny_store)
    assert table["Corr"].isna().tolist() == [False, False, True, True, True], (
        "by itself a seed has none"
    )
    done = table[table["status"] == "done"]
    against = done.loc[done["name"] == SOME, "Corr"].fillna(0.0).mean()
    (row,) = results.wins(table, [ALL], [SOME]).itertuples()
    assert row.Corr == f"{int(against < 0)} of 1"
    (row,) = results.wins(table, [SOME], [ALL]).itertuples()
    assert row.Corr == f"{int((done['Corr'] > 0).sum())} of 4"
    better = done.loc[done["name"] == SOME, "MAE"] < done["MAE"].iloc[-1]
    assert f"{int(better.sum())} of 4" == row.MAE
