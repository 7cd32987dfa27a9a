"""The figure of a search judged both ways."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from avmc_core.drawing.figures import MODEL_COLOURS, WIDTH


def trials(scores: pd.DataFrame, chosen: int) -> Figure:
    """Validation against test MAE of every trial (``choices.trial_scores``); the two choices differ
    in colour and form from the others."""
    fig, ax = plt.subplots(figsize=(0.62 * WIDTH, 0.45 * WIDTH))
    ax.scatter(scores["validation"], scores["MAE"], s=18, color="#8C8C8C")
    choices = {
        "chosen on validation": (chosen, "o"),
        "chosen on test": (scores["MAE"].idxmin(), "D"),
    }
    for (name, (trial, form)), colour in zip(choices.items(), MODEL_COLOURS, strict=False):
        row = scores.loc[trial]
        style = {"color": colour, "markersize": 9, "fillstyle": "none", "label": name}
        ax.plot(row["validation"], row["MAE"], form, **style)
    ax.set(xlabel="MAE on validation", ylabel="MAE on test")
    ax.legend(fontsize=8)
    return fig
