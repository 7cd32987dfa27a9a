"""The joint distribution of the four annotations, from counts alone.

``resources/label_counts.json`` carries what may be published of the real label table: counts, no row, no id, no
transcript. From them comes the distribution the embedded corpus draws its labels from: among all joint distributions of
(M, T, A, V) with the six real pairwise tables, the one of maximum entropy (found by iterative proportional fitting),
raked to the marginals of each split.

Layout of the counts (every list of 11 runs over ``schema.GRID``, -1 to 1; an off-grid label counts at its nearest level):

- ``source``: where the table comes from, in words; ``rows``: {split: clips};
- ``marginals``: {split: {task: 11 counts}}, the splits with all their clips, and as a further entry ``placeholders`` the
  clips of the placeholder videos alone (they are among the test clips too);
- ``pairs``: {"all" | "without_placeholders": {"MT" | "MA" | "MV" | "TA" | "TV" | "AV": 11 x 11 counts}}, rows of a table
  run over the pair's first task, columns over its second;
- ``neutral``: {split: clips with M = 0 exactly}; ``off_grid``: {task: labels that are no multiple of 0.2};
- ``videos``: {"total", "in_several_splits", "in_all_splits"};
- ``sharing_a_video_with_train``: {"valid" | "test": clips};
- ``placeholders``: {"videos", "clips"}; ``four_equal_labels``: {"placeholders" | "others": clips with M = T = A = V}.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from avmc_core.errors import InputError
from avmc_core.schema import GRID, SPLITS, TASKS, level

LEVELS = len(GRID)
PAIRS = tuple("".join(pair) for pair in combinations(TASKS, 2))  # MT, MA, MV, TA, TV, AV
PLACEHOLDER_VIDEOS = tuple(f"test{k}" for k in range(1, 16))  # in these, all clips carry M as T, A and V too
SOURCE = (
    "Counted in the label table meta.csv of CH-SIMS v2.0 (Liu et al., ICMI 2022), joined from two public copies: the "
    "multimodal label M and the split agree in both copies for all 4403 rows; the unimodal labels T, A and V come from one "
    "copy only; the annotation is derived from the sign of M. Counts only: no rows, no ids, no transcripts."
)
UNIFORM_SHARE = 0.001  # of the probability, spread over all cells: E[M | T, A, V] then exists for every combination


def label_counts(meta: pd.DataFrame) -> dict[str, Any]:
    """The counts described at the top of this module, from a label table (columns as ``released.read_meta`` gives them).

    Rows without all four labels (unlabelled clips) are left out. Raises InputError if none is left.
    """
    meta = meta[meta["split"].isin(SPLITS) & meta[list(TASKS)].notna().all(axis=1)]
    if meta.empty:
        raise InputError("label table", "no labelled row", "rows with M, T, A, V in train, valid or test")
    labels = meta[list(TASKS)].to_numpy()
    levels = level(labels)
    placeholder = meta["video_id"].isin(PLACEHOLDER_VIDEOS).to_numpy()
    equal = (labels == labels[:, :1]).all(axis=1)
    of_split = {split: (meta["split"] == split).to_numpy() for split in SPLITS}
    splits_of_video = meta.groupby("video_id")["split"].nunique()
    train_videos = set(meta.loc[of_split["train"], "video_id"])
    seen = meta["video_id"].isin(train_videos).to_numpy()
    return {
        "source": SOURCE,
        "rows": {split: int(rows.sum()) for split, rows in of_split.items()},
        "marginals": {
            name: {task: np.bincount(levels[rows, k], minlength=LEVELS).tolist() for k, task in enumerate(TASKS)}
            for name, rows in {**of_split, "placeholders": placeholder}.items()
        },
        "pairs": {
            "all": _pair_tables(levels),
            "without_placeholders": _pair_tables(levels[~placeholder]),
        },
        "neutral": {split: int((labels[rows, 0] == 0).sum()) for split, rows in of_split.items()},
        "off_grid": {task: int((labels[:, k] != GRID[levels[:, k]]).sum()) for k, task in enumerate(TASKS)},
        "videos": {
            "total": len(splits_of_video),
            "in_several_splits": int((splits_of_video > 1).sum()),
            "in_all_splits": int((splits_of_video == len(SPLITS)).sum()),
        },
        "sharing_a_video_with_train": {split: int((of_split[split] & seen).sum()) for split in SPLITS[1:]},
        "placeholders": {
            "videos": int(meta.loc[placeholder, "video_id"].nunique()),
            "clips": int(placeholder.sum()),
        },
        "four_equal_labels": {
            "placeholders": int((equal & placeholder).sum()),
            "others": int((equal & ~placeholder).sum()),
        },
    }


def _pair_tables(levels: np.ndarray) -> dict[str, list[list[int]]]:
    tables = {}
    for pair in PAIRS:
        i, j = (TASKS.index(task) for task in pair)
        cells = np.bincount(levels[:, i] * LEVELS + levels[:, j], minlength=LEVELS**2)
        tables[pair] = cells.reshape(LEVELS, LEVELS).tolist()
    return tables


@cache
def shipped_counts() -> dict[str, Any]:
    """The counts of the real label table that the package carries."""
    return json.loads(files("avmc_core").joinpath("resources", "label_counts.json").read_text(encoding="utf-8"))
