"""Pictures of cases: a clip's signals beside its labels and a model's predictions for it (after
Figure 5)."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from avmc_core.analysis.cases import Case
from avmc_core.analysis.statistics import Interval
from avmc_core.data.store import Split
from avmc_core.drawing.figures import MARKERS, MODEL_COLOURS, TASK_COLOURS, WIDTH, interval, key
from avmc_core.drawing.signal_figures import signals
from avmc_core.schema import TASK_NAMES, TASKS


def cases(chosen: list[Case], split: Split, predictions: Mapping[str, np.ndarray]) -> Figure:
    """One row per case that there is: voice, face, action units, and labels (black) with
    predictions (R, N) by task, mean and range. The first three as in ``signals``."""
    shown = [case for case in chosen if case.row is not None]
    voices, views = (
        [getattr(split, name)[case.row] for case in shown] for name in ("audio", "vision")
    )
    size = (WIDTH, 0.9 + 1.15 * len(shown))
    fig, axes = plt.subplots(
        len(shown), 4, figsize=size, squeeze=False, width_ratios=(1.25, 1.9, 1.0, 1.9)
    )
    signals(axes, voices, views)
    for row, case in zip(axes, shown, strict=True):
        _predictions(
            row[3],
            split.labels[case.row],
            {task: runs[:, case.row] for task, runs in predictions.items()},
        )
        row[0].set_ylabel(case.kind.name.replace(" ", "\n"), fontsize=8, fontweight="bold")
        if case is not shown[-1]:
            row[3].tick_params(labelbottom=False)
    axes[-1, 3].set_xlabel("negative  –  positive", fontsize=7.5)
    axes[0, 3].set_title("label and prediction", fontsize=8)
    keys = [key("label", "black", marker="|", markersize=9, markeredgewidth=2, linewidth=0)]
    style = {"marker": "o", "linewidth": 2, "markersize": 4}
    keys += [key(f"{TASK_NAMES[t]}, predicted", TASK_COLOURS[t], **style) for t in predictions]
    fig.legend(handles=keys, fontsize=7, loc="outside upper center", ncols=5)
    return fig


def errors(intervals: Mapping[str, Mapping[str, Interval]], counts: Mapping[str, int]) -> Figure:
    """``cases.errors``: one line per kind with its number of clips, one mark per model."""
    kinds, names = (
        list(intervals),
        list(dict.fromkeys(name for by in intervals.values() for name in by)),
    )
    fig, ax = plt.subplots(figsize=(0.8 * WIDTH, 0.9 + 0.12 * len(kinds) * (len(names) + 1)))
    for number, name in enumerate(names):
        for place, kind in enumerate(kinds):
            at, i = place + 0.25 * (number - (len(names) - 1) / 2), intervals[kind][name]
            style = {"markersize": 4.5, "label": name if place == 0 else None}
            look = MODEL_COLOURS[number], MARKERS[number]
            interval(ax, at, [i.low, i.high], i.estimate, *look, **style)
    ax.set_yticks(range(len(kinds)), [f"{kind} ({counts[kind]})" for kind in kinds], fontsize=8)
    ax.set(
        ylim=(len(kinds) - 0.5, -0.5),
        xlim=(0, None),
        xlabel="mean absolute error of M, label units",
    )
    ax.grid(axis="x", linewidth=0.4)
    fig.legend(fontsize=7.5, loc="outside upper center", ncols=2)
    return fig


def _predictions(ax: Axes, labels: np.ndarray, predictions: Mapping[str, np.ndarray]) -> None:
    ax.axvline(0, color="#BBBBBB", linewidth=0.8, zorder=0)
    for place, (task, label) in enumerate(zip(TASKS, labels, strict=True)):
        ax.plot(label, place, "|", color="black", markersize=9, markeredgewidth=2)
        if task in predictions:
            values = np.clip(predictions[task], -1, 1)
            ends, style = [values.min(), values.max()], {"linewidth": 2, "markersize": 4}
            interval(ax, place, ends, values.mean(), TASK_COLOURS[task], **style)
    ax.set(xlim=(-1.1, 1.1), ylim=(3.6, -0.6), xticks=[-1, 0, 1])
    ax.set_yticks(range(len(TASKS)), TASKS)
