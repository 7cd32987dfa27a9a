"""The response curve measures how far voice, face and words move a prediction; here that is known
by construction."""

from __future__ import annotations

import numpy as np
import pytest

from avmc_core import schema
from avmc_core.analysis.predicting import predictions_of
from avmc_core.analysis.response import CUES, cross, difference, oracle, responses, verdict
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.errors import InputError
from avmc_core.runs.grid import run_all
from avmc_core.runs.store import Run, RunStore
from avmc_core.simulated.clips import simulate
from avmc_core.simulated.label_model import expected_multimodal, joint
from avmc_core.simulated.settings import CorpusSettings

IDS = [f"{name}_id" for name in schema.MODALITIES]


@pytest.fixture(scope="module")
def crossing(ci_store):
    return cross(ci_store.split("test"))


@pytest.fixture(scope="module")
def latents():
    """T, A and V of the generator behind each clip, by id."""
    table = simulate(CorpusSettings("ci"))["test"].set_index("id")
    return table[["latent_T", "latent_A", "latent_V"]]


def test_donors_have_the_level_that_the_plan_says(ci_store, crossing, latents):
    parts = crossing.clips.clips[IDS].to_numpy()
    table = ci_store.split("test").clips
    placeholders = set(table["id"][placeholder_clips(table)])
    for place, task in enumerate("TAV"):
        assert not set(parts[:, place]) & placeholders
        varied = np.array([task in CUES[cue] for cue in crossing.plan["cue"]])
        found = latents.loc[parts[:, place], f"latent_{task}"].to_numpy()
        np.testing.assert_allclose(found, np.where(varied, crossing.plan["level"], 0.0), atol=1e-6)


def test_every_context_gets_every_level_once_and_keeps_what_is_held(crossing):
    plan, clips = crossing.plan, crossing.clips.clips
    for cue, rows in plan.groupby("cue"):
        assert not rows.duplicated(["level", "context"]).any()
        assert len(rows) == rows["level"].nunique() * rows["context"].nunique()
        if cue != "T":
            assert (clips.loc[rows.index].groupby(rows["context"])["text"].nunique() == 1).all()
    assert plan["level"].nunique() == len(schema.GRID)


def test_the_oracle_recovers_the_slopes_of_the_generating_rule(crossing, latents):
    """The expected slopes come from the table of the label model; the oracle predicts from the
    generator's latent T, A and V."""
    # E[M | T, A, V]
    table = np.tensordot(schema.GRID, joint("test"), axes=1) / joint("test").sum(axis=0)
    middle, steps = len(schema.GRID) // 2, np.arange(len(schema.GRID))
    rule = {
        "A and V": table[middle, steps, steps],
        "A": table[middle, :, middle],
        "V": table[middle, middle, :],
        "T": table[:, middle, middle],
    }
    ids = crossing.clips.clips[IDS].to_numpy()
    known = np.stack(
        [latents.loc[ids[:, k], f"latent_{task}"] for k, task in enumerate("TAV")], axis=1
    )
    np.testing.assert_allclose(oracle(crossing.clips)[0], expected_multimodal(known, "test"))
    found = responses(crossing, {"oracle": oracle(crossing.clips)}, n=200)["oracle"]
    for cue, values in rule.items():
        slope = np.polyfit(schema.GRID, values, 1)[0]
        assert abs(found[cue].slope.estimate - slope) < 0.1 * slope, cue
        np.testing.assert_allclose(
            [point.estimate for point in found[cue].curve], values, atol=1e-6
        )


def test_a_text_only_model_has_no_non_verbal_sensitivity(ci_store, crossing, tmp_path):
    changes = (("modality", "text"), ("task", "M"), ("training.max_epochs", 6))
    grid = [Run("Unimodal LSTM", seed, changes, "text") for seed in (1, 2)]
    grid.append(Run("Text-only ridge", 1, (), "ridge"))
    records = run_all(grid, ci_store, RunStore(tmp_path), progress_bar=False, jobs=1)
    predictions = predictions_of(records, ci_store, crossing.clips)
    assert predictions["text"]["M"].shape == (2, len(crossing.clips)) and predictions["ridge"][
        "M"
    ].shape == (1, len(crossing.clips))
    for found in responses(
        crossing, {name: tasks["M"] for name, tasks in predictions.items()}, n=200
    ).values():
        for cue in ("A and V", "A", "V"):
            slope = found[cue].slope
            assert slope.low - 1e-6 <= 0 <= slope.high + 1e-6 and abs(slope.estimate) < 1e-6
        assert found["T"].slope.low > 0.05


def test_slopes_and_intervals_against_a_naive_loop(crossing):
    """Predictions with known slopes, and a bootstrap written as a loop over its draws."""
    rng = np.random.default_rng(5)
    x = crossing.plan["level"].to_numpy()
    predictions = np.stack(
        [0.3 * x + 0.2 * rng.standard_normal(len(x)), 0.5 * x + 0.2 * rng.standard_normal(len(x))]
    )
    found = responses(crossing, {"made": predictions}, n=300, seed=3)["made"]["V"].slope
    rows = np.flatnonzero(crossing.plan["cue"] == "V")
    slopes = [np.polyfit(x[rows], run[rows], 1)[0] for run in predictions]
    assert found.estimate == pytest.approx(np.mean(slopes), rel=1e-9)
    names = crossing.clips.clips[["text_video", "audio_video", "vision_video"]].to_numpy()[rows]
    videos, names = np.unique(names.astype(str), return_inverse=True)
    contexts = crossing.plan["context"].to_numpy()[rows]
    own = [
        run[rows] - np.array([run[rows][contexts == c].mean() for c in contexts])
        for run in predictions
    ]
    draws = []
    for _ in range(300):
        drawn = [rng.integers(len(videos)) for _ in videos]
        weight = np.array(
            [np.prod([drawn.count(name) for name in row]) for row in names.reshape(-1, 3)], float
        )
        slopes = [
            np.polyfit(x[rows], own[rng.integers(2)], 1, w=np.sqrt(weight))[0] for _ in range(2)
        ]
        draws.append(np.mean(slopes))
    low, high = np.quantile(draws, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.02) and found.high == pytest.approx(high, abs=0.02)


def test_the_difference_of_two_models_and_its_words(crossing):
    x = crossing.plan["level"].to_numpy()[None]
    apart = difference(crossing, np.concatenate([0.5 * x, 0.6 * x]), 0.2 * x, "A", n=100)
    assert (
        apart.estimate == pytest.approx(0.35)
        and apart.low == pytest.approx(0.3)
        and apart.high == pytest.approx(0.4)
    )
    assert "larger than" in verdict(apart, "one", "two")
    assert "smaller than" in verdict(
        difference(crossing, 0.1 * x, 0.2 * x, "A", n=100), "one", "two"
    )
    assert "not distinguishable" in verdict(
        difference(crossing, 0.2 * x, 0.2 * x, "A", n=100), "one", "two"
    )


def test_the_training_split_is_refused(ci_store):
    with pytest.raises(InputError, match="train"):
        cross(ci_store.split("train"))


def test_clips_of_another_shape_are_refused(ci_store, crossing, tiny_store):
    with pytest.raises(InputError, match="trained on"):
        predictions_of({}, tiny_store, crossing.clips)
