"""The claim ledger is complete, is decided by code, and is never decided by the simulated
corpus."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
import released_factory as factory

from avmc_core import published
from avmc_core.analysis.estimate import Cell
from avmc_core.clip_statistics import clip_statistics
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.paper import (
    claim_arithmetic,
    claim_outcome,
    claim_runs,
    claims,
    findings,
    label_findings,
    label_summary,
)
from avmc_core.paper.audit import audit
from avmc_core.paper.claims import NEEDS, SIMULATED, VERDICTS
from avmc_core.paper.findings import FAILS, HOLDS, PART
from avmc_core.paper.finished import Finished
from avmc_core.publishing.html_table import anchor
from avmc_core.runs.declaration import Row
from avmc_core.runs.experiments import EXPERIMENTS, experiment
from avmc_core.runs.grid import run_all
from avmc_core.runs.scores import scores
from avmc_core.runs.store import Run, RunStore

needs_meta = pytest.mark.skipif(
    not os.environ.get("AVMC_META"), reason="AVMC_META names no label table"
)


# the headings of the paper
SECTIONS = {
    *("1", "2", "2.1", "2.2", "2.3", "3", "3.1", "3.2", "3.3", "4", "4.1", "4.2"),
    *("5", "5.1", "5.2", "5.2.1", "5.2.2", "5.3", "5.4", "6"),
}


def verdicts(rulings) -> dict[str, str]:
    return {ruling.claim.key: ruling.verdict for ruling in rulings}


@pytest.fixture(scope="module")
def shipped():
    return claims.ledger(claims.gather())


def test_every_claim_has_a_verdict_from_the_vocabulary(shipped):
    assert len(shipped) >= 60
    assert {ruling.verdict for ruling in shipped} <= set(VERDICTS)
    assert all(ruling.found and ruling.printed and ruling.claim.place for ruling in shipped)
    assert all("{" not in ruling.claim.says for ruling in shipped)
    tables = [claims.verdict_counts(shipped, kind) for kind in claims.KINDS]
    assert sum(table.loc["all", "all"] for table in tables) == len(shipped)
    for kind, table in zip(claims.KINDS, tables, strict=True):
        assert table.iloc[:-1, :-1].to_numpy().sum() == sum(
            ruling.claim.kind == kind for ruling in shipped
        )
        counted = table.loc["all"].reindex(list(VERDICTS), fill_value=0)
        assert claims.tally(shipped, kind) == counted.to_dict()


def test_only_what_the_paper_says_counts_as_its_claim(shipped):
    """Whether different places of the paper agree is our own question: such checks form a separate
    kind."""
    kind = {ruling.claim.key: ruling.claim.kind for ruling in shipped}
    assert {ruling.claim.kind for ruling in shipped if ruling.claim.how == "run"} == {
        claims.RUNS
    }, "our own criteria"
    assert kind["table2-cells"] == claims.RUNS
    assert {
        kind[key] for key in ("weak-band", "mostly-weak-table", "acoustic-mixup-alone-helps")
    } == {claims.CHECK}
    assert {kind[key] for key in ("mostly-weak", "unlabelled-help", "acoustic-mixup-helps")} == {
        claims.CLAIM
    }


def test_the_kinds_of_evidence_add_up_to_the_claims_of_the_paper(shipped):
    """Each claim counts once, under the evidence that decides it. Our runs decide none, and claims
    that nothing here decides have no verdict on the paper."""
    counted = claims.evidence_counts(shipped)
    total = sum(claims.tally(shipped).values())
    assert sum(kind["all"] for kind in counted.values()) == total
    for verdict in findings.DECIDED:
        assert sum(kind[verdict] for kind in counted.values()) == claims.tally(shipped)[verdict]
    assert all(
        kind["all"] == sum(kind[v] for v in findings.DECIDED)
        for way, kind in counted.items()
        if way != "none"
    )
    assert (
        not any(counted["none"][verdict] for verdict in findings.DECIDED) and "run" not in counted
    )
    table = claims.verdict_counts(shipped)
    assert claims.HOW["run"] not in table.index
    for way, kind in counted.items():
        if claims.HOW[way] in table.index:
            assert table.loc[claims.HOW[way], "all"] == kind["all"]


def test_what_nothing_decides_is_not_said_to_be_decided(shipped):
    """Runs that were not made, or that are on simulated data, are no evidence."""
    undecided = [r for r in shipped if r.verdict in (NEEDS, claims.CANNOT)]
    assert undecided and {r.decided_by for r in undecided} == {claims.NOT_HERE}
    assert {r.decided_by for r in shipped if r.verdict in findings.DECIDED} <= {
        *claims.HOW.values()
    } - {claims.NOT_HERE}


def test_every_place_is_one_that_the_paper_has(shipped):
    """Sections are cited for claims, printed figures and experiments; the last section of the paper
    is 6."""
    figures = published.published()["text_figures"].values()
    places = [ruling.claim.place for ruling in shipped] + [figure["place"] for figure in figures]
    places += [plan.source for plan in EXPERIMENTS.values()]
    cited = [place for place in places if "Section" in place]
    numbers = {
        n for place in cited for n in re.findall(r"\d(?:\.\d)*", place.partition("Section")[2])
    }
    assert numbers <= SECTIONS


def test_what_the_four_annotations_decide_says_on_how_many_clips(shipped):
    """In the paper's set all four annotations are known for a part of the clips only."""
    keys = ("fewest-neutral", "most-neutral", "closest-to-multimodal", "farthest-from-multimodal")
    found = {r.claim.key: r.found for r in shipped}
    assert all(re.search(r" 1932 clips\)$", found[key]) for key in keys)


def test_every_row_of_the_ledger_can_be_led_to(shipped):
    """The anchors of the claims and of the audit's findings are all distinct."""
    for names in (
        [anchor("claim", ruling.claim.key) for ruling in shipped],
        [anchor("finding", item.key) for item in audit().findings],
    ):
        assert len(set(names)) == len(names)


def test_where_a_claim_is_decided_is_a_file_that_defines_it(shipped):
    """The details of a row in the ledger lead to the code that decides it."""
    root = Path(claims.__file__).parents[2]
    for source in filter(None, (claims.source_of(ruling) for ruling in shipped)):
        name, file = re.match(r"(?:audit finding )?([\w]+).*?(avmc_core/\S+\.py)", source).groups()
        assert (root / file).is_file(), source
        assert source.startswith("audit") or f"def {name}(" in (root / file).read_text(
            encoding="utf-8"
        ), source


def test_every_printed_figure_is_part_of_a_claim(monkeypatch):
    """Nothing in the data file of printed figures is left unclaimed."""
    used = set()

    def spy(name):
        used.add(name)
        return published.text_figure(name)

    for module in (claims, claim_arithmetic, findings, label_findings, label_summary):
        monkeypatch.setattr(module, "text_figure", spy)
    claims.ledger(claims.gather())
    # the audit reads the sizes of features and steps in a module of its own
    assert used | {"features", "steps"} == set(published.published()["text_figures"])


def test_arithmetic_claims_are_all_decided(shipped):
    decided = [ruling.verdict for ruling in shipped if ruling.claim.how == "arithmetic"]
    assert set(decided) == {HOLDS, PART, FAILS}


@pytest.mark.parametrize(
    "key, verdict, found",
    [
        ("unlabelled-help", PART, "better in 5 of 6 metrics, equal in Acc2_weak 74.54"),
        ("acoustic-mixup-helps", PART, "better in 5 of 6 metrics, equal in MAE 0.297"),
        ("visual-mixup-helps", HOLDS, "better in all 6 metrics"),
        (
            "unimodal-annotation-better-Acoustic/default",
            PART,
            "better in 3 of 4 metrics, worse in Corr 13.48 against 13.72",
        ),
        ("best-AV-MC", HOLDS, "better in all 6 metrics"),
    ],
)
def test_better_without_a_metric_is_read_over_all_of_them(shipped, key, verdict, found):
    """The paper's cells, compared directly: ties and losses in single cells are stated, and do not
    refute the sentence."""
    ruling = next(ruling for ruling in shipped if ruling.claim.key == key)
    assert (ruling.verdict, ruling.found) == (verdict, found)


@pytest.mark.parametrize(
    "better, worse, whole, holds, partly",
    [
        (6, 0, 6, True, False),
        (5, 0, 6, False, True),
        (4, 2, 6, False, True),
        (3, 3, 6, False, False),
        (3, 0, 6, None, False),
        (0, 2, 6, None, False),
        (0, 3, 6, False, False),
        (1, 1, 4, None, False),
    ],
)
def test_what_many_comparisons_say(better, worse, whole, holds, partly):
    outcome = claim_outcome.compared("printed", "found", better, worse, whole)
    assert (outcome.holds, outcome.partly) == (holds, partly)


def test_relative_gains_against_a_plain_computation(shipped):
    """The best cell of each column by numpy: a gain follows exactly if it equals the printed one,
    and two do not."""
    table = published.published()["table2_benchmark"]
    rows = np.array(
        [cells for name, cells in table["rows"].items() if not name.startswith("AV-MC")]
    )
    best = np.append(rows[:, :5].max(axis=0), rows[:, 5].min())
    found = verdicts(shipped)
    for name, printed in table["printed_relative_gain_percent"].items():
        gains = np.abs(np.array(table["rows"][name]) - best) / best * 100
        for metric, follows in zip(table["metrics"], np.abs(gains - printed) < 0.0051, strict=True):
            assert (found[f"gain-{name}-{metric}"] == HOLDS) == follows
    failing = {
        key for key, verdict in found.items() if key.startswith("gain-") and verdict == FAILS
    }
    assert failing == {"gain-AV-MC-Acc2", "gain-AV-MC-F1_score"}


def test_figures_that_contradict_each_other_are_found(shipped):
    found = verdicts(shipped)
    contradictions = (
        "supervised-clips-table",
        "positive-to-negative-table",
        "original-negative-ratio",
        "mostly-weak-table",
        "supervised-name",
    )
    assert {found[key] for key in contradictions} == {FAILS}
    assert {found[key] for key in ("decline-Acc2", "decline-Acc2_weak", "decline-MAE")} == {HOLDS}
    assert found["decline-wording"] == FAILS  # they follow only relative to the ablated model
    assert found["table4-full-model"] == found["table1-sums"] == HOLDS


def test_label_claims_from_the_shipped_counts(shipped):
    """All of them are decided, on the labels that the paper used, and each states the clips that it
    rests on."""
    found = verdicts(shipped)
    of_labels = [ruling for ruling in shipped if ruling.claim.how == "labels"]
    assert {ruling.verdict for ruling in of_labels} == {HOLDS, PART, FAILS} and all(
        r.basis for r in of_labels
    )
    assert found["closest-to-multimodal"] == found["farthest-from-multimodal"] == HOLDS
    assert [found[f"table1-classes-{split}"] for split in ("train", "valid", "test")] == [
        HOLDS,
        HOLDS,
        FAILS,
    ]
    assert {
        found[f"table1-classes-{split}-section-3-2"] for split in ("train", "valid", "test")
    } == {FAILS}
    assert {found[f"table1-rows-{split}"] for split in ("train", "valid", "test")} == {HOLDS}
    assert found["new-clips"] == FAILS  # by their ids one more is new than printed
    assert (found["mostly-weak"], found["mostly-weak-table-classes"]) == (HOLDS, FAILS)
    assert (found["original-positive-to-negative"], found["positive-to-negative"]) == (HOLDS, FAILS)
    assert found["weak-text-reliance"] == found["original-negative"] == PART


@needs_meta
def test_the_table_in_circulation_changes_no_verdict(shipped):
    """It carries other labels than the paper used: the ledger is the same with and without it."""
    from avmc_core.data.released import read_meta

    assert claims.ledger(claims.gather(meta=read_meta(os.environ["AVMC_META"]))) == shipped


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


def test_the_simulated_corpus_decides_nothing_about_the_paper(tiny_store, simulated, shipped):
    assert tiny_store.simulated
    rulings = claims.ledger(claims.gather(tiny_store, table4=simulated))
    for ruling, before in zip(rulings, shipped, strict=True):
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
