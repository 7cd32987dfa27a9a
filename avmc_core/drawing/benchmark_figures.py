"""Figures of the benchmark: the published tables against each other, and the unimodal
experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from avmc_core.analysis.estimate import Cell
from avmc_core.analysis.statistics import Interval
from avmc_core.drawing.figures import (
    MODEL_COLOURS,
    TASK_COLOURS,
    WIDTH,
    interval,
    key,
    metric_panel,
)
from avmc_core.metrics import METRICS
from avmc_core.paper.benchmark import Source

PAPER = {"marker": "D", "markersize": 5, "fillstyle": "none"}  # a figure of the paper


def published_tables(
    tables: Mapping[str, Source],
    names: Sequence[str],
    metrics: Sequence[str],
    ours: Mapping[str, Mapping[str, Interval]],
) -> Figure:
    """One panel per metric, one line per model: its figure in each published table, and ours with
    its interval."""
    fig, axes = plt.subplots(1, len(metrics), figsize=(WIDTH, 1.0 + 0.3 * len(names)), sharey=True)
    for ax, metric in zip(axes, metrics, strict=True):
        scale = METRICS[metric].scale
        for y, name in enumerate(reversed(names)):
            if name in ours:
                i = ours[name][metric].scaled(scale)
                interval(ax, y, [i.low, i.high], i.estimate, "#3C3C3C", "|", 1.2, markersize=10)
            for (_, table), form, colour in zip(tables.items(), "Dos", MODEL_COLOURS, strict=False):
                if metric in table.get(name, {}):
                    ax.plot(
                        table[name][metric], y, form, color=colour, markersize=5, fillstyle="none"
                    )
        metric_panel(ax, metric)
    axes[0].set_yticks(range(len(names)), list(reversed(names)))
    for label, form, colour in zip(tables, "Dos", MODEL_COLOURS, strict=False):
        axes[0].plot([], [], form, color=colour, fillstyle="none", label=label)
    axes[0].plot([], [], "|-", color="#3C3C3C", label="ours, with its 95 % interval")
    fig.legend(loc="outside upper left", ncols=2, fontsize=7)
    return fig


def unimodal(cells: Sequence[Cell], metrics: Sequence[str]) -> Figure:
    """One panel per metric, one line per row of Table 3: ours with its interval, the paper's figure
    as a hollow diamond."""
    rows = list(dict.fromkeys(cell.row for cell in cells))[::-1]
    colours = {
        "Text": TASK_COLOURS["T"],
        "Acoustic": TASK_COLOURS["A"],
        "Visual": TASK_COLOURS["V"],
    }
    fig, axes = plt.subplots(1, len(metrics), figsize=(WIDTH, 1.1 + 0.3 * len(rows)), sharey=True)
    for ax, metric in zip(axes, metrics, strict=True):
        for cell in (cell for cell in cells if cell.metric == metric):
            y, colour = rows.index(cell.row), colours[cell.row.split("/")[0]]
            if cell.value is not None:
                interval(ax, y, [cell.low, cell.high], cell.value, colour, markersize=4)
            ax.plot(cell.published, y, color="#3C3C3C", **PAPER)
        metric_panel(ax, metric)
    axes[0].set_yticks(range(len(rows)), rows)
    ours = {"marker": "o", "markersize": 4, "linewidth": 1.4}
    keys = [
        key("ours, with its 95 % interval", "#3C3C3C", **ours),
        key("the paper's figure", "#3C3C3C", **PAPER, linewidth=0),
    ]
    fig.legend(handles=keys, fontsize=7.5, loc="outside upper center", ncols=2)
    return fig
