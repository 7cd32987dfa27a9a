"""The cost of a grid: sums agree with a hand count, and dividing the runs among workers never takes
less time than the longest run."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from avmc_core.runs.experiments import EXPERIMENTS
from avmc_core.speed import grid_cost


def record(model, epochs, seconds, status="done"):
    return SimpleNamespace(model=model, epochs=epochs, seconds=seconds, status=status)


RECORDS = [
    record("AV-MC", 10, 20.0),
    record("AV-MC", 30, 20.0),
    record("LMF", 10, 50.0),
    record("Constant", 0, 4.0),
    record("Bert_MAG", 5, 5.0),
    record("LMF", 1, 1.0, status="failed"),
]


def test_records_become_seconds_an_epoch():
    costs = grid_cost.measured(RECORDS)
    assert costs.loc["AV-MC"].to_list() == [2, 20, 20, 1]
    assert costs.loc["LMF", "core s per epoch"] == 5
    assert (
        pd.isna(costs.loc["Constant", "core s per epoch"])
        and costs.loc["Constant", "core s per run"] == 4
    )


def test_full_size_is_a_step_a_batch_or_scaled_by_clips():
    step = {"clips": 1000, "fast": 1.0, "threads": 2}
    full = grid_cost.full_size(grid_cost.measured(RECORDS), 1361, 36, {"supervised": step})
    # 2722 clips are three batches of 1000, each a second of two cores
    assert full.loc["AV-MC", "core s per epoch"] == 6
    assert full.loc["AV-MC", "core h per run"] == pytest.approx(0.06)
    assert full.loc["LMF", "core s per epoch"] == 10 and full.loc[
        "LMF", "core h per run"
    ] == pytest.approx(0.1)
    # fitted, not trained: no epochs
    assert full.loc["Constant", "core h per run"] == pytest.approx(8 / 3600)
    assert pd.isna(full.loc["Bert_MAG", "core h per run"])


def test_every_pass_of_an_epoch_counts_and_bert_at_what_it_takes():
    """Compared with hand counts: the second pass of AV-MC(Semi) and MMIM (D10), a step with BERT in
    it, and an epoch as recorded."""
    costs = grid_cost.measured(
        [record(model, 1, 1.0) for model in ("AV-MC(Semi)", "MMIM", "MISA", "LMF")]
    )
    bench = {
        "semi": {"clips": 64, "fast": 1.0, "threads": 1},
        "MMIM": {"clips": 32, "whole": 3.0, "rest": 0.1, "threads": 2},
        "MISA": {"clips": 16, "whole": 1.0, "rest": 0.1, "threads": 1},
        "models": {"LMF": {"epoch": 7.0, "threads": 2}, "MISA": {"epoch": 99.0, "threads": 1}},
    }
    epoch = grid_cost.full_size(costs, 320, 1, bench)["core s per epoch"]
    assert epoch.to_dict() == {
        "AV-MC(Semi)": 202 + 43,
        "MMIM": 2 * 86 * 3.0 * 2,
        "MISA": 99,
        "LMF": 14,
    }


def test_no_number_of_workers_beats_the_longest_run():
    wall = grid_cost.shared(
        pd.Series({"a": 10, "b": 2, "not timed": 5}),
        pd.Series({"a": 1.0, "b": 3.0, "c": float("nan")}),
    )
    assert wall["hours"].to_dict() == {1: 16.0, 8: 3.0, 64: 3.0}


def test_a_run_in_two_experiments_counts_once():
    runs = grid_cost.declared("full")
    assert runs["Constant"] == 1 and runs["AV-MC"] > 5


def test_a_run_counts_once_however_its_settings_are_arrived_at(tiny_store):
    """There are as many runs as there are keys."""
    keys = {run.key(tiny_store) for plan in EXPERIMENTS.values() for run in plan.runs("full")}
    assert grid_cost.declared("full").sum() == len(keys)
