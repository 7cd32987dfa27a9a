"""Table 1 and Figure 3, recomputed from label counts (layout:
``avmc_core.simulated.label_counts``).

Figures about M alone count all clips; figures that compare the four annotations count the clips
whose four labels are of one set (``counts["four"]``).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from avmc_core.data import label_sets
from avmc_core.published import published, text_figure
from avmc_core.schema import CLASSES, GRID, SPLITS, TASKS

Counts = dict[str, Any]
TABLE_1, SECTION_3_2 = "Table 1", "Section 3.2"
# the highest |label| of a weak clip: the paper has two definitions
WEAK_UP_TO = {TABLE_1: 0.4, SECTION_3_2: 0.6}


def class_counts(multimodal: dict[str, Any], cut: str = TABLE_1) -> pd.DataFrame:
    """Clips of each class (columns) in each split (rows), by one of the definitions of
    ``WEAK_UP_TO``.

    ``multimodal``: {split: 11 counts of M}, such as ``counts["M"]``.
    """
    strong = np.abs(GRID) > WEAK_UP_TO[cut] + 1e-9
    classes = 2 + np.sign(GRID).astype(int) * np.where(strong, 2, 1)
    rows = [np.bincount(classes, multimodal[split], len(CLASSES)).astype(int) for split in SPLITS]
    return pd.DataFrame(rows, index=list(SPLITS), columns=list(CLASSES))


def classes_by_part() -> pd.DataFrame:
    """What Figure 2 shows of the labelled clips: the original and the new ones, by the relabelled
    set. Columns part, clips, then each class in percent, cut as in Table 1."""
    relabelled = label_sets.recorded()["sets"]["relabelled"]["M"]
    rows = []
    for part in ("original", "new"):
        counts = class_counts({split: relabelled[split][part] for split in SPLITS}).sum()
        shares = {name: 100 * count / counts.sum() for name, count in counts.items()}
        rows.append({"part": f"{part} clips", "clips": int(counts.sum()), **shares})
    return pd.DataFrame(rows)


def published_class_counts() -> pd.DataFrame:
    """Table 1 as printed, in the layout of ``class_counts``."""
    printed = published()["table1_splits"]
    table = pd.DataFrame(
        [printed[split] for split in SPLITS], index=list(SPLITS), columns=printed["columns"]
    )
    return table[list(CLASSES)]


def printed_weak_levels() -> set[float]:
    """The levels that Section 3.2 calls weak."""
    classes = text_figure("classes")[0]
    return {
        label for name, levels in classes.items() if name.startswith("weak") for label in levels
    }


def some_cut_gives(printed: pd.Series, levels: list[int]) -> bool:
    """Whether cutting the 11 levels into five runs, anywhere, gives the printed classes of a
    split."""
    return set(np.cumsum(printed)) <= set(np.cumsum(levels))


def multimodal_counts(counts: Counts) -> np.ndarray:
    """(11,) M of all labelled clips, over all splits."""
    return np.sum([counts["M"][split] for split in SPLITS], axis=0)


def level_counts(counts: Counts) -> pd.DataFrame:
    """Clips at each label level (rows, -1 to 1) for each annotation (columns), over all splits:
    Figure 3, left."""
    marginals = counts["four"]["marginals"]
    total = {task: np.sum([marginals[split][task] for split in SPLITS], axis=0) for task in TASKS}
    return pd.DataFrame(total, index=pd.Index(GRID, name="label"))


def signs(levels: Any) -> dict[str, int]:
    """Clips that are negative, neutral and positive, of 11 counts."""
    levels = np.asarray(levels)
    parts = {"negative": GRID < 0, "neutral": GRID == 0, "positive": GRID > 0}
    return {name: int(levels[rows].sum()) for name, rows in parts.items()}


def polarity(counts: Counts) -> pd.DataFrame:
    """Clips that are negative, neutral and positive (columns) by each annotation (rows), over all
    splits."""
    levels = level_counts(counts)
    return pd.DataFrame({task: signs(levels[task]) for task in TASKS}).T


def positive_percent(negative: float, positive: float) -> float:
    """Positive clips in percent of negative ones (Section 3.2); NaN without negative ones."""
    return round(100 * float(positive) / float(negative), 2) if negative else math.nan


def intensity_shares(counts: Counts, cut: str = SECTION_3_2) -> dict[str, float]:
    """Share of clips that are weak, strong and neutral by M, over all splits."""
    n = class_counts(counts["M"], cut).sum() / sum(counts["rows"].values())
    shares = {"weak": n["WNEG"] + n["WPOS"], "strong": n["NEG"] + n["POS"], "neutral": n["NEU"]}
    return {name: float(share) for name, share in shares.items()}


def differences(counts: Counts) -> pd.DataFrame:
    """Mean absolute difference between every two annotations, in label units: Figure 3, right. NaN
    without such clips."""
    distance = np.abs(GRID[:, None] - GRID[None, :])
    matrix = pd.DataFrame(0.0, index=list(TASKS), columns=list(TASKS))
    for (a, b), cells in counts["four"]["pairs"].items():
        n = np.sum(cells)
        matrix.loc[a, b] = matrix.loc[b, a] = float((distance * cells).sum() / n) if n else math.nan
    return matrix


def reliance_on_text(cells: list[list[int]]) -> dict[str, float]:
    """How well T alone determines M, from their 11 x 11 table of counts (rows M). Keys: ``clips``;
    ``other_sign``, the number of clips whose T has another sign than M (0 is a sign of its own);
    ``Corr``; ``difference``, the mean of |M - T| in label units."""
    n = np.asarray(cells, dtype=float)
    m, t = np.meshgrid(GRID, GRID, indexing="ij")
    total = n.sum()
    if not total:
        return {"clips": 0, "other_sign": 0, "Corr": math.nan, "difference": math.nan}
    a, b = m - (n * m).sum() / total, t - (n * t).sum() / total
    spread = math.sqrt(float((n * a * a).sum() * (n * b * b).sum()))
    return {
        "clips": int(total),
        "other_sign": int(n[np.sign(m) != np.sign(t)].sum()),
        "Corr": float((n * a * b).sum()) / spread if spread else math.nan,
        "difference": float((n * np.abs(m - t)).sum() / total),
    }
