"""What each annotation explains of the multimodal label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from avmc_core.analysis.cues import MODALITIES, SUBSETS
from avmc_core.drawing.figures import TASK_COLOURS, WIDTH, interval, key
from avmc_core.schema import TASK_NAMES

NAMES = {subset: " + ".join(TASK_NAMES[task] for task in subset) for subset in SUBSETS}
PART_STYLES = {
    "new": ("o", "full", "new clips"),
    "original": ("s", "none", "original clips, original labels"),
}


def explained(data: Mapping[str, Any], band: str = "all") -> Figure:
    """Share of the variance of M that the annotations of the text, the voice and the face explain,
    alone and together (left), and what each adds to the other two (right), with 95 % intervals;
    filled for the new clips, hollow for the original ones."""
    fig, (left, right) = plt.subplots(
        1, 2, figsize=(WIDTH, 2.9), gridspec_kw={"width_ratios": (1.6, 1)}
    )
    for ax, rows in ((left, SUBSETS), (right, [f"+{task}" for task in MODALITIES])):
        for place, row in enumerate(rows):
            colour = TASK_COLOURS[row.strip("+")] if len(row.strip("+")) == 1 else TASK_COLOURS["M"]
            for shift, (part, (marker, fill, _)) in zip(
                (-0.14, 0.14), PART_STYLES.items(), strict=True
            ):
                estimate, low, high = data[part][band]["r2"][row]
                look = colour, marker, 1.6
                style = {"markersize": 5, "fillstyle": fill}
                interval(ax, place + shift, [low, high], estimate, *look, **style)
        names = [NAMES.get(row) or TASK_NAMES[row[1]] for row in rows]
        ax.set_yticks(range(len(rows)), names, fontsize=7.5)
        ax.invert_yaxis()
    left.set(xlim=(0, 1), xlabel="R² of M", title="alone and together")
    right.set(xlim=(0, None), xlabel="R² added to the other two", title="beyond the other two")
    keys = [key(n, "#3C3C3C", marker=m, fillstyle=f) for m, f, n in PART_STYLES.values()]
    fig.legend(handles=keys, fontsize=7.5, loc="outside upper right", ncols=2)
    return fig
