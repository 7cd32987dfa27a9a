"""Table 1 and Figure 3, recomputed from label counts (layout: ``avmc_core.simulated.label_model``)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from avmc_core.published import published
from avmc_core.schema import CLASSES, GRID, SPLITS, TASKS, sentiment_class

Counts = dict[str, Any]


def class_counts(counts: Counts, task: str = "M") -> pd.DataFrame:
    """Clips of each class (columns) in each split (rows) by the labels of ``task``: Table 1."""
    classes = sentiment_class(GRID)
    rows = [np.bincount(classes, counts["marginals"][split][task], len(CLASSES)).astype(int) for split in SPLITS]
    return pd.DataFrame(rows, index=list(SPLITS), columns=list(CLASSES))


def published_class_counts() -> pd.DataFrame:
    """Table 1 as printed, in the layout of ``class_counts``."""
    printed = published()["table1_splits"]
    table = pd.DataFrame([printed[split] for split in SPLITS], index=list(SPLITS), columns=printed["columns"])
    return table[list(CLASSES)]


def some_cut_gives(printed: pd.Series, levels: list[int]) -> bool:
    """Whether cutting the 11 levels into five runs, anywhere, gives the printed classes of a split."""
    return set(np.cumsum(printed)) <= set(np.cumsum(levels))


def level_counts(counts: Counts) -> pd.DataFrame:
    """Clips at each label level (rows, -1 to 1) for each annotation (columns), over all splits: Figure 3, left."""
    total = {task: np.sum([counts["marginals"][split][task] for split in SPLITS], axis=0) for task in TASKS}
    return pd.DataFrame(total, index=pd.Index(GRID, name="label"))


def polarity(counts: Counts) -> pd.DataFrame:
    """Clips that are negative, neutral and positive (columns) by each annotation (rows), over all splits."""
    n = level_counts(counts)
    signs = {"negative": n.index < 0, "neutral": n.index == 0, "positive": n.index > 0}
    return pd.DataFrame({name: n[rows].sum() for name, rows in signs.items()})


def positive_percent(negative: float, positive: float) -> float:
    """Positive clips in percent of negative ones (Section 3.2); NaN without negative ones."""
    return round(100 * float(positive) / float(negative), 2) if negative else math.nan


def intensity_shares(counts: Counts, task: str = "M") -> dict[str, float]:
    """Share of clips that are weak, strong and neutral, over all splits."""
    n = class_counts(counts, task).sum() / sum(counts["rows"].values())
    shares = {"weak": n["WNEG"] + n["WPOS"], "strong": n["NEG"] + n["POS"], "neutral": n["NEU"]}
    return {name: float(share) for name, share in shares.items()}


def differences(counts: Counts, clips: str = "all") -> pd.DataFrame:
    """Mean absolute difference between each two annotations, in label units: Figure 3, right.

    ``clips``: "all", or "without_placeholders".
    """
    distance = np.abs(GRID[:, None] - GRID[None, :])
    matrix = pd.DataFrame(0.0, index=list(TASKS), columns=list(TASKS))
    for (a, b), cells in counts["pairs"][clips].items():
        matrix.loc[a, b] = matrix.loc[b, a] = float((distance * cells).sum() / np.sum(cells))
    return matrix
