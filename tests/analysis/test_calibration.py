"""Calibration: slopes agree with scipy's and bins with a plain loop, also for predictors whose
calibration is known."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from avmc_core.analysis.calibration import calibration, calibrations
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.errors import InputError

RNG = np.random.default_rng(5)
SAID = RNG.uniform(-1, 1, (3, 600))
GROUPS = RNG.integers(40, size=600)


def test_slope_and_intercept_are_those_of_least_squares():
    label = 0.3 + 0.5 * SAID[0] + 0.1 * RNG.standard_normal(600)
    found = calibration(SAID, label, GROUPS, n=200)
    fits = [scipy.stats.linregress(predictions, label) for predictions in SAID]
    assert found.slope.estimate == pytest.approx(np.mean([fit.slope for fit in fits]))
    assert found.intercept.estimate == pytest.approx(np.mean([fit.intercept for fit in fits]))


def test_bins_hold_equally_many_predictions_and_their_means():
    label = RNG.uniform(-1, 1, 600)
    found = calibration(SAID[:1], label, GROUPS, bins=4, n=50)
    parts = np.array_split(np.argsort(SAID[0]), 4)
    assert [i.estimate for i in found.predicted] == pytest.approx(
        [SAID[0][rows].mean() for rows in parts]
    )
    assert [i.estimate for i in found.labelled] == pytest.approx(
        [label[rows].mean() for rows in parts]
    )
    gaps = [abs(label[rows].mean() - SAID[0][rows].mean()) for rows in parts]
    assert found.error.estimate == pytest.approx(np.mean(gaps))


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.5, 0.2)])
def test_intervals_hold_the_known_truth(slope, intercept):
    label = intercept + slope * SAID[0] + 0.3 * np.random.default_rng(1).standard_normal(600)
    found = calibration(SAID[:1], label, GROUPS, n=500)
    assert found.slope.low < slope < found.slope.high and found.slope.high - found.slope.low < 0.3
    assert found.intercept.low < intercept < found.intercept.high


def test_a_constant_has_no_slope():
    found = calibration(np.full((2, 50), 0.1), RNG.uniform(-1, 1, 50), GROUPS[:50], n=20)
    assert np.isnan(found.slope.estimate) and len(found.predicted) == 1


def test_unimodal_tasks_leave_placeholder_clips_out(tiny_store):
    test = tiny_store.split("test")
    clips = test.clips.copy()
    clips.loc[:3, "video_id"] = "copied"
    for task in ("T", "A", "V"):
        clips.loc[:3, task] = clips.loc[:3, "M"]
    changed = test.__class__(**{**vars(test), "clips": clips})
    own = ~placeholder_clips(clips)
    assert not own[:4].any() and own.any()
    predictions = {task: RNG.uniform(-1, 1, (2, len(test))) for task in ("M", "A")}
    found = calibrations(predictions, changed, n=20)
    assert [*found] == ["M", "A"]
    expected = np.mean(
        [scipy.stats.linregress(p[own], test.labels[own, 2]).slope for p in predictions["A"]]
    )
    assert found["A"].slope.estimate == pytest.approx(expected)


def test_sizes_that_do_not_fit_are_one_clear_error():
    with pytest.raises(InputError, match="calibration"):
        calibration(SAID, np.zeros(5), GROUPS)
