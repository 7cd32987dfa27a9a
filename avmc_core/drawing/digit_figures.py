"""Figures of what the printed digits allow: how many runs may stand behind a row, and how many
clips behind a column."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from avmc_core.drawing.figures import MODEL_COLOURS, WIDTH
from avmc_core.paper.granularity import RUNS


def runs_allowed(read: pd.DataFrame, metrics: Mapping[str, int]) -> Figure:
    """One panel per metric, one line per printed row (``digits.readings``), one column per number
    of runs: a filled point where the figure can be the mean of that many runs, a hollow one where
    it cannot. ``metrics``: the clips of each."""
    names = [
        f"{row} ({'own' if of == 'own' else of})" if table == "Table 3" else row
        for table, row, of in _rows(read)
    ]
    fig, grid = plt.subplots(
        1, len(metrics), figsize=(WIDTH, 0.9 + 0.2 * len(names)), sharey=True, squeeze=False
    )
    axes = grid[0]
    for ax, (metric, clips) in zip(axes, metrics.items(), strict=True):
        part = read[read["metric"] == metric].set_index(["table", "row", "annotation"])
        for y, key in enumerate(_rows(read)):
            if key not in part.index:
                continue
            for x, s in enumerate(RUNS):
                fits = bool(part.loc[key, s])
                colour, fill = (MODEL_COLOURS[x], "full") if fits else ("#B0B0B0", "none")
                ax.plot(x, y, "o", color=colour, fillstyle=fill, markersize=6)
            ax.text(
                len(RUNS) - 0.45, y, f"{part.loc[key, 'figure']:.2f}", va="center", fontsize=7.5
            )
        chances = [100 * float(part[f"chance {s}"].iloc[0]) for s in RUNS]
        labels = [f"{s}\n{chance:.0f} %" for s, chance in zip(RUNS, chances, strict=True)]
        ax.set(
            title=f"{metric}, {clips} clips",
            xlim=(-0.5, len(RUNS) + 0.3),
            xlabel="runs; below, how often chance fits",
        )
        ax.set_xticks(range(len(RUNS)), labels)
    tables = [table for table, _, _ in _rows(read)]
    for ax in axes:
        for y in np.flatnonzero([a != b for a, b in pairwise(tables)]):
            ax.axhline(y + 0.5, color="#8C8C8C", linewidth=0.6)
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(names) - 0.4, -0.6)
    return fig


def clips_that_fit(
    rankings: Mapping[str, pd.DataFrame], marked: Mapping[str, Mapping[str, int]]
) -> Figure:
    """One panel per metric: how strongly its printed column speaks for each number of clips
    (``granularity.ranked``), and the numbers that matter, by name."""
    fig, axes = plt.subplots(
        len(rankings), 1, figsize=(WIDTH, 1.9 * len(rankings)), sharex=True, squeeze=False
    )
    for ax, (metric, table) in zip(axes[:, 0], rankings.items(), strict=True):
        ordered = table.sort_values("n")
        grey = {"color": "#B0B0B0", "linewidth": 0.6}
        ax.vlines(ordered["n"], ordered["support"].min(), ordered["support"], **grey)
        for (name, n), colour in zip(marked[metric].items(), MODEL_COLOURS, strict=False):
            support = float(ordered.loc[ordered["n"] == n, "support"].iloc[0])
            ax.vlines(n, ordered["support"].min(), support, color=colour, linewidth=1.6)
            ax.plot(n, support, "o", color=colour, markersize=5, label=f"{n}: {name}")
        ax.axhline(0, color="#3C3C3C", linewidth=0.6)
        ax.set(title=metric, ylabel="log10 likelihood\nratio to chance")
        ax.legend(fontsize=7, loc="upper left")
    axes[-1, 0].set_xlabel("number of clips that the column may have been computed over")
    return fig


def _rows(read: pd.DataFrame) -> list[tuple[str, str, str]]:
    return list(dict.fromkeys(zip(read["table"], read["row"], read["annotation"], strict=True)))
