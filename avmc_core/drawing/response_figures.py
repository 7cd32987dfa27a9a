"""Pictures of the response to voice, face and words: the curves, and their slopes with
intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from avmc_core.analysis.response import CUES, Response
from avmc_core.drawing.figures import TASK_COLOURS, WIDTH, interval
from avmc_core.drawing.scenario_figures import model_style

TITLES = {"A and V": "voice and face", "A": "voice alone", "V": "face alone", "T": "words"}
COLOURS = {"A and V": TASK_COLOURS["M"], **{task: TASK_COLOURS[task] for task in "AVT"}}
Responses = Mapping[str, Mapping[str, Response]]  # name to cue to response


def curves(responses: Responses, names: Sequence[str], rule: str = "") -> Figure:
    """Mean predicted M against the donors' label, one panel per cue, with 95 % intervals; ``rule``
    is drawn as a black line."""
    fig, axes = plt.subplots(1, len(CUES), figsize=(WIDTH, 2.9), sharey=True)
    for ax, cue in zip(axes, CUES, strict=True):
        ax.axhline(0, color="#BBBBBB", linewidth=0.8, zorder=0)
        if rule:
            response = responses[rule][cue]
            means = [point.estimate for point in response.curve]
            ax.plot(response.levels, means, color="black", linewidth=1.6, label=rule)
        for number, name in enumerate(names):
            response = responses[name][cue]
            shift = 0.018 * (number - (len(names) - 1) / 2)
            means, low, high = np.array(
                [(point.estimate, point.low, point.high) for point in response.curve]
            ).T
            style = model_style(number)
            ax.vlines(
                response.levels + shift, low, high, color=style["color"], linewidth=0.7, alpha=0.6
            )
            ax.plot(
                response.levels + shift, means, linewidth=1.0, markersize=3, label=name, **style
            )
        ax.set_title(TITLES[cue], color=COLOURS[cue], fontsize=8.5)
        ax.set(xticks=[-1, 0, 1], xlim=(-1.1, 1.1), ylim=(-1.05, 1.05))
        ax.set_xlabel("donors' label", fontsize=8)
        ax.tick_params(labelsize=7.5)
    axes[0].set_ylabel("predicted M, words neutral", fontsize=8)
    axes[-1].text(0, 1.0, "voice and face neutral", fontsize=6.5, ha="center", va="top")
    fig.legend(
        *axes[0].get_legend_handles_labels(), fontsize=7, loc="outside upper center", ncols=3
    )
    return fig


def slopes(responses: Responses, names: Sequence[str]) -> Figure:
    """The slope of each name's curves with its 95 % interval, one panel per cue: 0 means that the
    cue is ignored, 1 that the prediction follows the label."""
    fig, axes = plt.subplots(
        1, len(CUES), figsize=(WIDTH, 0.9 + 0.24 * len(names)), sharex=True, sharey=True
    )
    at = np.arange(len(names))[::-1]
    for ax, cue in zip(axes, CUES, strict=True):
        ax.axvline(0, color="#999999", linewidth=0.8)
        for y, name in zip(at, names, strict=True):
            slope = responses[name][cue].slope
            ends = [slope.low, slope.high]
            interval(ax, y, ends, slope.estimate, COLOURS[cue], markersize=4)
        ax.set_title(TITLES[cue], color=COLOURS[cue], fontsize=8.5)
        ax.set_xlabel("slope", fontsize=8)
        ax.tick_params(labelsize=7.5)
        ax.grid(axis="x", linewidth=0.4)
    axes[0].set_yticks(at, names, fontsize=7.5)
    return fig
