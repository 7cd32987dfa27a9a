"""Figure 7 and the measures beside it."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from avmc_core.analysis.representations import MEASURES
from avmc_core.analysis.statistics import Interval
from avmc_core.drawing.figures import (
    CLASS_COLOURS,
    MARKERS,
    MODEL_COLOURS,
    TASK_COLOURS,
    WIDTH,
    interval,
    key,
)
from avmc_core.schema import CLASSES, MODALITY_OF_TASK

FORMS = dict(zip(MODALITY_OF_TASK.values(), MARKERS, strict=False))


def embeddings(flat: Mapping[str, np.ndarray], classes: np.ndarray) -> Figure:
    """One column per model: the same clips in t-SNE (3 N, 2), coloured above by modality and below
    by sentiment class (N,) of M; the form is the modality in both."""
    fig, axes = plt.subplots(2, len(flat), figsize=(WIDTH, 0.7 + 4.6 * WIDTH / 7.2), squeeze=False)
    n = len(classes)
    for column, (name, points) in zip(axes.T, flat.items(), strict=True):
        for k, (task, modality) in enumerate(MODALITY_OF_TASK.items()):
            x, y = points[k * n : (k + 1) * n].T
            style = {
                "s": 7,
                "marker": FORMS[modality],
                "linewidth": 0,
                "alpha": 0.75,
                "rasterized": True,
            }
            column[0].scatter(x, y, color=TASK_COLOURS[task], **style)
            column[1].scatter(x, y, color=[CLASS_COLOURS[CLASSES[c]] for c in classes], **style)
        column[0].set_title(name.replace(" & ", "\n& ").replace(" (", "\n("), fontsize=8)
        for ax in column:
            ax.set(xticks=[], yticks=[])
            for spine in ax.spines.values():
                spine.set(visible=True, color="#BBBBBB")
    axes[0, 0].set_ylabel("by modality", fontsize=8)
    axes[1, 0].set_ylabel("by sentiment (M)", fontsize=8)
    dot = {"linewidth": 0, "markersize": 5}
    keys = [
        key(modality, TASK_COLOURS[task], marker=FORMS[modality], **dot)
        for task, modality in MODALITY_OF_TASK.items()
    ]
    keys += [key(c, CLASS_COLOURS[c], marker="o", **dot) for c in CLASSES]
    fig.legend(handles=keys, fontsize=7.5, loc="outside upper center", ncols=len(keys))
    return fig


def measured(
    table: Mapping[str, Mapping[str, Interval]], before: Mapping[str, Mapping[str, Interval]]
) -> Figure:
    """One panel per kind of measure, one line per model and modality (or pair); hollow and grey:
    the same networks before training."""
    kinds: dict[str, list[str]] = {}
    for name in MEASURES:
        kinds.setdefault(name.partition(", ")[0], []).append(name)
    names = list(table)
    sizes = [len(members) for members in kinds.values()]
    fig, axes = plt.subplots(
        len(kinds),
        1,
        figsize=(WIDTH, 1.2 + 0.11 * sum(sizes) * len(names)),
        gridspec_kw={"height_ratios": sizes},
    )
    for ax, (kind, members) in zip(axes, kinds.items(), strict=True):
        for place, member in enumerate(members):
            for number, name in enumerate(names):
                at = place + 0.22 * (number - (len(names) - 1) / 2)
                colour = MODEL_COLOURS[number]
                if name in before:
                    style = {"color": "#8C8C8C", "markersize": 4.5, "fillstyle": "none"}
                    ax.plot(before[name][member].estimate, at, "o", **style)
                i, marker = table[name][member], MARKERS[number]
                interval(ax, at, [i.low, i.high], i.estimate, colour, marker, markersize=4.5)
        labels = [member.partition(", ")[2] for member in members]
        ax.set_yticks(range(len(members)), labels, fontsize=7.5)
        ax.set_ylim(len(members) - 0.5, -0.5)
        ax.set_title(kind, fontsize=8.5)
        ax.tick_params(axis="x", labelsize=7.5)
        ax.grid(axis="x", linewidth=0.4)
    line = {"linewidth": 1.4, "markersize": 4.5}
    keys = [key(name, MODEL_COLOURS[k], marker=MARKERS[k], **line) for k, name in enumerate(names)]
    if before:
        hollow = {"marker": "o", "fillstyle": "none", "linewidth": 0}
        keys.append(key("before training", "#8C8C8C", **hollow))
    fig.legend(handles=keys, fontsize=7.5, loc="outside upper center", ncols=2)
    return fig
