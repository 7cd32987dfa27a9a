"""The comparison of two rows agrees with a computation by hand, over several runs and over one run
each."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

from avmc_core.analysis.pairwise import as_text, compare_rows
from avmc_core.commands.main import main
from avmc_core.errors import InputError
from avmc_core.metrics import evaluate
from avmc_core.runs import declaration, experiments
from avmc_core.runs.grid import run_all
from avmc_core.runs.store import Run, RunStore

FEW = (("training.max_epochs", 1),)
GRID = [
    *(Run("LF_DNN", seed, FEW, "first") for seed in (1, 2, 3)),
    *(Run("LF_DNN", seed, (*FEW, ("lr", 0.02)), "second") for seed in (1, 2)),
]


@pytest.fixture(scope="module")
def records(tiny_store, tmp_path_factory):
    return run_all(
        GRID, tiny_store, RunStore(tmp_path_factory.mktemp("runs")), jobs=1, device="cpu"
    )


def test_means_differences_and_improvement_by_hand(records, tiny_store):
    label = tiny_store.split("test").labels[:, 0]
    scores = {
        run: evaluate(record.predictions("test")["M"], label) for run, record in records.items()
    }
    for row in compare_rows(records, tiny_store, "first", "second", ("MAE", "Acc2")).itertuples():
        first, second = (
            [s[row.metric] for run, s in scores.items() if run.name == name]
            for name in ("first", "second")
        )
        scale, sign = (100, 1) if row.metric == "Acc2" else (1, -1)
        assert row.first == pytest.approx(scale * np.mean(first)) and row.second == pytest.approx(
            scale * np.mean(second)
        )
        assert (
            row.difference == pytest.approx(row.first - row.second)
            and row.low <= row.difference <= row.high
        )
        wins = [0.5 * (np.sign(sign * (a - b)) + 1) for a in first for b in second]
        assert row.improvement == pytest.approx(np.mean(wins)) and row.test == "bootstrap"


def test_holm_is_over_the_metrics_asked_for(records, tiny_store):
    both = compare_rows(records, tiny_store, "first", "second", ("MAE", "Acc2")).set_index("metric")
    alone = compare_rows(records, tiny_store, "first", "second", ("MAE",)).set_index("metric")
    assert alone.loc["MAE", "p_holm"] == alone.loc["MAE", "p"]
    smallest = both["p"].idxmin()
    assert both.loc[smallest, "p_holm"] == pytest.approx(min(1, 2 * both.loc[smallest, "p"]))


def test_one_run_each_swaps_videos(records, tiny_store):
    """The p value of the absolute difference in MAE, from all permutations by hand."""
    one = {run: record for run, record in records.items() if run.seed == 1}
    (row,) = compare_rows(one, tiny_store, "first", "second", ("MAE",)).itertuples()
    test = tiny_store.split("test")
    errors = [
        np.abs(np.clip(r.predictions("test")["M"], -1, 1) - test.labels[:, 0]) for r in one.values()
    ]
    videos = test.clips["video_id"].to_numpy()
    kinds = np.unique(videos)
    apart = np.array([(errors[0] - errors[1])[videos == kind].sum() for kind in kinds])
    assert row.test == "permutation"
    if len(kinds) <= 14:
        signs = np.array(np.meshgrid(*[[1, -1]] * len(kinds))).reshape(len(kinds), -1)
        exact = np.mean(np.abs(apart @ signs) >= abs(apart.sum()) - 1e-12)
        assert row.p == pytest.approx(exact, abs=0.03)


def test_a_row_without_runs_is_named(records, tiny_store):
    with pytest.raises(InputError, match="row 'third': found no finished run"):
        compare_rows(records, tiny_store, "first", "third", ("MAE",))


def test_text_says_which_way_is_better(records, tiny_store):
    text = as_text(compare_rows(records, tiny_store, "first", "second", ("MAE", "Acc2")))
    assert "MAE (lower is better)" in text and "Acc2 (higher is better)" in text


def test_the_command_writes_table_csv_and_figure(tiny_store, tmp_path, monkeypatch):
    monkeypatch.setenv("AVMC_HOME", str(tmp_path))
    monkeypatch.setitem(declaration.PROFILE_CHANGES, "ci", FEW)
    grid = [
        run
        for run in experiments.EXPERIMENTS["avmc"].runs("ci", (1,))
        if run.model in ("Constant", "Late mean")
    ]
    run_all(grid, tiny_store, RunStore(tmp_path / "runs"), jobs=1, device="cpu")
    names = [run.name for run in grid]
    words = [
        "compare",
        "avmc",
        *names,
        "--store",
        str(tiny_store.path),
        "--seeds",
        "1",
        "--metric",
        "MAE",
    ]
    done = CliRunner().invoke(
        main, [*words, "--figure", str(tmp_path / "x.png")], catch_exceptions=False
    )
    assert (
        done.exit_code == 0
        and "simulated corpus, not CH-SIMS" in done.output
        and (tmp_path / "x.png").stat().st_size
    )
    assert (
        "MAE,"
        in CliRunner().invoke(main, [*words, "--format", "csv"], catch_exceptions=False).output
    )
    wrong = CliRunner().invoke(main, ["compare", "avmc", "nobody", names[0], *words[4:]])
    assert wrong.exit_code == 2 and "no row 'nobody'" in wrong.output
