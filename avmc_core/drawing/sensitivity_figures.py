"""The figure of how a change of the start weights grows."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from avmc_core.drawing.figures import MODEL_COLOURS, WIDTH

FORMS = "osD^v"


def growth(differences: Mapping[str, np.ndarray], size: float) -> Figure:
    """For each model the largest difference between the predictions of two trainings after each
    epoch, on a logarithmic scale; the dotted line is the relative change of the initial weights in
    which the two differ."""
    fig, ax = plt.subplots(figsize=(0.75 * WIDTH, 0.45 * WIDTH))
    for (model, values), colour, form in zip(
        differences.items(), MODEL_COLOURS, FORMS, strict=False
    ):
        epochs = np.arange(1, len(values) + 1)
        ax.plot(epochs, values, marker=form, markersize=5, color=colour, linewidth=1.2, label=model)
    ax.axhline(size, linestyle=":", color="#3C3C3C", linewidth=1.0)
    ax.set(yscale="log", xlabel="epoch", ylabel="largest difference of M")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(fontsize=8)
    return fig
