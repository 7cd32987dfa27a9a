"""Figures of paired differences and of the coverage of intervals."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from avmc_core.data.metric_conventions import ALL
from avmc_core.drawing.figures import MODEL_COLOURS, WIDTH, interval, key


def forest(table: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Paired differences (``contrasts.contrasts``), one panel per metric, one line per pair; hollow
    where the whole family's p value is above 0.05. Right of zero the first row of a pair is better:
    where lower is better, the axis is reversed."""
    pairs = table[["first", "second"]].drop_duplicates()
    fig, axes = plt.subplots(
        1, len(names), figsize=(WIDTH, 1.3 + 0.36 * len(pairs)), sharey=True, squeeze=False
    )
    at = {pair: -i for i, pair in enumerate(pairs.itertuples(index=False, name=None))}
    for ax, name in zip(axes.flat, names, strict=True):
        metric = ALL[name]
        ax.axvline(0, color="#999999", linewidth=0.8)
        for row in table[table["metric"] == name].itertuples():
            y, d, sure = at[row.first, row.second], row.difference, row.p_holm <= 0.05
            style = {"markersize": 5.5, "fillstyle": "full" if sure else "none"}
            interval(ax, y, [d.low, d.high], d.estimate, MODEL_COLOURS[0], "o", 1.6, **style)
        if not metric.higher_is_better:
            ax.invert_xaxis()
        ax.set_title(name)
        unit = "points of 100" if metric.percent else "label units"
        ax.set_xlabel(f"{unit}\nfirst is better \N{RIGHTWARDS ARROW}", fontsize=8)
    axes[0, 0].set_yticks(
        list(at.values()), [f"{first}\nminus {second}" for first, second in at], fontsize=7.5
    )
    style = {"marker": "o", "linewidth": 1.6, "markersize": 5.5}
    keys = [
        key(words, MODEL_COLOURS[0], **style, fillstyle=fill)
        for fill, words in (
            ("full", "survives Holm's correction"),
            ("none", "does not survive it (lines are 95 % intervals)"),
        )
    ]
    fig.legend(handles=keys, fontsize=8, loc="outside upper center", ncols=2)
    return fig


def pair_forest(table: pd.DataFrame, first: str, second: str) -> Figure:
    """Differences of two rows (``pairwise.compare_rows``), one panel per metric: the estimate with
    its 95 % interval, hollow where Holm's adjusted p is above 0.05. Right of zero the first row is
    better: where lower is better, the axis is reversed."""
    fig, axes = plt.subplots(
        1, len(table), figsize=(max(WIDTH, 1.5 * len(table)), 1.7), squeeze=False
    )
    for ax, row in zip(axes.flat, table.itertuples(), strict=True):
        metric = ALL[row.metric]
        ax.axvline(0, color="#999999", linewidth=0.8)
        fill = "full" if row.p_holm <= 0.05 else "none"
        look = MODEL_COLOURS[0], "o", 1.6
        interval(ax, 0, [row.low, row.high], row.difference, *look, fillstyle=fill)
        if not metric.higher_is_better:
            ax.invert_xaxis()
        ax.set(
            title=row.metric, yticks=[], xlabel="points of 100" if metric.percent else "label units"
        )
    fig.suptitle(f"{first} minus {second}; right of zero: {first} is better", fontsize=8)
    return fig


def coverage_curve(rows: Sequence[dict[str, float]]) -> Figure:
    """Share of simulated experiments whose interval contains the truth, by number of seeds, with
    two standard errors."""
    fig, ax = plt.subplots(figsize=(0.55 * WIDTH, 2.3))
    x = np.arange(len(rows))
    ax.axhline(95, color="#999999", linewidth=0.8)
    shares, errors = (
        100 * np.array([row[name] for row in rows]) for name in ("coverage", "standard_error")
    )
    ax.errorbar(x, shares, 2 * errors, fmt="o", color=MODEL_COLOURS[0], capsize=3)
    ax.set_xticks(x, [f"{row['seeds']:.0f}" for row in rows])
    ax.set(xlabel="seeds", ylabel="intervals that contain the truth, %")
    plt.close(fig)  # not closed by `mark`, a notebook would show it twice
    return fig
