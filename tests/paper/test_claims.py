"""The claim ledger is complete, and is decided by code."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest

from avmc_core import published
from avmc_core.paper import (
    claim_arithmetic,
    claim_outcome,
    claims,
    findings,
    label_findings,
    label_summary,
)
from avmc_core.paper.audit import audit
from avmc_core.paper.claims import NEEDS, VERDICTS
from avmc_core.paper.findings import FAILS, HOLDS, PART
from avmc_core.publishing.html_table import anchor
from avmc_core.runs.experiments import EXPERIMENTS

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
