"""Claims that runs decide: by intervals, never by the simulated corpus, and only where there are
runs."""

from __future__ import annotations

import re

import numpy as np
import pytest
import released_factory as factory

from avmc_core.analysis.estimate import Cell
from avmc_core.clip_statistics import clip_statistics
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.paper import (
    claim_runs,
    claims,
)
from avmc_core.paper.claims import NEEDS, SIMULATED
from avmc_core.paper.finished import Finished
from avmc_core.runs.declaration import Row
from avmc_core.runs.experiments import experiment
from avmc_core.runs.grid import run_all
from avmc_core.runs.scores import scores
from avmc_core.runs.store import Run, RunStore


@pytest.fixture(scope="module")
def simulated(tiny_store, tmp_path_factory):
    """Runs on a simulated store; the models stand in for two rows of Table 4, one that knows
    nothing and one that reads the features."""
    rows = (
        Row("full", "Text-only ridge", published="AV-MC", seeded=False),
        Row("ablated", "Constant", published="w/o Mixup-V", seeded=False),
    )
    runs = RunStore(tmp_path_factory.mktemp("runs"))
    records = run_all(
        [Run(row.model, 1, (), row.name) for row in rows], tiny_store, runs, progress_bar=False
    )
    return Finished(rows, records, tiny_store)


def test_the_simulated_corpus_decides_nothing_about_the_paper(tiny_store, simulated):
    assert tiny_store.simulated
    rulings = claims.ledger(claims.gather(tiny_store, table4=simulated))
    for ruling, before in zip(rulings, claims.ledger(claims.gather()), strict=True):
        if ruling.claim.how in ("run", "features"):
            assert ruling.verdict in (SIMULATED, NEEDS)
        else:
            assert ruling == before


def test_another_data_set_is_no_evidence_on_the_paper(tmp_path, simulated):
    """A store in the released format whose labels are neither of the two sets in circulation."""
    store = factory.imports(tmp_path)
    evidence = claims.gather(store, table4=simulated)
    assert store.as_released and evidence.store is None and not evidence.runs


def test_run_claims_are_decided_by_intervals(simulated, monkeypatch):
    """Compared with itself a model is neither better nor worse; on a real store the same outcome
    would decide the claim."""
    outcome, marked = claim_runs.runs_better(
        {"table4": simulated}, ["table4"], "AV-MC", "w/o Mixup-V"
    )
    assert marked and "comparisons" in outcome.found
    same, _ = claim_runs.runs_better({"table4": simulated}, ["table4"], "AV-MC", "AV-MC")
    assert same.holds is None and "better in 0 of" in same.found
    turned, _ = claim_runs.runs_better({"table4": simulated}, ["table4"], "w/o Mixup-V", "AV-MC")
    (better, whole, worse, _), (back, _, forth, _) = (
        map(int, re.findall(r"\d+", o.found)) for o in (outcome, turned)
    )
    assert (better, worse) == (forth, back) and better + worse <= whole == 6, (
        "no metric is worse both ways"
    )
    missing, marked = claim_runs.runs_better({}, ["table4"], "AV-MC", "w/o Mixup-V")
    assert marked and missing.holds is None and missing.found == "not run"


def test_benchmark_models_that_were_not_run_leave_a_claim_open(simulated, monkeypatch):
    """This holds for a model that is declared without a finished run and for one that is not
    declared."""
    rows, other = simulated.rows, Row("other", "Constant", published="MulT", seeded=False)
    for declared, wanted in (
        (rows, ["w/o Mixup-V"]),
        ((*rows, other), ["w/o Mixup-V", "MulT"]),
        (rows, ["w/o Mixup-V", "TFN"]),
    ):
        monkeypatch.setattr(claim_runs, "benchmark_rows", lambda wanted=wanted: wanted)
        part = Finished(declared, simulated.records, simulated.store)
        outcome, _ = claim_runs.runs_better({"table4": part}, ["table4"], "AV-MC", "benchmark")
        left = 6 * (len(wanted) - 1)
        assert f"of {6 * len(wanted)} comparisons" in outcome.found
        assert outcome.found.endswith(f"not run for {left}") == bool(left)
        assert outcome.holds is not True or not left


def test_one_run_decides_no_cell(simulated, monkeypatch):
    """Even if the store were real: a single run does not tell where another would lie."""
    monkeypatch.setattr(type(simulated.store), "simulated", property(lambda self: False))
    outcome, marked = claim_runs.cells({"table4": simulated}, "table4_ablation", ["table4"])
    assert not marked and outcome.holds is None
    assert outcome.found.endswith("not run twice for 30 cells")


def test_the_figures_of_single_runs_stand_beside_a_cell(simulated):
    """Figures on the display scale of the metric, from the runs of that row only."""
    (run,) = (run for run in simulated.records if run.name == "full")
    score = scores(simulated.records[run], simulated.store)["M"]
    cells = claim_runs._beside(simulated, "table4_ablation")
    at = {(cell.row, cell.metric): seeds for cell, seeds in cells}
    assert at["full", "Acc2"] == pytest.approx([100 * score["Acc2"]])
    assert at["full", "MAE"] == pytest.approx([score["MAE"]])


def beside(name: str, row: str, low: float, high: float) -> list[tuple[Cell, list[float]]]:
    """The six cells of a row of Table 4, each with ten runs, relative to what is printed."""
    seeds = np.linspace(50 + low, 50 + high, 10).tolist()
    return [
        (Cell(50.0, published=50.0, row=name, metric=metric, published_row=row), seeds)
        for metric in ("Acc2", "F1", "Acc2_weak", "Corr", "R2", "MAE")
    ]


ROWS = ("w/o Mixup-AV & Unimodal tasks", "w/o Mixup-AV", "w/o Mixup-A", "w/o Mixup-V")


@pytest.mark.parametrize(
    "rows, other, holds, found",
    [
        (ROWS, -1, True, "30 of 30 in {}, 30 in {}"),
        (ROWS[1:], -1, None, "24 of 24 in {}, 24 in {}, not run twice for 6 cells"),
        (ROWS[1:], 9, False, "18 of 24 in {}, 18 in {}, not run twice for 6 cells"),
    ],
)
def test_cells_that_fit_are_not_refuted_by_cells_that_were_not_run(
    simulated, monkeypatch, rows, other, holds, found
):
    """A cell of the printed AV-MC fits when one of its variants does: the paper prints one AV-MC,
    and there are two here."""
    cells = [cell for row in rows for cell in beside(row, row, -1, 1)]
    cells += beside("AV-MC (paper)", "AV-MC", 9, 10) + beside(
        "AV-MC (released)", "AV-MC", other, other + 2
    )
    monkeypatch.setattr(type(simulated.store), "simulated", property(lambda self: False))
    monkeypatch.setattr(claim_runs, "_beside", lambda part, table: cells)
    outcome, _ = claim_runs.cells({"table4": simulated}, "table4_ablation", ["table4"])
    words = "simultaneous prediction intervals", "those of 95 % each"
    assert (outcome.holds, outcome.found) == (holds, found.format(*words))


@pytest.mark.parametrize(
    "table, cells", [("table2_benchmark", 90), ("table3_unimodal", 32), ("table4_ablation", 30)]
)
def test_every_cell_of_a_table_counts(table, cells):
    outcome, marked = claim_runs.cells({}, table, ["none"])
    assert marked and outcome.holds is None and outcome.printed == f"{cells} cells"


def test_table_3_is_held_against_the_unimodal_runs(tiny_store, tmp_path, monkeypatch):
    """One row of Table 3 run for one epoch: its eight cells are compared, each on its own
    annotation."""
    rows = tuple(row for row in experiment("table3").rows if row.name.startswith("text"))
    grid = [Run(row.model, 1, (*row.changes, ("training.max_epochs", 1)), row.name) for row in rows]
    records = run_all(grid, tiny_store, RunStore(tmp_path), jobs=1, progress_bar=False)
    runs = {"table3": Finished(rows, records, tiny_store)}
    assert "8 cells" in claim_runs.cells(runs, "table3_unimodal", ["table3"])[0].found
    own, marked = claim_runs.runs_own_better(runs, ["table3"], "Text/default")
    assert (
        marked and sum(map(int, re.findall(r"(?:in|worse in|undecided in) (\d+)", own.found))) == 4
    )
    assert claim_runs.runs_own_better(runs, ["table3"], "Visual/default")[0].found == "not run"


def test_table_3_is_decided_in_pairs_on_the_same_clips():
    """A good reader and a bad one, three runs each, on their own labels: the good one is better in
    all four metrics, the bad one worse, and either is undecided against itself."""
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(30), 6)
    labels = [np.clip(np.round(rng.normal(scale=0.6, size=180) * 5) / 5, -1, 1) for _ in range(2)]
    good, bad = (
        np.stack([clip_statistics(label + noise * rng.normal(size=180), label) for _ in range(3)])
        for label, noise in zip(labels, (0.1, 1.5), strict=True)
    )
    found, first, second = {("a", "k"): good, ("b", "k"): bad}, ("a", "k"), ("b", "k")

    def decided(*pairs):
        return claim_runs._in_pairs("printed", list(pairs), found, groups)

    assert (
        decided((first, second)).found == "better in 4 of 4 comparisons, worse in 0, undecided in 0"
    )
    assert decided((first, second)).holds is True and decided((second, first)).holds is False
    assert decided((first, first)).holds is None, "neither is ahead"
    half = decided((first, second), (first, ("not", "run")))
    assert half.holds is None and half.found.endswith("not run for 4")
    assert decided((first, ("not", "run"))).found == "not run"


def test_both_annotations_of_table_3_are_scored_on_the_same_clips(tiny_store, tmp_path):
    """Clips with placeholder labels are left out of both, so that a pair covers the same clips."""
    rows = tuple(row for row in experiment("table3").rows if row.name.startswith("vision"))
    grid = [Run(row.model, 1, (*row.changes, ("training.max_epochs", 1)), row.name) for row in rows]
    records = run_all(grid, tiny_store, RunStore(tmp_path), jobs=1, progress_bar=False)
    runs = {"table3": Finished(rows, records, tiny_store)}
    statistics, groups, _ = claim_runs._table_3(runs, ["table3"])
    clips = int((~placeholder_clips(tiny_store.split("test").clips)).sum())
    assert set(statistics) == {("Visual/default", kind) for kind in ("unimodal", "multimodal")}
    assert {s.shape[1] for s in statistics.values()} == {clips} == {len(groups)}
    worst, marked = claim_runs.runs_worst_modality(runs, ["table3"], "Acoustic")
    assert marked and worst.found == "not run"
