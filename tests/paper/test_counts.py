"""The counts that the package carries agree with themselves; figures and results made from them
carry their mark."""

from __future__ import annotations

import json
from itertools import combinations, pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from avmc_core import artefacts
from avmc_core.data import label_sets
from avmc_core.drawing import figures
from avmc_core.paper import label_summary
from avmc_core.paper.audit import audit, label_table
from avmc_core.published import published
from avmc_core.schema import CLASSES, SPLITS, TASKS
from avmc_core.simulated.label_counts import PAIRS, shipped_counts


def test_shipped_counts_agree_with_themselves():
    """Marginals, pair tables, rows, published totals and the recorded label sets add up."""
    counts = shipped_counts()
    relabelled = label_sets.of_set(label_sets.RELABELLED)
    for split in SPLITS:
        assert counts["M"][split] == label_sets.total(relabelled, split=split).tolist()
        assert sum(counts["M"][split]) == counts["rows"][split]
    for task in TASKS:
        assert label_summary.level_counts(counts)[task].sum() == sum(
            counts["four"]["rows"].values()
        )
    for pair in PAIRS:
        cells = np.array(counts["four"]["pairs"][pair])
        assert (cells.sum(axis=1) == label_summary.level_counts(counts)[pair[0]]).all()
        assert (cells.sum(axis=0) == label_summary.level_counts(counts)[pair[1]]).all()
    printed = published()["table1_splits"]
    assert all(sum(printed[split][1:]) == printed[split][0] for split in SPLITS)


def test_some_cut_gives_is_the_search_over_all_cuts():
    """Compared with a loop over every way to cut the eleven levels into five intervals."""
    rng = np.random.default_rng(2)
    levels = rng.integers(0, 4, size=11).tolist()
    reachable = {
        tuple(sum(levels[a:b]) for a, b in pairwise((0, *cut, 11)))
        for cut in combinations(range(1, 11), len(CLASSES) - 1)
    }
    for classes in reachable:
        assert label_summary.some_cut_gives(pd.Series(classes), levels)
    for _ in range(200):
        classes = tuple(int(n) for n in rng.multinomial(sum(levels), [0.2] * 5))
        if min(classes) > 0:
            assert label_summary.some_cut_gives(pd.Series(classes), levels) == (
                classes in reachable
            )


def test_every_figure_carries_its_mark(tiny_store, tmp_path):
    """On simulated data the picture says so, and with real counts it names their source; the bytes
    of a figure are the same each time."""
    figures.use_style()
    counts, clips = audit().counts, label_table(tiny_store)
    lengths = pd.DataFrame({"length": clips["audio_length"], "clips": "labelled"})
    found, printed = label_summary.class_counts(counts["M"]), label_summary.published_class_counts()
    draw = {
        "classes": (lambda: figures.class_counts(found, printed), None),
        "levels": (lambda: figures.label_histograms(label_summary.level_counts(counts)), None),
        "matrix": (lambda: figures.difference_matrix(label_summary.differences(counts)), None),
        "videos": (lambda: figures.video_groups(clips[clips["M"].notna()]), tiny_store),
        "lengths": (lambda: figures.length_histograms({"audio": lengths}), tiny_store),
    }
    for name, (figure, source) in draw.items():
        copies = []
        for copy in range(2 if name == "levels" else 1):
            fig = figures.mark(figure(), source)
            fig.savefig(tmp_path / f"{name}{copy}.svg", metadata={"Date": None})
            copies.append((tmp_path / f"{name}{copy}.svg").read_bytes())
            assert artefacts.data_mark(source) in fig.get_supxlabel()
            plt.close(fig)
        assert len(set(copies)) == 1
    assert "simulated corpus" in figures.caption(tiny_store, "avmc").data


def test_length_bins_hold_whole_steps():
    """If all lengths are equally frequent the histogram is flat: no bin covers more steps than its
    neighbour."""
    uniform = pd.DataFrame({"length": np.tile(np.arange(1, 49), 5), "clips": "labelled"})
    fig = figures.length_histograms({"characters": uniform})
    share, edges, _ = fig.axes[0].patches[0].get_data()
    assert share == pytest.approx(np.full(len(share), share[0]))
    assert np.diff(edges) == pytest.approx(2)
    plt.close(fig)


def test_saved_results_are_strict_json(tmp_path, monkeypatch):
    """Numpy values become plain numbers, NaN becomes null, the provenance is kept beside the data,
    and no temporary file is left."""
    monkeypatch.setenv("AVMC_HOME", str(tmp_path))
    path = artefacts.save(
        "page",
        {"a": np.float32(0.5), "b": [np.nan, np.int64(3)], "c": {1: np.array([1.5])}},
        {"data": "x"},
    )
    assert path == tmp_path / "results" / "page.json" and list(path.parent.iterdir()) == [path]
    saved = json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert saved == {
        "provenance": {"data": "x"},
        "data": {"a": 0.5, "b": [None, 3], "c": {"1": [1.5]}},
    }
