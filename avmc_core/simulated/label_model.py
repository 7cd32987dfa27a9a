"""The joint distribution of the four annotations, from counts alone.

``resources/label_counts.json`` carries what may be published of the real label table: counts, no row, no id, no
transcript. From them comes the distribution the embedded corpus draws its labels from: among all joint distributions of
(M, T, A, V) with the six real pairwise tables, the one of maximum entropy (found by iterative proportional fitting),
raked to the marginals of each split.

Layout of the counts (a list of 11 runs over ``schema.GRID``, -1 to 1; an off-grid label counts at its nearest level):

- ``source``: where the table comes from, in words; ``rows``: {split: clips};
- ``added``: the clips that the original CH-SIMS did not have: its own kept their four-digit ids, later ones are longer;
- ``marginals``: {split: {task: 11 counts}}, the splits with all their clips, and as a further entry ``placeholders``
  the clips of the placeholder videos alone (they are among the test clips too);
- ``pairs``: {"all" | "without_placeholders": {"MT" | "MA" | "MV" | "TA" | "TV" | "AV": 11 x 11 counts}}, the rows of a
  table run over the pair's first task, its columns over the second;
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

from avmc_core.data.placeholders import placeholder_clips
from avmc_core.errors import InputError
from avmc_core.schema import GRID, SPLITS, TASKS, level

LEVELS = len(GRID)
PAIRS = tuple("".join(pair) for pair in combinations(TASKS, 2))  # MT, MA, MV, TA, TV, AV
SOURCE = (
    "Counted in the label table meta.csv of CH-SIMS v2.0 (Liu et al., ICMI 2022), joined from two public copies: the "
    "multimodal label M and the split agree in both copies for all 4403 rows; the unimodal labels T, A and V come from "
    "one copy only; the annotation is derived from the sign of M. Counts only: no rows, no ids, no transcripts."
)
UNIFORM_SHARE = 0.001  # of the probability, spread over all cells: E[M | T, A, V] then exists for every combination


def label_counts(meta: pd.DataFrame) -> dict[str, Any]:
    """The counts described at the top of this module, from a label table (columns as in ``released.read_meta``).

    Rows without all four labels (unlabelled clips) are left out. Raises InputError if none is left.
    """
    meta = meta[meta["split"].isin(SPLITS) & meta[list(TASKS)].notna().all(axis=1)]
    if meta.empty:
        raise InputError("label table", "no labelled row", "rows with M, T, A, V in train, valid or test")
    labels = meta[list(TASKS)].to_numpy()
    levels = level(labels)
    placeholder = placeholder_clips(meta)
    equal = (labels == labels[:, :1]).all(axis=1)
    of_split = {split: (meta["split"] == split).to_numpy() for split in SPLITS}
    splits_of_video = meta.groupby("video_id")["split"].nunique()
    train_videos = set(meta.loc[of_split["train"], "video_id"])
    seen = meta["video_id"].isin(train_videos).to_numpy()
    return {
        "source": SOURCE,
        "rows": {split: int(rows.sum()) for split, rows in of_split.items()},
        "added": int((meta["clip_id"].str.len() > 4).sum()),
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


@cache
def joint(split: str | None = None) -> np.ndarray:
    """P(M, T, A, V), (11, 11, 11, 11), axes in the order of ``schema.TASKS``; read-only.

    Without ``split``: the maximum-entropy distribution with the six real pairwise tables (placeholder videos left out).
    With it: the same, raked to that split's four marginals, again without placeholders; every odds ratio stays.
    Raises InputError for an unknown split.
    """
    counts = shipped_counts()
    if split is None:
        start = np.full((LEVELS,) * 4, float(LEVELS) ** -4)
        tables = {pair: np.array(table) for pair, table in counts["pairs"]["without_placeholders"].items()}
        targets = {_axes(pair): _spread(table / table.sum()) for pair, table in tables.items()}
    elif split in SPLITS:
        start = joint()
        marginals = counts["marginals"]
        targets = {}
        for task in TASKS:
            margin = np.array(marginals[split][task]) - (np.array(marginals["placeholders"][task]) * (split == "test"))
            targets[_axes(task)] = _spread(margin / margin.sum())
    else:
        raise InputError("joint", f"split {split!r}", f"one of {', '.join(SPLITS)}")
    fitted = proportional_fit(start, targets)
    fitted.flags.writeable = False
    return fitted


def proportional_fit(start: np.ndarray, targets: dict[tuple[int, ...], np.ndarray], tolerance=1e-7) -> np.ndarray:
    """Iterative proportional fitting: the distribution nearest to ``start`` (in relative entropy) with the given margins.

    ``targets`` maps the axes that a margin keeps to that margin, with its dimensions in the same order. Ends when no
    margin is off by more than ``tolerance`` in any cell. Raises InputError if the margins cannot be met together.
    """
    p = start / start.sum()
    for _ in range(2000):
        worst = 0.0
        for axes, target in targets.items():
            others = tuple(k for k in range(p.ndim) if k not in axes)
            margin = p.sum(axis=others, keepdims=True)
            wanted = target.reshape(margin.shape)
            worst = max(worst, np.abs(margin - wanted).max())
            p = p * np.divide(wanted, margin, out=np.zeros_like(margin), where=margin > 0)
        if worst < tolerance:
            return p
    raise InputError("proportional_fit", f"margins off by {worst:.2g}", f"margins that agree within {tolerance:.2g}")


def sample(rng: np.random.Generator, p: np.ndarray, n: int) -> np.ndarray:
    """``n`` joint draws from ``p`` (the joint of all four tasks), as labels on the grid, (n, 4), in random order.

    A systematic draw (one random offset, equal steps through the cells, M outermost): each single draw follows ``p``, and
    the class counts of M, hence of a small corpus, stay as near to their expectation as whole numbers can.
    """
    points = (np.arange(n) + rng.random()) / n
    cells = np.minimum(np.searchsorted(np.cumsum(p.ravel()), points, side="right"), p.size - 1)
    return GRID[np.stack(np.unravel_index(rng.permutation(cells), p.shape), axis=1)]


def expected_multimodal(labels: np.ndarray, split: str | None = None) -> np.ndarray:
    """E[M | T, A, V] under ``joint(split)``: the generating rule as a regression. ``labels`` (N, 3) T, A, V; result (N,).

    Where an annotation is NaN the expectation is over it as well. No predictor of M from the three latent labels has a
    smaller mean squared error on an embedded corpus.
    """
    p, known = joint(split), ~np.isnan(labels)
    expected = np.empty(len(labels))
    for pattern in np.unique(known, axis=0):
        rows = (known == pattern).all(axis=1)
        rest = p.sum(axis=tuple(1 + k for k in np.flatnonzero(~pattern)))  # M and what is known
        table = np.tensordot(GRID, rest, axes=1) / rest.sum(axis=0)
        expected[rows] = table[tuple(level(labels[rows][:, pattern]).T)]
    return expected


def _axes(tasks: str) -> tuple[int, ...]:
    return tuple(TASKS.index(task) for task in tasks)


def _spread(margin: np.ndarray) -> np.ndarray:
    return (1 - UNIFORM_SHARE) * margin + UNIFORM_SHARE / margin.size
