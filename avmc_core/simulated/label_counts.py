"""Counts of a label table, and those of the real one that the package carries: no row, no id, no
transcript.

The multimodal label M of all clips is known in two sets (``avmc_core.data.label_sets``); T, A and V
of the clips that were labelled anew are not public. So a table's counts rest on two groups of
clips, each named in ``basis``: M on all labelled clips, and everything that sets T, A, V and M
beside one another on clips whose four labels are of one set.

Layout of ``resources/label_counts.json`` and of what ``label_counts`` returns (a list of 11 runs
over ``schema.GRID``, -1 to 1; a label off the grid counts at its nearest level):

- ``basis``: {"M" | "four": which clips, which set of labels, from where, in words};
- ``rows``: {split: labelled clips}; ``added``: clips that the original CH-SIMS did not have;
- ``M``: {split: 11 counts}; ``neutral``: {split: clips with M = 0 exactly}; ``off_grid``: {"M":
  labels no multiple of 0.2};
- ``within_videos``: ICC(1) of M by source video, over all labelled clips;
- ``four``: of the clips of the second basis, ``rows`` {split: clips}, ``marginals`` {split: {task:
  11 counts}}, ``pairs`` {"MT" | "MA" | "MV" | "TA" | "TV" | "AV": 11 x 11 counts, rows over the
  pair's first task}, ``signs`` (3 x 3 x 3 x 3 counts of negative, zero, positive M, T, A, V),
  ``within_videos`` {task: ICC(1)}, and ``irony`` (``avmc_core.simulated.irony``): ``clips``, the
  slope of ``words``, its ``change`` where a clip is ironic and that change's ``interval`` of 95 %;
  None without such clips;
- ``placeholders``: clips of videos whose four labels are all equal: ``videos``, ``clips``, and
  their ``M`` (11 counts);
- ``four_equal_labels``: {"placeholders" | "others": clips with M = T = A = V};
- ``videos``: {"total", "in_several_splits", "in_all_splits"}; ``sharing_a_video_with_train``:
  {"valid" | "test": clips}.
"""

from __future__ import annotations

import json
import math
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from avmc_core.data.label_sets import MIXED, original_part, recognise
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.data.within_videos import alike_within_videos
from avmc_core.errors import InputError
from avmc_core.home import resource_text
from avmc_core.schema import GRID, SPLITS, TASKS, level
from avmc_core.simulated.irony import interval_of_irony, ironic, weight_of_words

LEVELS = len(GRID)
PAIRS = tuple("".join(pair) for pair in combinations(TASKS, 2))  # MT, MA, MV, TA, TV, AV


def label_counts(table: pd.DataFrame, relabelled: pd.DataFrame | None = None) -> dict[str, Any]:
    """The counts described at the top of this module, from a label table (columns as in
    ``released.read_meta``).

    ``relabelled`` (columns video_id, clip_id, M): another set of M for the same clips, which then
    is the one that is counted wherever M stands alone. Rows without all four labels (unlabelled
    clips) are left out. In the mixed table ``four`` rests on the new clips alone, in any other on
    all, in both without placeholders. Raises InputError if no labelled row is left, or if
    ``relabelled`` lacks one of the clips.
    """
    table = table[table["split"].isin(SPLITS) & table[list(TASKS)].notna().all(axis=1)]
    if table.empty:
        raise InputError(
            "label table", "no labelled row", "rows with M, T, A, V in train, valid or test"
        )
    labels = table[list(TASKS)].to_numpy()
    placeholder = placeholder_clips(table)
    mixed = recognise(table).key == MIXED
    usable = ~placeholder & ~(original_part(table["clip_id"]) & mixed)
    multimodal = labels[:, 0] if relabelled is None else _of_clips(table, relabelled)
    equal = (labels == labels[:, :1]).all(axis=1)
    of_split = {split: (table["split"] == split).to_numpy() for split in SPLITS}
    splits_of_video = table.groupby("video_id")["split"].nunique()
    seen = table["video_id"].isin(table.loc[of_split["train"], "video_id"]).to_numpy()
    alone = table.assign(M=multimodal)
    return {
        "basis": _basis(alone, table, usable, mixed),
        "rows": {split: int(rows.sum()) for split, rows in of_split.items()},
        "added": int((~original_part(table["clip_id"])).sum()),
        "M": {split: _levels(multimodal[rows]) for split, rows in of_split.items()},
        "neutral": {split: int((multimodal[rows] == 0).sum()) for split, rows in of_split.items()},
        "off_grid": {"M": int((np.abs(multimodal - GRID[level(multimodal)]) > 1e-6).sum())},
        "within_videos": _within_videos(alone)["M"],
        "four": _four(table[usable], {split: rows[usable] for split, rows in of_split.items()}),
        "placeholders": {
            "videos": int(table.loc[placeholder, "video_id"].nunique()),
            "clips": int(placeholder.sum()),
            "M": _levels(multimodal[placeholder]),
        },
        "four_equal_labels": {
            "placeholders": int((equal & placeholder).sum()),
            "others": int((equal & ~placeholder).sum()),
        },
        "videos": {
            "total": len(splits_of_video),
            "in_several_splits": int((splits_of_video > 1).sum()),
            "in_all_splits": int((splits_of_video == len(SPLITS)).sum()),
        },
        "sharing_a_video_with_train": {
            split: int((of_split[split] & seen).sum()) for split in SPLITS[1:]
        },
    }


@cache
def shipped_counts() -> dict[str, Any]:
    """The counts of the real label table that the package carries: M relabelled, the four labels
    of the new clips.
    """
    return json.loads(resource_text("label_counts.json"))


def _four(table: pd.DataFrame, of_split: dict[str, np.ndarray]) -> dict[str, Any]:
    labels = table[list(TASKS)].to_numpy()
    levels = level(labels)
    odd = int(ironic(labels).sum())
    irony = {"clips": odd, "words": None, "change": None, "interval": None}
    if odd:
        words, change = weight_of_words(labels)
        ends = interval_of_irony(labels, table["video_id"].to_numpy(str))
        irony |= {
            "words": round(words, 3),
            "change": round(change, 3),
            "interval": [round(x, 3) for x in ends],
        }
    signs = np.bincount(
        np.ravel_multi_index(np.sign(levels - LEVELS // 2).T + 1, (3,) * 4), minlength=81
    )
    return {
        "rows": {split: int(rows.sum()) for split, rows in of_split.items()},
        "marginals": {
            split: {task: _levels(labels[rows, k]) for k, task in enumerate(TASKS)}
            for split, rows in of_split.items()
        },
        "pairs": _pair_tables(levels),
        "signs": signs.reshape((3,) * 4).tolist(),
        "within_videos": _within_videos(table),
        "irony": irony,
    }


def _pair_tables(levels: np.ndarray) -> dict[str, list[list[int]]]:
    tables = {}
    for pair in PAIRS:
        i, j = (TASKS.index(task) for task in pair)
        cells = np.bincount(levels[:, i] * LEVELS + levels[:, j], minlength=LEVELS**2)
        tables[pair] = cells.reshape(LEVELS, LEVELS).tolist()
    return tables


def _levels(labels: np.ndarray) -> list[int]:
    return np.bincount(level(labels), minlength=LEVELS).tolist()


def _within_videos(table: pd.DataFrame) -> dict[str, float | None]:
    sizes = table["video_id"].value_counts()
    if len(sizes) < 2 or sizes.max() < 2:
        return dict.fromkeys(TASKS)
    alike = alike_within_videos(table).items()
    return {task: None if math.isnan(value) else round(value, 4) for task, value in alike}


def _of_clips(table: pd.DataFrame, other: pd.DataFrame) -> np.ndarray:
    """M (N,) of the clips of ``table`` in another table."""
    keys = ["video_id", "clip_id"]
    m = table[keys].merge(other[[*keys, "M"]], on=keys, how="left", validate="one_to_one")["M"]
    if m.isna().any():
        clip = "/".join(table[keys].iloc[int(m.isna().argmax())])
        raise InputError(
            "relabelled table",
            f"no M of clip {clip}",
            "M of every labelled clip of the label table",
        )
    return m.to_numpy(np.float64)


def _basis(
    alone: pd.DataFrame, table: pd.DataFrame, usable: np.ndarray, mixed: bool
) -> dict[str, str]:
    """Which clips and labels the counts rest on, in words."""
    clips = f"the {usable.sum()} {'new' if mixed else 'labelled'} clips that are"
    why = (
        "; in the original part the four labels are those of the original CH-SIMS" if mixed else ""
    )
    return {
        "M": f"M of all {len(table)} labelled clips: {recognise(alone)}.",
        "four": f"The four labels of {clips} no placeholders: {recognise(table)}{why}.",
    }
