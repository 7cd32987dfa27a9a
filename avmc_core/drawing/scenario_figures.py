"""Pictures of scenarios: the signals of each context beside what models make of it (after Figure
6)."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from avmc_core.analysis.scenarios import Scenarios
from avmc_core.drawing.figures import MARKERS, MODEL_COLOURS, TASK_COLOURS, WIDTH, key
from avmc_core.drawing.signal_figures import signals
from avmc_core.schema import TASK_NAMES, TASKS

# name to task to predictions (R, K) of R runs for K scenarios
Predictions = Mapping[str, Mapping[str, np.ndarray]]


def model_style(number: int) -> dict[str, str]:
    """Colour and form of the model with this place in a figure."""
    return {
        "color": MODEL_COLOURS[number % len(MODEL_COLOURS)],
        "marker": MARKERS[number % len(MARKERS)],
    }


def contexts(scenarios: Scenarios, predictions: Predictions) -> Figure:
    """One row per scenario: voice, face, action units, and M as predicted (mean and range over
    runs) beside the truth. The first three as in ``signals``."""
    audio, vision = scenarios.clips.audio, scenarios.clips.vision
    count = len(scenarios)
    voices, views = [audio[k] for k in range(count)], [vision[k] for k in range(count)]
    fig, axes = plt.subplots(
        count,
        4,
        figsize=(WIDTH, 0.9 + 1.12 * count),
        squeeze=False,
        gridspec_kw={"width_ratios": (1.4, 1.4, 1.1, 1.9)},
    )
    signals(axes, voices, views)
    for k, row in enumerate(axes):
        _predictions(
            row[3],
            scenarios.truth[k],
            {name: tasks["M"][:, k] for name, tasks in predictions.items()},
        )
        a, v = scenarios.clips.labels[k, 2:]
        labels = "" if np.isnan([a, v]).any() else f"\nvoice {a:+.1f}\nface {v:+.1f}"
        row[0].set_ylabel(
            f"AV-{k + 1}{labels}", fontsize=8, rotation=0, ha="right", va="center", labelpad=12
        )
        if k == count - 1:
            row[3].set_xlabel("negative  –  M  –  positive", fontsize=7.5)
        else:
            row[3].tick_params(labelbottom=False)
    axes[0, 3].set_title("predicted M", fontsize=8)
    title = f"{scenarios.sentence}\n{scenarios.gloss}".strip().replace("$", r"\$")
    keys = _keys(predictions, scenarios.truth)
    fig.legend(
        handles=keys, title=title, title_fontsize=9, fontsize=7, loc="outside upper center", ncols=3
    )
    return fig


def by_task(scenarios: Scenarios, predictions: Predictions) -> Figure:
    """M and the unimodal predictions against the scenario, one panel per task, with the labels as
    steps."""
    tasks = [task for task in TASKS if any(task in predicted for predicted in predictions.values())]
    fig, axes = plt.subplots(1, len(tasks), figsize=(WIDTH, 2.7), sharey=True, squeeze=False)
    x = np.arange(1, len(scenarios) + 1)
    labels = dict(zip(TASKS, [scenarios.truth, *scenarios.clips.labels[:, 1:].T], strict=True))
    for ax, task in zip(axes.flat, tasks, strict=True):
        ax.axhline(0, color="#BBBBBB", linewidth=0.8, zorder=0)
        ax.stairs(
            labels[task],
            np.append(x - 0.5, x[-1] + 0.5),
            baseline=None,
            color="black",
            linewidth=1.6,
        )
        for number, predicted in enumerate(predictions.values()):
            if task in predicted:
                shift = 0.1 * (number - (len(predictions) - 1) / 2)
                ax.plot(
                    x + shift,
                    predicted[task].mean(axis=0),
                    linewidth=0.9,
                    markersize=3.5,
                    **model_style(number),
                )
        ax.set_title(f"{TASK_NAMES[task]} ({task})", color=TASK_COLOURS[task], fontsize=8.5)
        ax.set(xticks=x, ylim=(-1.15, 1.15))
        ax.tick_params(labelsize=7)
        ax.set_xlabel("scenario", fontsize=7.5)
    axes[0, 0].set_ylabel("prediction, mean of seeds", fontsize=7.5)
    keys = [
        *_keys(predictions, np.array([np.nan])),
        key("label", "black", linewidth=1.6),
    ]
    fig.legend(handles=keys, fontsize=7, loc="outside upper center", ncols=3)
    return fig


def _predictions(ax, truth: float, predictions: Mapping[str, np.ndarray]) -> None:
    """One line per model: mean and range of its runs; the truth across all of them."""
    ax.axvline(0, color="#BBBBBB", linewidth=0.8, zorder=0)
    if np.isfinite(truth):
        ax.axvline(truth, color="black", linewidth=1.6)
    for number, values in enumerate(predictions.values()):
        style = model_style(number)
        ax.plot([values.min(), values.max()], [number, number], color=style["color"], linewidth=1.4)
        ax.plot(values.mean(), number, markersize=4.5, **style)
    ax.set(
        xlim=(-1.1, 1.1),
        ylim=(len(predictions) - 0.4, -0.6),
        yticks=[],
        xticks=[-1, -0.5, 0, 0.5, 1],
    )


def _keys(predictions: Predictions, truth: np.ndarray) -> list[Line2D]:
    keys = [
        Line2D([], [], markersize=4.5, linewidth=1.4, label=name, **model_style(number))
        for number, name in enumerate(predictions)
    ]
    return [*keys, *([key("truth", "black", linewidth=1.6)] if np.isfinite(truth).any() else [])]
