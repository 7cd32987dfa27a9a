"""Figures of what a seed is worth: every published run of others beside Table 2, and what the best
of many draws gains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from avmc_core.drawing.figures import MODEL_COLOURS, WIDTH, metric_panel


def beside_table_2(
    runs: Mapping[str, pd.DataFrame],
    printed: Mapping[str, Mapping[str, float]],
    marked: Mapping[str, float],
    of: str,
) -> Figure:
    """One panel per metric of the printed table. Below, one line per batch (its runs by name):
    every seed as a point, the mean as a stroke, and ``marked``, a figure printed for the batch
    ``of``, as a hollow diamond; above, the printed rows."""
    rows = list(next(iter(printed.values())))
    names = [*rows, *runs]
    fig, grid = plt.subplots(
        1, len(printed), figsize=(WIDTH, 1.0 + 0.19 * len(names)), sharey=True, squeeze=False
    )
    axes = grid[0]
    for ax, (metric, column) in zip(axes, printed.items(), strict=True):
        for y, row in enumerate(rows):
            colour = MODEL_COLOURS[1] if row.startswith("AV-MC") else "#3C3C3C"
            ax.plot(column[row], y, "D", color=colour, markersize=5, fillstyle="none")
        for y, (name, part) in enumerate(runs.items(), start=len(rows)):
            dot = {"color": MODEL_COLOURS[0], "markersize": 3.5, "alpha": 0.7}
            ax.plot(part[metric], np.full(len(part), y), "o", **dot)
            if part["model"].nunique() == 1:
                stroke = {"color": MODEL_COLOURS[0], "markersize": 11, "markeredgewidth": 1.6}
                ax.plot(part[metric].mean(), y, "|", **stroke)
            if name == of:
                ax.plot(
                    marked[metric], y, "D", color=MODEL_COLOURS[1], markersize=7, fillstyle="none"
                )
        ax.axhline(len(rows) - 0.5, color="#8C8C8C", linewidth=0.6)
        metric_panel(ax, metric)
    axes[0].set_yticks(range(len(names)), names)
    axes[0].tick_params(axis="y", labelsize=7)
    axes[0].set_ylim(len(names) - 0.4, -0.6)
    marks = {
        "printed in the paper": ("D", "none", "#3C3C3C"),
        "one seed": ("o", "full", MODEL_COLOURS[0]),
        "mean of its batch": ("|", "full", MODEL_COLOURS[0]),
        f"printed for {of}": ("D", "none", MODEL_COLOURS[1]),
    }
    for label, (form, style, colour) in marks.items():
        axes[0].plot([], [], form, color=colour, fillstyle=style, label=label)
    fig.legend(loc="outside upper left", ncols=4, fontsize=7)
    return fig


def winners_curve(
    draws: Sequence[int],
    gains: Mapping[str, Mapping[str, Sequence[float]]],
    margins: Mapping[str, float],
) -> Figure:
    """One panel per metric, one curve per source of luck: by how much the best of several equally
    good draws exceeds its true value. The dashed line is the margin that Table 2 prints for
    AV-MC."""
    fig, grid = plt.subplots(
        1, len(gains), figsize=(WIDTH, 0.42 * WIDTH), sharey=True, squeeze=False
    )
    axes = grid[0]
    for ax, (title, curves) in zip(axes, gains.items(), strict=True):
        for (label, gain), colour, form in zip(curves.items(), MODEL_COLOURS, "oDs", strict=False):
            ax.plot(draws, gain, color=colour, linewidth=1.4, label=label)
            for at in (k for k in (5, 10, 50) if k in draws):
                value = gain[list(draws).index(at)]
                ax.plot(at, value, form, color=colour, markersize=4.5)
        style = {"color": "#3C3C3C", "linestyle": "--", "linewidth": 0.9}
        ax.axhline(margins[title], **style, label="AV-MC's margin in Table 2")
        ax.set(title=title, xscale="log", xlabel="draws, of which the best is reported")
        ax.set_xticks([1, 5, 10, 50], ["1", "5", "10", "50"])
        ax.minorticks_off()
    axes[0].set_ylabel("points gained by luck")
    axes[0].legend(fontsize=7, loc="upper left")
    return fig
