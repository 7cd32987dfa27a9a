"""Figures of the splits: slices of the test split, and how results grow with the number of labelled
clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from avmc_core.analysis.statistics import Interval
from avmc_core.data.metric_conventions import ALL
from avmc_core.drawing.figures import MODEL_COLOURS, WIDTH, metric_panel

Summary = Mapping[str, Mapping[str, Interval]]


def slices(parts: Mapping[str, Summary], heads: Mapping[str, str], names: Sequence[str]) -> Figure:
    """One panel per metric, one line per model, one marker per slice of the test split, each with
    its interval."""
    models = list(next(iter(parts.values())))
    fig, axes = plt.subplots(1, len(names), figsize=(WIDTH, 0.9 + 0.3 * len(models)), sharey=True)
    at = np.arange(len(models))[::-1]
    for ax, name in zip(axes, names, strict=True):
        for part, form, colour, shift in zip(
            parts, "os", MODEL_COLOURS, (0.14, -0.14), strict=False
        ):
            own = [parts[part][model][name] for model in models]
            _intervals(ax, own, at + shift, name, form, colour, heads[part])
        metric_panel(ax, name)
    axes[0].set_yticks(at, models)
    fig.legend(
        *axes[0].get_legend_handles_labels(), fontsize=7.5, loc="outside upper right", ncols=2
    )
    return fig


def learning_curve(
    clips: Sequence[int],
    summary: Mapping[str, Sequence[Mapping[str, Interval]]],
    seeds: Mapping,
    names: Sequence[str],
) -> Figure:
    """One panel per metric, one line per model over the number of labelled clips: mean, 95 %
    interval, and every seed as a point.

    ``summary``: model to its summaries in the order of ``clips``; ``seeds``: the same with a list
    of each metric's figures.
    """
    fig, axes = plt.subplots(1, len(names), figsize=(WIDTH, 2.7))
    for ax, name in zip(axes, names, strict=True):
        scale = ALL[name].scale
        for (model, points), form, colour, shift in zip(
            summary.items(), "os", MODEL_COLOURS, (0.97, 1.03), strict=False
        ):
            x = np.array(clips) * shift
            own = [point[name].scaled(scale) for point in points]
            ax.vlines(x, [i.low for i in own], [i.high for i in own], color=colour, linewidth=1.4)
            middle = [i.estimate for i in own]
            ax.plot(x, middle, form + "-", color=colour, markersize=4, linewidth=0.9, label=model)
            for at, values in zip(x, seeds[model], strict=True):
                seed = np.array(values[name]) * scale
                ax.plot(np.full(len(seed), at), seed, ".", color=colour, alpha=0.45)
        ax.set_xscale("log", base=2)
        ax.set_xticks(clips, [str(n) for n in clips])
        ax.minorticks_off()
        ax.set(
            title=name, xlabel="labelled clips", ylabel="%" if ALL[name].percent else "label units"
        )
    fig.legend(
        *axes[0].get_legend_handles_labels(), fontsize=7.5, loc="outside upper right", ncols=2
    )
    return fig


def _intervals(
    ax, intervals: Sequence[Interval], at: np.ndarray, name: str, form: str, colour: str, label: str
) -> None:
    scale = ALL[name].scale
    low, high = ([getattr(i, end) * scale for i in intervals] for end in ("low", "high"))
    ax.hlines(at, low, high, color=colour, linewidth=1.3)
    ax.plot(
        [i.estimate * scale for i in intervals], at, form, color=colour, markersize=4, label=label
    )
