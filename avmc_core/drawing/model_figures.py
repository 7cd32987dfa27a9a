"""Figures of models: mixup, training curves, results over seeds."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import scipy.stats
from matplotlib.figure import Figure

from avmc_core.analysis.estimate import Cell
from avmc_core.drawing.figures import MODEL_COLOURS, WIDTH, key, metric_panel
from avmc_core.metrics import METRICS
from avmc_core.runs.store import Record, Run


def beta_densities(parameters: Sequence[tuple[float, float]]) -> Figure:
    """The density of lambda for some Beta distributions; the released code uses Beta(1, 1)
    (D07)."""
    fig, ax = plt.subplots(figsize=(0.6 * WIDTH, 2.3))
    x = np.linspace(0.005, 0.995, 199)
    for (a, b), style in zip(parameters, ("-", "--", ":", "-."), strict=False):
        ax.plot(x, scipy.stats.beta(a, b).pdf(x), style, label=f"Beta({a:g}, {b:g})")
    ax.set(xlabel="lambda", ylabel="density", ylim=(0, 4))
    ax.legend(fontsize=8)
    plt.close(fig)  # a curve, not data: it carries no mark, which closes the others
    return fig


def mixed_representations(
    points: np.ndarray, partner: np.ndarray, mixed: np.ndarray, weight: float
) -> Figure:
    """Representations (B, D) in their first two principal components, each joined to its partner,
    with the mixture on the line between."""
    centre = points.mean(0)
    _, _, axes = np.linalg.svd(points - centre, full_matrices=False)
    flat, between = ((x - centre) @ axes[:2].T for x in (points, mixed))
    fig, ax = plt.subplots(figsize=(0.72 * WIDTH, 0.5 * WIDTH))
    for i, j in enumerate(partner):
        ax.plot(*np.stack([flat[i], flat[j]]).T, color="#CCCCCC", linewidth=0.7, zorder=0)
    ax.scatter(*flat.T, color=MODEL_COLOURS[0], s=26, label="clip")
    ax.scatter(
        *between.T,
        color=MODEL_COLOURS[1],
        s=26,
        marker="x",
        label=f"mixture, lambda = {weight:.2f}",
    )
    ax.set(xlabel="first principal component", ylabel="second principal component")
    ax.legend(fontsize=8)
    return fig


def consistency(before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray]) -> Figure:
    """Prediction of a mixture against the mixture of predictions, before and after training; on the
    line they agree.

    Each mapping has ``prediction`` and ``target`` (B,), of the mixtures, and ``unmixed`` (B,),
    the predictions for the clips themselves."""
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 0.42 * WIDTH))
    for ax, title, points in zip(
        axes, ("before training", "after training"), (before, after), strict=True
    ):
        ax.axline((0, 0), slope=1, color="#999999", linewidth=0.8, zorder=0)
        gap, share = _gap(points)
        ax.scatter(points["target"], points["prediction"], s=16, color=MODEL_COLOURS[0])
        ax.set(
            title=f"{title}\nmean gap {gap:.2g}, {share:.2f} of the spread",
            xlabel="mixture of the two predictions",
        )
    axes[0].set_ylabel("prediction of the mixture")
    return fig


def consistency_in_words(before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray]) -> str:
    """What ``consistency`` shows, in a sentence."""
    (_, untrained), (_, learnt) = _gap(before), _gap(after)
    if np.isnan([untrained, learnt]).any():
        return (
            "A network that predicts the same for all clips has no gap, and nothing to be "
            "consistent about."
        )
    change = "smaller" if learnt < untrained else "larger"
    return (
        f"Relative to the spread of the predictions, the gap is {untrained:.2f} before training "
        f"and {learnt:.2f} after it: {change} "
        "after training, for this run and these clips."
    )


def _gap(points: Mapping[str, np.ndarray]) -> tuple[float, float]:
    """The mean gap, and its share of the standard deviation of the predictions for the clips; NaN
    where these are all equal."""
    gap, spread = np.abs(points["prediction"] - points["target"]).mean(), points["unmixed"].std()
    return float(gap), float(gap / spread) if spread > 0 else float("nan")


def training_curves(records: Mapping[Run, Record]) -> Figure:
    """Training and validation loss of every run, one panel per name, one line per seed; the dot is
    the epoch that was kept. More than four panels stand in rows of three."""
    names = list(dict.fromkeys(run.name for run, record in records.items() if record.history))
    columns = len(names) if len(names) <= 4 else 3
    rows = -(-len(names) // columns)
    size = (WIDTH, 2.6 if rows == 1 else 2.1 * rows)
    fig, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, sharey=rows > 1)
    for ax in axes.flat[len(names) :]:
        ax.remove()
    for ax, name in zip(axes.flat, names, strict=False):
        for colour, (_, record) in zip(
            MODEL_COLOURS,
            ((run, r) for run, r in records.items() if run.name == name),
            strict=False,
        ):
            epochs = np.arange(1, len(record.history) + 1)
            total = next(key for key in record.history[0] if key.endswith(".total"))
            validation = [row["validation"] for row in record.history]
            ax.plot(epochs, [row[total] for row in record.history], ":", color=colour, linewidth=1)
            ax.plot(epochs, validation, color=colour, linewidth=1.2)
            ax.plot(
                record.best_epoch,
                validation[record.best_epoch - 1],
                "o",
                color=colour,
                markersize=4,
            )
        ax.set_xlabel("epoch")
        ax.set_title(textwrap.fill(name, 14 if rows == 1 else 30), fontsize=8)
    for ax in axes[:, 0]:
        ax.set_ylabel("loss")
    axes[0, 0].plot([], [], ":", color="#3C3C3C", label="training")
    axes[0, 0].plot([], [], color="#3C3C3C", label="validation")
    axes[0, 0].legend(fontsize=7)
    return fig


def over_seeds(cells: Sequence[Cell], runs: pd.DataFrame, metrics: Sequence[str]) -> Figure:
    """One panel per metric, one line per row: every seed as a point, mean and 95 % interval, the
    paper's figure as a hollow diamond (a different data set wherever the mark says simulated).
    ``cells``: ``results.comparison``; ``runs``: ``results.tabulate``."""
    by_place = {(cell.row, cell.metric): cell for cell in cells}
    names = list(dict.fromkeys(cell.row for cell in cells if cell.value is not None))
    fig, axes = plt.subplots(1, len(metrics), figsize=(WIDTH, 0.8 + 0.36 * len(names)), sharey=True)
    at = np.arange(len(names))[::-1]
    for ax, metric in zip(axes, metrics, strict=True):
        for y, name in zip(at, names, strict=True):
            cell = by_place[name, metric]
            seeds = runs.loc[runs["name"] == name, metric] * METRICS[metric].scale
            if cell.value is not None:
                ax.plot([cell.low, cell.high], [y, y], color=MODEL_COLOURS[0], linewidth=1.4)
                ax.plot(cell.value, y, "|", color="black", markersize=11)
            ax.plot(
                seeds, np.full(len(seeds), y), "o", color=MODEL_COLOURS[0], markersize=3, alpha=0.6
            )
            if cell.published is not None:
                ax.plot(
                    cell.published, y, "D", color=MODEL_COLOURS[1], markersize=5, fillstyle="none"
                )
        metric_panel(ax, metric)
    axes[0].set_yticks(at, names)
    keys = [
        key("seed", MODEL_COLOURS[0], marker="o", markersize=3, linewidth=0),
        key("mean, 95 % interval", MODEL_COLOURS[0], linewidth=1.4),
    ]
    if any(cell.published is not None for cell in cells if cell.row in names):
        diamond = {"marker": "D", "markersize": 5, "fillstyle": "none", "linewidth": 0}
        keys.append(key("the paper's figure", MODEL_COLOURS[1], **diamond))
    fig.legend(handles=keys, fontsize=7.5, loc="outside upper center", ncols=len(keys))
    return fig
