"""The pictures show what they claim to: features of the right clip, predictions in their places,
and the truth where it is known."""

from __future__ import annotations

import warnings

import matplotlib
import numpy as np
import pytest

from avmc_core.analysis.composed_scenario import composed
from avmc_core.analysis.response import CUES, cross, oracle, responses
from avmc_core.analysis.scenarios import TARGETS, from_donors, from_own_clips
from avmc_core.drawing import figures, response_figures, scenario_figures
from avmc_core.schema import columns

matplotlib.use("agg")
RUNS, NAMES = 3, ("AV-MC", "w/o Mixup-AV", "w/o Mixup-AV & Unimodal tasks")


@pytest.fixture(autouse=True)
def quiet():
    figures.use_style()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a missing glyph, a layout that does not fit
        warnings.simplefilter("ignore", DeprecationWarning)  # of libraries, by their versions
        yield


@pytest.fixture(scope="module")
def predictions():
    rng = np.random.default_rng(0)
    return {
        name: {
            task: rng.uniform(-0.9, 0.9, (RUNS, len(TARGETS)))
            for task in ("M" if "Unimodal" in name else "MTAV")
        }
        for name in NAMES
    }


@pytest.mark.parametrize("make", [from_donors, composed])
def test_a_row_a_scenario_with_its_own_signals(ci_store, predictions, make):
    scenarios = make(ci_store)
    fig = scenario_figures.contexts(scenarios, predictions)
    figures.mark(fig, ci_store).canvas.draw()
    shown = [ax for ax in fig.axes if ax.get_images()]
    units = [
        columns("vision").index(f"{unit}_r") for unit in ("AU06", "AU12", "AU25", "AU04", "AU15")
    ]
    voices = [ax for ax in fig.axes if ax.get_ylabel().startswith("AV-")]
    assert len(shown) == len(voices) == len(TARGETS)
    panels = [ax for ax in fig.axes if ax.get_xlim() == (-1.1, 1.1)]
    for k in range(len(TARGETS)):
        np.testing.assert_array_equal(
            shown[k].get_images()[0].get_array(), scenarios.clips.vision[k][:, units].T
        )
        loudness = voices[k].get_lines()[0].get_ydata()
        np.testing.assert_array_equal(
            loudness, scenarios.clips.audio[k][:, columns("audio").index("Loudness_sma3")]
        )
        marks = [
            line.get_xdata()[0] for line in panels[k].get_lines() if line.get_marker() != "None"
        ]
        np.testing.assert_allclose(marks, [predictions[name]["M"][:, k].mean() for name in NAMES])
        assert any(
            np.allclose(line.get_xdata(), scenarios.truth[k]) for line in panels[k].get_lines()
        )


def test_unimodal_predictions_only_of_models_that_make_them(ci_store, predictions):
    fig = scenario_figures.by_task(from_donors(ci_store), predictions)
    fig.canvas.draw()
    curves = [sum(line.get_marker() != "None" for line in ax.get_lines()) for ax in fig.axes]
    assert curves == [3, 2, 2, 2]


def test_clips_without_labels_have_no_truth(tiny_store, predictions):
    split = tiny_store.split("unlabelled")
    ids = split.clips["id"][split.clips["text"] == split.clips["text"][0]].tolist()
    scenarios = from_own_clips(tiny_store, ids)
    few = {
        name: {task: values[:, : len(ids)] for task, values in tasks.items()}
        for name, tasks in predictions.items()
    }
    for figure in (scenario_figures.contexts, scenario_figures.by_task):
        fig = figure(scenarios, few)
        fig.canvas.draw()
        assert "truth" not in [
            text.get_text() for legend in fig.legends for text in legend.get_texts()
        ]


def test_curves_and_slopes_are_those_measured(ci_store):
    crossing = cross(ci_store.split("test"))
    rng = np.random.default_rng(1)
    predictions = {
        "rule": oracle(crossing.clips),
        "model": rng.standard_normal((2, len(crossing.clips))) / 4,
    }
    found = responses(crossing, predictions, n=50)
    curves = response_figures.curves(found, ["model"], "rule")
    slopes = response_figures.slopes(found, ["model", "rule"])
    for fig in (curves, slopes):
        figures.mark(fig, ci_store).canvas.draw()
    for ax, cue in zip(curves.axes, CUES, strict=True):
        rule, model = [
            line
            for line in ax.get_lines()
            if len(line.get_xdata()) == len(found["rule"][cue].levels)
        ]
        np.testing.assert_allclose(
            rule.get_ydata(), [point.estimate for point in found["rule"][cue].curve]
        )
        np.testing.assert_allclose(
            model.get_ydata(), [point.estimate for point in found["model"][cue].curve]
        )
    for ax, cue in zip(slopes.axes, CUES, strict=True):
        dots = [line.get_xdata()[0] for line in ax.get_lines() if line.get_marker() == "o"]
        np.testing.assert_allclose(
            dots, [found[name][cue].slope.estimate for name in ("model", "rule")]
        )
