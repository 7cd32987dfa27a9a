"""The observer of the features infers T, A and V as well as possible where the best inference is
known by construction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from avmc_core.analysis.observer import observe, pooled
from avmc_core.analysis.recombination import crossed
from avmc_core.data.ragged import Ragged

NOISE = 0.8  # standard deviation of what a clip's voice adds to its annotation


@pytest.fixture(scope="module")
def train(ci_store):
    """Training clips in which one acoustic column shows A with a known amount of noise, and nothing
    else shows anything."""
    split = ci_store.split("train")
    rng = np.random.default_rng(0)
    shown = split.labels[:, 2] + NOISE * rng.standard_normal(len(split))
    lengths = split.audio.lengths
    values = 1e-3 * rng.standard_normal((lengths.sum(), 25)).astype(np.float32)
    values[:, 3] = np.repeat(shown, lengths)
    offsets = np.append(0, np.cumsum(lengths))
    return replace(split, audio=Ragged.of(((values, offsets),), split.audio.steps)), shown


def test_a_voice_is_followed_as_far_as_its_noise_allows(train):
    """With one Gaussian cue the conditional mean has the slope var / (var + noise) in that cue; 49
    columns without any cue lower the slope somewhat, and never raise it."""
    split, shown = train
    inferred = observe(split)(split)["A"][0]
    labels = split.labels[:, 2].astype(float)
    wanted = np.cov(labels, shown)[0, 1] / shown.var(ddof=1)
    assert 0.6 * wanted < np.polyfit(shown, inferred, 1)[0] < 1.02 * wanted
    assert wanted == pytest.approx(labels.var() / (labels.var() + NOISE**2), abs=0.05)


def test_the_three_parts_give_M_in_another_combination_of_clips(train):
    """On recombined clips a part sees its own modality alone."""
    split, _ = train
    observer, rows = observe(split), np.arange(20)
    made = crossed(split, rows, split, rows[::-1], split, np.roll(rows, 3))
    found, whole = observer(made), observer(split)
    np.testing.assert_allclose(found["T"][0], whole["T"][0, rows])
    np.testing.assert_allclose(found["A"][0], whole["A"][0, rows[::-1]])
    np.testing.assert_allclose(found["V"][0], whole["V"][0, np.roll(rows, 3)])
    assert found["M"].shape == (1, 20)


def test_pooled_features_are_means_and_spreads_of_the_clips(ci_store):
    split = ci_store.split("test")
    found = pooled(split, "vision")
    for row in (0, 7, len(split) - 1):
        frames = split.vision[row].astype(np.float64)
        np.testing.assert_allclose(found[row], np.r_[frames.mean(0), frames.std(0)])
    assert pooled(split, "text").shape == (len(split), 768)
