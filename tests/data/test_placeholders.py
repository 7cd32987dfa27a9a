"""Placeholders are recognised by the labels of a file, never by the names of its videos."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest

from avmc_core.data.placeholders import placeholder_clips
from avmc_core.data.released import read_meta

META = os.environ.get("AVMC_META")


def clips(*rows: tuple[str, float, float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["video_id", "M", "T", "A", "V"])


def test_copies_are_found_video_by_video():
    """Also where M was relabelled in some clips; but not where T, A or V differ, nor in a video
    with a single clip."""
    table = clips(
        ("copied", 0.2, 0.2, 0.2, 0.2),
        ("copied", -0.4, -0.4, -0.4, -0.4),
        ("new M in one", 0.4, 0.2, 0.2, 0.2),
        ("new M in one", -0.4, -0.4, -0.4, -0.4),
        ("agreeing by chance", 0.2, 0.2, 0.2, 0.2),
        ("agreeing by chance", 0.2, 0.2, 0.2, 0.4),
        ("another M", 0.4, 0.2, 0.2, 0.2),
        ("another M", 0.0, -0.4, -0.4, -0.4),
        ("test1", 0.2, 0.4, 0.2, 0.2),  # a name says nothing
        ("test1", 0.2, 0.2, 0.2, 0.2),
        ("alone", 0.2, 0.2, 0.2, 0.2),
    )
    assert placeholder_clips(table).tolist() == [True] * 4 + [False] * 7
    order = np.random.default_rng(0).permutation(len(table))
    assert (placeholder_clips(table.iloc[order]) == placeholder_clips(table)[order]).all()


def test_clips_without_labels_are_no_placeholders():
    assert not placeholder_clips(clips(*[("v", np.nan, np.nan, np.nan, np.nan)] * 3)).any()


@pytest.mark.skipif(not META, reason="AVMC_META does not name the real label table")
def test_in_the_table_in_circulation_they_are_test1_to_test15():
    table = read_meta(META)
    assert (
        placeholder_clips(table) == table["video_id"].str.fullmatch(r"test\d+").to_numpy()
    ).all()
    relabelled = table.assign(M=table["M"].where(np.arange(len(table)) % 10 > 0, 0.0))
    assert (placeholder_clips(relabelled) == placeholder_clips(table)).all()
