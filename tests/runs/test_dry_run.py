"""The dry run tells how many runs there are, how long they take and how much memory they need, from
similar runs or else from the recorded benchmark."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import avmc_core
from avmc_core.analysis.results import estimate
from avmc_core.data.store import Ragged
from avmc_core.runs.grid import run_all
from avmc_core.runs.store import Run, RunStore
from avmc_core.speed.expected import duration, expected

RESOURCES = Path(avmc_core.__file__).parent / "resources"
FEW, MORE = (("training.max_epochs", 1),), (("training.max_epochs", 2),)


@pytest.fixture
def runs(tmp_path):
    return RunStore(tmp_path)


def test_without_runs_like_these_the_recorded_benchmark_is_scaled(tiny_store, runs):
    """By hand: an epoch of the benchmark in proportion to the clips; supervised AV-MC averages its
    frames, so that their number does not matter."""
    settings = (("training.max_epochs", 5_000),)
    text = estimate([Run("AV-MC", 1, settings)] * 3, tiny_store, runs, "cpu", jobs=2)
    assert "3 runs, 3 to compute" in text and "AV-MC, seed 1" in text
    recorded = json.loads((RESOURCES / "bench.json").read_text(encoding="utf-8"))["data"]["models"]
    known, clips = recorded["AV-MC"], len(tiny_store.split("train"))
    seconds = known["epoch"] * known["threads"] * 5_000 * clips / 2722
    assert expected([Run("AV-MC", 1, settings)], tiny_store).core_seconds[0] == pytest.approx(
        seconds
    )
    assert f"{duration(1.5 * seconds)} on 2 cores" in text and "recorded benchmark" in text
    assert "at most 0." in text and "an order of magnitude" in text
    on_gpu = estimate([Run("AV-MC", 1, settings)], tiny_store, runs, "cuda")
    assert "on one CPU core" in on_gpu and "of a GPU nothing is recorded" in on_gpu


def test_frames_count_where_a_model_reads_them(tiny_store, runs):
    """MulT on clips of half the length takes half the time."""
    whole = expected([Run("MulT", 1)], tiny_store).core_seconds[0]
    train = tiny_store.split("train")
    half = {
        name: Ragged.of(((values, np.arange(len(train) + 1) * 2),), 4)
        for name in ("audio", "vision")
        for values in [np.zeros((2 * len(train), tiny_store.dims[name]), np.float32)]
    }
    shorter = replace(tiny_store, splits=tiny_store.splits | {"train": replace(train, **half)})
    columns = {
        name: (getattr(train, name).lengths.mean() * width, 2 * width)
        for name, width in (("audio", 25), ("vision", 177))
    }
    before, after = (sum(pair[k] for pair in columns.values()) for k in (0, 1))
    found = expected([Run("MulT", 1)], shorter).core_seconds[0]
    assert found / whole == pytest.approx(after / before)


def test_what_no_benchmark_has_timed_is_unknown(tiny_store, runs):
    run = Run("Layered LSTM", 1)
    assert "of 1 unknown: the benchmark has no such model" in estimate(
        [run], tiny_store, runs, "cpu"
    )


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
    other = estimate([Run("AV-MC", 2, (("lr", 1e-3), *FEW))] * 40, tiny_store, runs, "cpu", jobs=1)
    assert f"took {20 * (few.seconds + more.seconds):.0f} s" in other, (
        "else the mean of the model's runs"
    )


def test_saved_progress_is_said(tiny_store, runs):
    """A run that was stopped has saved its state, and goes on from there."""
    grid = [Run("AV-MC", seed, MORE) for seed in (1, 2)]
    assert "interrupted" not in estimate(grid, tiny_store, runs, "cpu")
    with runs.claim(grid[0].key(tiny_store)):
        assert "interrupted" not in estimate(grid, tiny_store, runs, "cpu"), "nothing saved yet"
    with runs.claim(grid[0].key(tiny_store)) as folder:
        (folder / "training.safetensors").write_bytes(b"state")
    assert "1 interrupted run among them" in estimate(grid, tiny_store, runs, "cpu")


def test_what_is_partly_known_says_so(tiny_store, runs):
    run_all([Run("AV-MC", 1, FEW)], tiny_store, runs, jobs=1, device="cpu", progress_bar=False)
    text = estimate(
        [Run("AV-MC", 1, FEW), Run("AV-MC", 2, FEW), Run("Constant", 1)], tiny_store, runs, "cpu"
    )
    assert (
        "3 runs, 2 to compute" in text
        and "1 of them is like" in text
        and "1 is like none computed here: less than a minute" in text
    )
    alone = estimate([Run("AV-MC", 2, FEW)], tiny_store, runs, "cpu", jobs=1)
    assert " s with 1 process, " in alone
    nothing = estimate([Run("AV-MC", 1, FEW)], tiny_store, runs, "cpu")
    assert nothing.endswith("0 to compute, on simulated corpus, not CH-SIMS")
