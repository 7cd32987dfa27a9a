"""The evidence for the label set that the paper used: each piece fits one set and not the other, as
recomputed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from avmc_core.data.label_sets import MIXED, RELABELLED, constant_scores, recorded
from avmc_core.paper import digits, seeds, which_labels
from avmc_core.paper.label_summary import published_class_counts
from avmc_core.schema import GRID, SPLITS


@pytest.fixture(scope="module")
def evidence():
    return which_labels.evidence().set_index("Evidence")


def test_every_piece_of_evidence_tells_the_sets_apart(evidence):
    """Each names the place where the figure that it is compared with was printed or reported."""
    assert len(evidence) == 6 and (evidence[RELABELLED] != evidence[MIXED]).all()
    assert evidence["Source"].str.len().min() > 8


def test_table_1_cells(evidence):
    """Counted by a plain loop: on the relabelled set train and valid agree exactly, and on the
    mixed one no cell does."""
    printed, equal = published_class_counts(), {}
    for key in which_labels.SETS:
        counts, equal[key] = which_labels.of_splits(key), 0
        for split in SPLITS:
            cells = dict.fromkeys(printed.columns, 0)
            for label, n in zip(GRID, counts[split], strict=True):
                strong = abs(label) > 0.5
                cells[
                    "NEU"
                    if label == 0
                    else ("" if strong else "W") + ("NEG" if label < 0 else "POS")
                ] += int(n)
            equal[key] += sum(cells[name] == printed.loc[split, name] for name in printed)
    assert equal == {RELABELLED: 11, MIXED: 0}
    row = evidence.loc["Cells of Table 1 that come out"]
    assert row[RELABELLED].startswith(
        "11 of them, the others off by at most 6; train and valid to the clip"
    )
    assert row[MIXED].startswith("0 of them, the others off by at most 119")


def test_the_printed_runs_are_multiples_of_one_clip_of_the_relabelled_set():
    """Each value is compared with the nearest multiple: all 45 are k/483, and few are k/462."""
    values = seeds.runs()["Acc2_weak"].unique()
    fit = {}
    for key in which_labels.SETS:
        n = digits.weak_clips(key)
        fit[n] = int((np.round(100 * np.round(values * n / 100) / n, 2) == values).sum())
    assert fit == {483: 45, 462: 3}
    assert {digits.weak_clips(key, "valid") for key in which_labels.SETS} == {255, 236}


def test_the_contradictions_that_a_reader_counted_are_where_the_sets_differ_in_sign():
    """The rows that this reader quoted have the labels of the relabelled set."""
    report = recorded()["reports"]["annotations"]
    assert (
        report["other_sign"] == recorded()["other_sign"] == {"train": 174, "valid": 61, "test": 65}
    )
    assert report["quoted_equal"] == {RELABELLED: report["quoted"], MIXED: 0}


def test_a_constant_is_another_score_on_each_set():
    table = which_labels.constants().set_index("Metric")
    for key in which_labels.SETS:
        assert table.loc["Acc2", key] == pytest.approx(100 * constant_scores(key)["Acc2"])
    assert table.loc["Acc2"].round(2).tolist() == [57.74, 59.09]
    assert table.loc["MAE"].round(3).tolist() == [0.506, 0.539]
