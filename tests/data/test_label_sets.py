"""The two label sets are told apart by their counts, and their recorded counts agree with each
other and with real tables."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest

from avmc_core import schema
from avmc_core.data import label_sets
from avmc_core.data.label_sets import MIXED, NEW, ORIGINAL, OTHER, RELABELLED
from avmc_core.data.released import read_meta
from avmc_core.metrics import evaluate
from avmc_core.published import published

META = os.environ.get("AVMC_META")


def table(key: str) -> pd.DataFrame:
    """A generated label table with the counts of one set."""
    rows = [
        (split, "0001" if part == ORIGINAL else "00001", label)
        for split, parts in label_sets.of_set(key).items()
        for part, counts in parts.items()
        for label in np.repeat(schema.GRID, counts)
    ]
    return pd.DataFrame(rows, columns=["split", "clip_id", "M"])


@pytest.mark.parametrize("key", [RELABELLED, MIXED])
def test_a_set_is_recognised_by_its_counts(key):
    """In any order, with a few labels changed, and beside unlabelled clips; but not if half of the
    labels are those of the other set or a clip is missing."""
    clips = table(key).sample(frac=1, random_state=0)
    assert label_sets.recognise(clips) == label_sets.Recognised(key)
    unlabelled = pd.DataFrame({"split": ["unlabelled"], "clip_id": ["1"], "M": [np.nan]})
    assert label_sets.recognise(pd.concat([clips, unlabelled])).key == key
    assert label_sets.recognise(clips.iloc[1:]).key == OTHER
    changed = clips.copy()
    changed.iloc[:3, 2] = np.where(changed["M"].iloc[:3] < 0, 1.0, -1.0)
    found = label_sets.recognise(changed)
    assert found.key == key and 1 <= found.apart <= 3 and "but for" in str(found)
    other = table(MIXED if key == RELABELLED else RELABELLED)
    half = clips.sort_index()["M"].where(np.arange(len(clips)) % 2 == 0, other["M"])
    assert label_sets.recognise(clips.sort_index().assign(M=half)).key == OTHER


def test_the_sets_have_the_same_clips_and_differ_where_it_is_recorded():
    """Rows by split and part are equal, and those of Table 1; new clips of training and validation
    carry the same labels."""
    first, second = label_sets.of_set(RELABELLED), label_sets.of_set(MIXED)
    for split in schema.SPLITS:
        assert label_sets.total(first, split=split).sum() == published()["table1_splits"][split][0]
        assert [first[split][p].sum() for p in label_sets.PARTS] == [
            second[split][p].sum() for p in label_sets.PARTS
        ]
    assert all((first[split][NEW] == second[split][NEW]).all() for split in ("train", "valid"))
    recorded = label_sets.recorded()["differ"]
    assert sum(kind["clips"] for kind in recorded.values()) == label_sets.total(first).sum()
    moved = (
        np.abs(
            label_sets.total(first, part=ORIGINAL) - label_sets.total(second, part=ORIGINAL)
        ).sum()
        // 2
    )
    assert moved <= recorded["original part"]["differ"] <= recorded["original part"]["clips"]


@pytest.mark.parametrize("key, acc2, mae", [(RELABELLED, 57.74, 0.506), (MIXED, 59.09, 0.539)])
def test_a_constant_scores_as_the_metrics_say(key, acc2, mae):
    """Compared with the library's metrics on labels generated from the counts, with the one label
    that is off the grid restored."""
    labels = table(key)
    labels = labels.loc[labels["split"] == "test", "M"].to_numpy(copy=True)
    for off in label_sets.recorded()["sets"][key]["off_grid"]:
        labels[np.flatnonzero(labels == schema.GRID[schema.level(off["label"])])[0]] = off["label"]
    found, expected = label_sets.constant_scores(key), evaluate(np.zeros(len(labels)), labels)
    assert all(value == pytest.approx(expected[name]) for name, value in found.items())
    assert (round(100 * found["Acc2"], 2), round(found["MAE"], 3)) == (acc2, mae)


@pytest.mark.skipif(not META, reason="AVMC_META does not name the real label table")
def test_the_table_in_circulation_is_the_mixed_one():
    clips = read_meta(META)
    assert label_sets.recognise(clips) == label_sets.Recognised(MIXED)
    found = clips[label_sets.original_part(clips["clip_id"])]
    cells = np.zeros((11, 11), int)
    np.add.at(cells, (schema.level(found["M"]), schema.level(found["T"])), 1)
    assert cells.tolist() == label_sets.recorded()["original_pairs"]["pairs"]["MT"]
