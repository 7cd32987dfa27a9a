"""The dry run: how many runs, how long and how much memory, from runs like them or said to be
unknown."""

from __future__ import annotations

import re

import pytest

from avmc_core.analysis.results import estimate
from avmc_core.runs.grid import run_all
from avmc_core.runs.store import Run, RunStore

FEW, MORE = (("training.max_epochs", 1),), (("training.max_epochs", 2),)


@pytest.fixture
def runs(tmp_path):
    return RunStore(tmp_path)


def test_without_runs_like_these_time_and_memory_are_unknown(tiny_store, runs):
    text = estimate([Run("AV-MC", 1, FEW)], tiny_store, runs, "cpu")
    assert "1 runs, 1 to compute" in text and "AV-MC, seed 1" in text
    assert "time and memory unknown" in text


def test_time_and_memory_come_from_the_runs_most_like(tiny_store, runs):
    done = run_all(
        [Run("AV-MC", 1, FEW), Run("AV-MC", 1, MORE)],
        tiny_store,
        runs,
        jobs=1,
        device="cpu",
        progress_bar=False,
    )
    few, more = done.values()
    assert 2**26 < few.environment["peak_bytes"] < 2**34
    text = estimate(
        [Run("AV-MC", seed, FEW) for seed in range(2, 22)], tiny_store, runs, "cpu", jobs=2
    )
    assert "20 of them are like earlier runs" in text and f"took {20 * few.seconds:.0f} s" in text
    assert f"about {10 * few.seconds:.0f} s with 2 processes" in text
    gib = float(re.search(r"at most ([\d.]+) GiB each", text)[1])
    assert gib == pytest.approx(few.environment["peak_bytes"] / 2**30, abs=0.051)
    other = estimate(
        [Run("AV-MC", 2, (("rate", 1e-3), *FEW))] * 40, tiny_store, runs, "cpu", jobs=1
    )
    assert f"took {20 * (few.seconds + more.seconds):.0f} s" in other, (
        "else the mean of the model's runs"
    )


def test_what_is_partly_known_says_so(tiny_store, runs):
    run_all([Run("AV-MC", 1, FEW)], tiny_store, runs, jobs=1, device="cpu", progress_bar=False)
    text = estimate(
        [Run("AV-MC", 1, FEW), Run("AV-MC", 2, FEW), Run("Constant", 1)], tiny_store, runs, "cpu"
    )
    assert (
        "3 runs, 2 to compute" in text
        and "1 of them are like" in text
        and "the other 1 unknown" in text
    )
    nothing = estimate([Run("AV-MC", 1, FEW)], tiny_store, runs, "cpu")
    assert nothing.endswith("0 to compute, on simulated corpus, not CH-SIMS")
