"""What each annotation explains of the others agrees with least squares of scikit-learn, and the
recorded figures with the label table."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from avmc_core.analysis.cues import (
    BANDS,
    MODALITIES,
    SUBSETS,
    by_part,
    explained,
    parts_of,
    recorded,
)
from avmc_core.data.released import read_meta
from avmc_core.errors import InputError
from avmc_core.publishing.cue_explorer import explorer


@pytest.fixture(scope="module")
def made() -> tuple[np.ndarray, np.ndarray]:
    """Labels (N, 4) in which A contributes most to M and T partly repeats A, and the video of each
    clip."""
    rng = np.random.default_rng(0)
    t, a, v = rng.standard_normal((3, 400))
    t = 0.5 * t + 0.5 * a
    m = 0.2 * t + 0.7 * a + 0.4 * v + 0.3 * rng.standard_normal(400)
    return np.stack([m, t, a, v], axis=1), rng.integers(0, 25, 400)


@pytest.mark.parametrize("subset", SUBSETS)
def test_equals_least_squares(made, subset):
    labels, videos = made
    x = labels[:, [1 + MODALITIES.index(task) for task in subset]]
    expected = LinearRegression().fit(x, labels[:, 0]).score(x, labels[:, 0])
    found = explained(labels, videos, n=50)[subset]
    assert (
        found.estimate == pytest.approx(expected, abs=1e-9)
        and found.low <= found.estimate <= found.high
    )


def test_a_resample_is_least_squares_on_the_repeated_videos(made):
    """The interval equals one computed by hand from the same draw of videos."""
    from avmc_core.analysis.statistics import multiplicities

    labels, videos = made
    counts = multiplicities(25, 1, np.random.default_rng(0))[0].astype(int)
    rows = np.concatenate(
        [np.repeat(np.flatnonzero(videos == v), counts[k]) for k, v in enumerate(np.unique(videos))]
    )
    x = labels[rows][:, 1:]
    expected = LinearRegression().fit(x, labels[rows, 0]).score(x, labels[rows, 0])
    found = explained(labels, videos, n=1)["TAV"]
    assert found.low == pytest.approx(expected, abs=1e-9) == found.high


def test_what_a_modality_adds_is_the_rest_to_all(made):
    found = explained(*made, n=10)
    assert found["+T"].estimate == pytest.approx(found["TAV"].estimate - found["AV"].estimate)
    assert found["+A"].estimate > found["+T"].estimate


def test_too_few_clips_are_an_error():
    with pytest.raises(InputError, match="3 clips of 1 videos"):
        explained(np.zeros((3, 4)), np.zeros(3))


def test_recorded_figures_are_ordered_as_they_must_be():
    """More annotations never explain less, and every subset has an interval that contains its
    figure."""
    data = recorded()
    for part in data.values():
        assert set(part) == set(BANDS)
        for cell in part.values():
            r2 = cell["r2"]
            assert all(low <= estimate <= high for estimate, low, high in r2.values())
            for subset in SUBSETS:
                assert all(
                    r2[other][0] <= r2[subset][0] + 1e-4
                    for other in SUBSETS
                    if set(other) < set(subset)
                )


@pytest.mark.skipif(
    not os.environ.get("AVMC_META"), reason="needs the real label table, $AVMC_META"
)
def test_recorded_figures_are_those_of_the_label_table():
    parts = parts_of(read_meta(os.environ["AVMC_META"]))
    assert by_part(parts) == recorded()


def test_the_explorer_holds_every_figure_and_no_address():
    page = explorer(recorded())
    assert "://" not in page and page.count("<input") == len(MODALITIES) + 2 + len(BANDS)
    estimate, low, high = recorded()["new"]["all"]["r2"]["A"]
    assert f"{estimate:.2f} [{low:.2f}, {high:.2f}]" in page


def test_parts_leave_out_placeholders_and_unlabelled_clips():
    table = pd.DataFrame(
        {
            "video_id": ["a", "a", "test1", "test1", "b", "b"],
            "clip_id": ["0001", "0002", "00001", "00002", "00001", "00002"],
            "split": ["train", "train", "test", "test", "train", "unlabelled"],
            "M": [1.0, 0.0, 0.2, -0.2, 1.0, 1.0],
            "T": [1.0, 1.0, 0.2, -0.2, 0.0, 1.0],
            "A": [1.0, 1.0, 0.2, -0.2, 0.0, 1.0],
            "V": [1.0, 1.0, 0.2, -0.2, 0.0, 1.0],
        }
    )
    parts = parts_of(table)
    assert len(parts["original"]) == 2 and parts["new"]["video_id"].tolist() == ["b"]
