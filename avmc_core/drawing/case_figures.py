"""Pictures of cases: a clip's signals beside its labels and a model's predictions for it (after
Figure 5)."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from avmc_core.analysis.cases import Case
from avmc_core.analysis.statistics import Interval
from avmc_core.data.store import Split
from avmc_core.drawing.figures import MODEL_COLOURS, TASK_COLOURS, WIDTH
from avmc_core.drawing.signal_figures import LOUDNESS, PITCH, UNITS, action_units, faces, sound
from avmc_core.schema import TASK_NAMES, TASKS, columns


def cases(chosen: list[Case], split: Split, predictions: Mapping[str, np.ndarray]) -> Figure:
    """One row per case: voice, face, action units, and labels (black) with predictions (R, N) by
    task, mean and range."""
    shown = [case for case in chosen if case.row is not None]
    voices, views = (
        [getattr(split, name)[case.row] for case in shown] for name in ("audio", "vision")
    )
    loudest = max(float(voice[:, LOUDNESS].max()) for voice in voices)
    pitch = np.concatenate([voice[:, PITCH] for voice in voices])
    pitch = pitch[pitch > 0] if (pitch > 0).any() else np.array([0.0, 1.0])
    highest = (
        max(
            float(view[:, [columns("vision").index(name) for name in UNITS]].max())
            for view in views
        )
        or 1.0
    )
    size = (WIDTH, 0.9 + 1.15 * len(shown))
    fig, axes = plt.subplots(
        len(shown), 4, figsize=size, squeeze=False, width_ratios=(1.25, 1.9, 1.0, 1.9)
    )
    for row, case, voice, view in zip(axes, shown, voices, views, strict=True):
        other = sound(row[0], voice, loudest, (float(pitch.min()) - 2, float(pitch.max()) + 2))
        faces(row[1], view)
        action_units(row[2], view, highest)
        _predictions(
            row[3],
            split.labels[case.row],
            {task: runs[:, case.row] for task, runs in predictions.items()},
        )
        row[0].set_ylabel(case.kind.name.replace(" ", "\n"), fontsize=8, fontweight="bold")
        for ax in (row[0], other, row[2], row[3]):
            ax.tick_params(labelsize=6.5, length=2, pad=1.5)
        if case is not shown[-1]:
            row[3].tick_params(labelbottom=False)
    for ax in (axes[-1, 0], axes[-1, 2]):
        ax.set_xlabel("seconds", fontsize=7.5)
    axes[-1, 3].set_xlabel("negative  –  positive", fontsize=7.5)
    titles = ("loudness, pitch", "face along the clip", "action units", "label and prediction")
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set_title(title, fontsize=8)
    keys = [
        Line2D(
            [],
            [],
            color="black",
            marker="|",
            markersize=9,
            markeredgewidth=2,
            linewidth=0,
            label="label",
        )
    ]
    keys += [
        Line2D(
            [],
            [],
            color=TASK_COLOURS[t],
            marker="o",
            linewidth=2,
            markersize=4,
            label=f"{TASK_NAMES[t]}, predicted",
        )
        for t in predictions
    ]
    fig.legend(handles=keys, fontsize=7, loc="outside upper center", ncols=5)
    return fig


def errors(found: Mapping[str, Mapping[str, Interval]], counts: Mapping[str, int]) -> Figure:
    """``cases.errors``: one line per kind with its number of clips, one mark per model."""
    kinds, names = list(found), list(dict.fromkeys(name for by in found.values() for name in by))
    fig, ax = plt.subplots(figsize=(0.8 * WIDTH, 0.9 + 0.12 * len(kinds) * (len(names) + 1)))
    for number, name in enumerate(names):
        marker, colour = ("o", "s", "^", "D", "v", "P")[number % 6], MODEL_COLOURS[number]
        for place, kind in enumerate(kinds):
            at, value = place + 0.25 * (number - (len(names) - 1) / 2), found[kind][name]
            ax.plot([value.low, value.high], [at, at], color=colour, linewidth=1.4)
            ax.plot(
                value.estimate,
                at,
                marker,
                color=colour,
                markersize=4.5,
                label=name if place == 0 else None,
            )
    ax.set_yticks(range(len(kinds)), [f"{kind} ({counts[kind]})" for kind in kinds], fontsize=8)
    ax.set(
        ylim=(len(kinds) - 0.5, -0.5),
        xlim=(0, None),
        xlabel="mean absolute error of M, label units",
    )
    ax.grid(axis="x", linewidth=0.4)
    fig.legend(fontsize=7.5, loc="outside upper center", ncols=2)
    return fig


def _predictions(ax: Axes, labels: np.ndarray, found: Mapping[str, np.ndarray]) -> None:
    ax.axvline(0, color="#BBBBBB", linewidth=0.8, zorder=0)
    for place, (task, label) in enumerate(zip(TASKS, labels, strict=True)):
        ax.plot(label, place, "|", color="black", markersize=9, markeredgewidth=2)
        if task in found:
            values = np.clip(found[task], -1, 1)
            ax.plot(
                [values.min(), values.max()], [place, place], color=TASK_COLOURS[task], linewidth=2
            )
            ax.plot(values.mean(), place, "o", color=TASK_COLOURS[task], markersize=4)
    ax.set(xlim=(-1.1, 1.1), ylim=(3.6, -0.6), xticks=[-1, 0, 1])
    ax.set_yticks(range(len(TASKS)), TASKS)
