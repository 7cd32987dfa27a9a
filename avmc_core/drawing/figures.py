"""The book's one figure style, its data mark, and the figures of the data chapter.

Colours are Okabe and Ito's, told apart by colour-blind readers; where two series meet they also
differ in form, so that a black-and-white print can be read. Figures are vector graphics on white,
with text as outlines: the same bytes each time, no font needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from avmc_core.artefacts import data_mark, provenance, statement
from avmc_core.data.metric_conventions import ALL
from avmc_core.drawing.fonts import register
from avmc_core.schema import CLASSES, GRID, HOP_SECONDS, SPLITS, TASK_NAMES, TASKS

if TYPE_CHECKING:
    from IPython.display import Markdown

    from avmc_core.data.store import Store
    from avmc_core.runs.store import Record, Run

TASK_COLOURS = {"M": "#3C3C3C", "T": "#0072B2", "A": "#D55E00", "V": "#009E73"}
CLASS_COLOURS = dict(
    zip(CLASSES, ("#B35806", "#F1A340", "#BDBDBD", "#998EC3", "#542788"), strict=True)
)
SPLIT_COLOURS = {"train": "#0072B2", "valid": "#E69F00", "test": "#CC79A7", "unlabelled": "#8C8C8C"}
MODEL_COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#3C3C3C",
    "#B9A600",
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
HEAT = "Blues"
WIDTH = 7.2  # inches: the text width of the book's pages and of its PDF


def use_style() -> None:
    """Sets the style for the session; in a notebook, figures become SVG without a date in it."""
    sns.set_theme(
        context="paper",
        style="ticks",
        palette=list(MODEL_COLOURS),
        font_scale=1.05,
        rc={
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": "medium",
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "font.family": list(register()),
            "legend.frameon": False,
            "svg.fonttype": "path",
            "svg.hashsalt": "avmc",
        },
    )
    try:
        from IPython import get_ipython
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:
        return
    if get_ipython() is not None:
        set_matplotlib_formats("svg", metadata={"Date": None})


def mark(fig: Figure, source: Store | pd.DataFrame | None) -> Figure:
    """Writes the data mark under a figure; a simulated corpus is framed so that it cannot be
    overlooked."""
    text = data_mark(source)
    simulated = text.startswith("simulated")
    frame = (
        {"boxstyle": "round,pad=0.3", "facecolor": "#FFF3D6", "edgecolor": "#D55E00"}
        if simulated
        else None
    )
    fig.supxlabel(
        f"data: {text}",
        x=0.995,
        ha="right",
        fontsize=7.5,
        color="#444444",
        style="italic",
        bbox=frame,
    )
    plt.close(fig)  # a notebook would show an open figure once more at the end of its cell
    return fig


def caption(
    source: Store | pd.DataFrame | str | None,
    command: str,
    against: str = "",
    *,
    records: Mapping[Run, Record] | None = None,
    status: str = "",
) -> Markdown:
    """The line under each figure and table: its data, the runs behind it, the command that makes
    it, the place in the paper that it stands ``against``, and its ``status`` there (see
    ``artefacts.statement``)."""
    from IPython.display import Markdown

    line = statement(provenance(source, command, records), against, status)
    return Markdown(f'<small class="avmc-caption">{line}</small>')


def axis_label(metric: str) -> str:
    """The unit of a metric on an axis, and which way is better."""
    shown = ALL[metric]
    unit = "%" if shown.percent else "label units"
    return f"{unit}\n({'higher' if shown.higher_is_better else 'lower'} is better)"


def metric_panel(ax: Axes, metric: str) -> None:
    """The title, the label and the grid of a panel whose horizontal axis is a metric."""
    ax.set_title(metric)
    ax.set_xlabel(axis_label(metric), fontsize=7)
    ax.grid(axis="x", linewidth=0.4)


def interval(
    ax: Axes,
    at: float,
    ends: Sequence[float],
    estimate: float,
    colour: str,
    marker: str = "o",
    linewidth: float = 1.4,
    **style: Any,
) -> None:
    """An interval as a horizontal line at the height ``at``, with its estimate as a mark on it."""
    ax.plot(ends, [at, at], color=colour, linewidth=linewidth)
    ax.plot(estimate, at, marker, color=colour, **style)


def key(label: str, colour: str, **style: Any) -> Line2D:
    """The entry of a legend for lines and marks of this style."""
    return Line2D([], [], color=colour, label=label, **style)


def class_counts(counts: pd.DataFrame, printed: pd.DataFrame) -> Figure:
    """Clips of each class in each split, as found (filled) and as printed in Table 1 (outlined)."""
    fig, axes = plt.subplots(1, len(SPLITS), figsize=(WIDTH, 2.7))
    x = np.arange(len(CLASSES))
    for ax, split in zip(axes, SPLITS, strict=True):
        ours, theirs = counts.loc[split], printed.loc[split]
        left = ax.bar(x - 0.2, ours, 0.4, color=[CLASS_COLOURS[name] for name in CLASSES])
        right = ax.bar(
            x + 0.2, theirs, 0.4, color="white", edgecolor="#3C3C3C", hatch="////", linewidth=0.8
        )
        for bars in (left, right):
            ax.bar_label(bars, fontsize=6, padding=1.5, rotation=90)
        ax.set(
            title=f"{split} ({ours.sum()})",
            xticks=x,
            ylim=(0, 1.15 * max(ours.max(), theirs.max())),
        )
        ax.set_xticklabels(CLASSES, fontsize=7)
    axes[0].set_ylabel("clips")
    keys = [Patch(facecolor="#8C8C8C"), Patch(facecolor="white", edgecolor="#3C3C3C", hatch="////")]
    fig.legend(
        keys,
        ["these labels", "Table 1 as printed"],
        fontsize=7.5,
        loc="outside upper right",
        ncols=2,
    )
    return fig


def label_histograms(levels: pd.DataFrame) -> Figure:
    """Clips at each label level, one panel per annotation; the multimodal one is repeated as a line
    in the others."""
    fig, axes = plt.subplots(1, len(TASKS), figsize=(WIDTH, 2.6), sharey=True)
    for ax, task in zip(axes, TASKS, strict=True):
        ax.bar(GRID, levels[task], 0.16, color=TASK_COLOURS[task], alpha=0.85)
        if task != "M":
            edges = np.append(GRID - 0.1, GRID[-1] + 0.1)
            ax.stairs(
                levels["M"],
                edges,
                color=TASK_COLOURS["M"],
                linewidth=1.0,
                label="multimodal, for comparison",
            )
        ax.set(title=f"{TASK_NAMES[task]} ({task})", xticks=[-1, 0, 1], xlabel="label")
    axes[0].set_ylabel("clips")
    fig.legend(*axes[1].get_legend_handles_labels(), fontsize=7.5, loc="outside upper right")
    return fig


def difference_matrix(matrix: pd.DataFrame) -> Figure:
    """Mean absolute difference between every two annotations, in label units."""
    fig, ax = plt.subplots(figsize=(0.62 * WIDTH, 0.46 * WIDTH))
    bar = {"shrink": 0.85, "label": "label units"}
    sns.heatmap(
        matrix,
        annot=True,
        fmt=".3f",
        cmap=HEAT,
        vmin=0,
        square=True,
        ax=ax,
        linewidths=1,
        cbar_kws=bar,
    )
    ax.set_xticklabels([TASK_NAMES[task] for task in matrix.columns], fontsize=8)
    ax.set_yticklabels(
        [f"{TASK_NAMES[task]} ({task})" for task in matrix.index], fontsize=8, rotation=0
    )
    ax.tick_params(length=0)
    return fig


def pairwise(pairs: dict[str, list[list[int]]]) -> Figure:
    """Joint label counts of every two annotations; the area of a square is the number of clips, and
    clips on the diagonal are those on which the two agree."""
    fig, axes = plt.subplots(2, 3, figsize=(WIDTH, 0.68 * WIDTH), sharex=True, sharey=True)
    largest = max(np.max(cells) for cells in pairs.values())
    for ax, (pair, cells) in zip(axes.flat, pairs.items(), strict=True):
        cells = np.array(cells)
        i, j = np.nonzero(cells)
        ax.axline((0, 0), slope=1, color="#BBBBBB", linewidth=0.8, zorder=0)
        size = 170 * cells[i, j] / largest
        ax.scatter(GRID[j], GRID[i], s=size, marker="s", color=TASK_COLOURS[pair[1]], linewidth=0)
        ax.set(
            xlabel=TASK_NAMES[pair[1]],
            ylabel=TASK_NAMES[pair[0]],
            xticks=[-1, 0, 1],
            yticks=[-1, 0, 1],
            xlim=(-1.2, 1.2),
            ylim=(-1.2, 1.2),
        )
        ax.set_aspect("equal")
    for ax in axes.flat:
        ax.tick_params(labelbottom=True, labelleft=True)
    return fig


def video_groups(clips: pd.DataFrame) -> Figure:
    """Clips of each source video (one column per video, largest first), stacked by split."""
    table = (
        clips.groupby(["video_id", "split"])
        .size()
        .unstack(fill_value=0)
        .reindex(columns=list(SPLITS), fill_value=0)
    )
    table = table.loc[table.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    fig, ax = plt.subplots(figsize=(WIDTH, 2.4))
    bottom = np.zeros(len(table))
    for split in SPLITS:
        ax.bar(
            range(len(table)),
            table[split],
            1.0,
            bottom,
            color=SPLIT_COLOURS[split],
            label=split,
            linewidth=0,
        )
        bottom += table[split].to_numpy()
    ax.set(xlabel=f"source video ({len(table)})", ylabel="clips", xlim=(-0.6, len(table) - 0.4))
    ax.legend(fontsize=8)
    return fig


def length_histograms(lengths: dict[str, pd.DataFrame]) -> Figure:
    """Lengths of clips, one panel per kind of length. Each table has columns ``length`` and
    ``clips``, the part that a clip belongs to; the part that comes first is filled.

    Steps of audio and vision are given in seconds as well, in a second line under the axis.
    """
    fig, axes = plt.subplots(
        1, len(lengths), figsize=(WIDTH * max(len(lengths), 2) / 3, 2.5), squeeze=False
    )
    for ax, (name, table) in zip(axes.flat, lengths.items(), strict=True):
        _length_panel(ax, name, table)
    axes.flat[0].set_ylabel("share of clips in %")
    handles, labels = axes.flat[-1].get_legend_handles_labels()
    if len(labels) > 1:
        fig.legend(handles, labels, fontsize=7.5, loc="outside upper right", ncols=2)
    return fig


def _length_panel(ax: Axes, name: str, table: pd.DataFrame) -> None:
    low, high = table["length"].min(), table["length"].max()
    # a whole number of steps, or every few bins would hold one more
    width = -(-(high - low + 1) // 24)
    edges = np.arange(low, high + width + 1, width) - 0.5
    kinds = list(dict.fromkeys(table["clips"]))
    for kind, colour in zip(kinds, SPLIT_COLOURS.values(), strict=False):
        values = table.loc[table["clips"] == kind, "length"]
        if len(values):
            style = {"fill": True, "alpha": 0.6} if kind == kinds[0] else {"linewidth": 1.8}
            ax.stairs(
                100 * np.histogram(values, edges)[0] / len(values),
                edges,
                color=colour,
                label=kind,
                **style,
            )
    ax.set(title=name, ylim=(0, None))
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    if hop := HOP_SECONDS.get(name):
        ax.xaxis.set_major_formatter(lambda steps, _: f"{steps:g}\n{steps * hop:.2g} s")
    ax.set_xlabel(name if name == "characters" else "steps")
