"""Figures of reliance: what is lost without a modality, Shapley values, recognition errors,
calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from avmc_core.analysis.calibration import Calibration
from avmc_core.analysis.statistics import Interval
from avmc_core.data.metric_conventions import ALL
from avmc_core.drawing.figures import MARKERS, MODEL_COLOURS, TASK_COLOURS, WIDTH, interval, key
from avmc_core.schema import MODALITY_OF_TASK, TASK_NAMES

WAY_MARKERS = {"permuted": "o", "removed": "s", "noised": "^"}
COLOURS = {modality: TASK_COLOURS[task] for task, modality in MODALITY_OF_TASK.items()}


def losses(table: pd.DataFrame, metric: str) -> Figure:
    """``reliance.losses``: one panel per modality, one line per model; points right of zero are
    losses, whatever the metric."""
    names = list(dict.fromkeys(table["name"]))
    fig, axes = plt.subplots(
        1, len(COLOURS), figsize=(WIDTH, 1.1 + 0.42 * len(names)), sharex=True, sharey=True
    )
    sign, scale = _display(metric)
    for ax, (modality, colour) in zip(axes, COLOURS.items(), strict=True):
        rows = table[(table["modality"] == modality) & (table["metric"] == metric)]
        for row in rows.itertuples():
            at = names.index(row.name) + 0.24 * ([*WAY_MARKERS].index(row.way) - 1)
            _interval(ax, row.loss, sign * scale, at, colour, WAY_MARKERS[row.way])
        ax.set_title(modality, color=colour)
        ax.set_xlabel(_lost(metric), fontsize=8)
    _lines(axes, names)
    keys = [key(way, "#3C3C3C", marker=m, linewidth=0) for way, m in WAY_MARKERS.items()]
    fig.legend(handles=keys, fontsize=8, loc="outside upper right", ncols=3)
    return fig


def shares(table: pd.DataFrame, metrics: Sequence[str]) -> Figure:
    """``reliance.shares``: one panel per metric, one line per model, one mark per modality; right
    of zero the modality helps."""
    names = list(dict.fromkeys(table["name"]))
    fig, axes = plt.subplots(
        1, len(metrics), figsize=(WIDTH, 1.1 + 0.42 * len(names)), sharey=True, squeeze=False
    )
    for ax, metric in zip(axes.flat, metrics, strict=True):
        sign, scale = _display(metric)
        for number, (modality, colour) in enumerate(COLOURS.items()):
            rows = table[(table["part"] == modality) & (table["metric"] == metric)]
            for row in rows.itertuples():
                at = names.index(row.name) + 0.24 * (number - 1)
                _interval(ax, row.value, sign * scale, at, colour, MARKERS[number])
        ax.set_title(metric)
        ax.set_xlabel(f"{'gained' if sign > 0 else 'taken off'}, {_unit(metric)}", fontsize=8)
    _lines(axes.flat, names)
    keys = [
        key(modality, colour, marker=marker, linewidth=1.4)
        for (modality, colour), marker in zip(COLOURS.items(), MARKERS, strict=False)
    ]
    fig.legend(handles=keys, fontsize=8, loc="outside upper right", ncols=3)
    return fig


def hearing(table: pd.DataFrame, metric: str) -> Figure:
    """``reliance.hearing``: one panel per kind of error, one line per model; what is lost at each
    character error rate."""
    names = list(dict.fromkeys(table["name"]))
    kinds = [kind for kind in dict.fromkeys(table["kind"]) if kind != "none"]
    fig, axes = plt.subplots(1, len(kinds), figsize=(WIDTH, 2.7), sharex=True, sharey=True)
    sign, scale = _display(metric)
    for ax, kind in zip(axes, kinds, strict=True):
        ax.axhline(0, color="#999999", linewidth=0.8)
        for number, name in enumerate(names):
            rows = table[
                (table["name"] == name)
                & (table["metric"] == metric)
                & table["kind"].isin((kind, "none"))
            ]
            rows = rows.sort_values("rate")
            middle, ends = _ends(rows["loss"], sign * scale)
            x = 100 * rows["rate"].to_numpy() + 0.5 * (number - (len(names) - 1) / 2)
            style = {"color": MODEL_COLOURS[number], "marker": MARKERS[number]}
            ax.errorbar(
                x, middle, ends, markersize=4, linewidth=1.2, elinewidth=0.8, label=name, **style
            )
        ax.set_title(kind)
        ax.set_xlabel("character error rate, %", fontsize=8)
    axes[0].set_ylabel(_lost(metric), fontsize=8)
    fig.legend(
        *axes[0].get_legend_handles_labels(), fontsize=7.5, loc="outside upper center", ncols=2
    )
    return fig


def calibration(calibrations: Mapping[str, Mapping[str, Calibration]]) -> Figure:
    """One panel per task, one line per model; on the diagonal, predictions equal mean labels.
    ``calibrations``: name to task to calibration."""
    tasks = list(dict.fromkeys(task for by_task in calibrations.values() for task in by_task))
    columns = min(2, len(tasks))
    rows = -(-len(tasks) // columns)
    fig, axes = plt.subplots(
        rows, columns, figsize=(WIDTH, 0.6 + 3 * rows), sharex=True, sharey=True, squeeze=False
    )
    for ax in axes.flat[len(tasks) :]:
        ax.set_axis_off()
    for ax, task in zip(axes.flat, tasks, strict=False):
        ax.axline((0, 0), slope=1, color="#999999", linewidth=0.8)
        for number, (name, by_task) in enumerate(calibrations.items()):
            if task in by_task:
                middle, ends = _ends(by_task[task].labelled, 1.0)
                x = [interval.estimate for interval in by_task[task].predicted]
                style = {"color": MODEL_COLOURS[number], "marker": MARKERS[number], "label": name}
                ax.errorbar(x, middle, ends, markersize=4, linewidth=1.0, elinewidth=0.8, **style)
        ax.set_title(f"{TASK_NAMES[task]} ({task})", fontsize=8.5)
        ax.set(xlim=(-1, 1), ylim=(-1, 1), xticks=[-1, 0, 1], yticks=[-1, 0, 1])
        ax.set_aspect("equal")
    for ax in axes[-1]:
        ax.set_xlabel("mean prediction", fontsize=8)
    for ax in axes[:, 0]:
        ax.set_ylabel("mean label", fontsize=8)
    handles = {
        label: handle
        for ax in axes.flat
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    fig.legend(handles.values(), handles.keys(), fontsize=7.5, loc="outside upper center", ncols=2)
    return fig


def _display(metric: str) -> tuple[float, float]:
    """The sign that makes better larger, and the display scale."""
    return ALL[metric].sign, ALL[metric].scale


def _lost(metric: str) -> str:
    return f"{metric} {'lost' if ALL[metric].higher_is_better else 'added'}, {_unit(metric)}"


def _unit(metric: str) -> str:
    return "points of 100" if ALL[metric].percent else "label units"


def _ends(intervals: Sequence[Interval], factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Estimates and distances to both ends, (2, N)."""
    middle, low, high = (
        factor * np.array([getattr(i, k) for i in intervals]) for k in ("estimate", "low", "high")
    )
    return middle, np.maximum(np.abs([middle - low, high - middle]), 0)


def _interval(ax: Axes, loss: Interval, factor: float, at: float, colour: str, marker: str) -> None:
    i = loss.scaled(factor)
    interval(ax, at, [i.low, i.high], i.estimate, colour, marker, 1.3, markersize=4.5)


def _lines(axes: Sequence[Axes], names: Sequence[str]) -> None:
    for ax in axes:
        ax.axvline(0, color="#999999", linewidth=0.8, zorder=0)
        ax.tick_params(axis="y", labelsize=7.5, length=0)
        for k in range(1, len(names)):
            ax.axhline(k - 0.5, color="#E5E5E5", linewidth=0.6, zorder=0)
    axes[0].set_yticks(
        range(len(names)), [name.replace(" & ", "\n& ").replace(" (", "\n(") for name in names]
    )
    axes[0].set_ylim(len(names) - 0.5, -0.5)
