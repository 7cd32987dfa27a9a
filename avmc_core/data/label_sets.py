"""The two sets of multimodal labels that circulate for the same 4403 clips of CH-SIMS v2.0 (s),
known by their counts.

The paper's Table 1 and the released pickle use the *relabelled* set. The label table ``meta.csv``
in circulation is the *mixed* one: in its original part, the 2281 clips that were already in
CH-SIMS, it carries the labels of the original CH-SIMS. ``resources/label_sets.json`` has histograms
of M by set, split and part, how the sets differ, and the pair tables of the original part; no row,
no id, no transcript. A histogram has 11 counts, over the levels of ``schema.GRID``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from avmc_core.home import resource_text
from avmc_core.schema import GRID, LIMITS, SPLITS, level

RELABELLED, MIXED, OTHER, SIMULATED = "relabelled", "mixed", "other", "simulated"
ORIGINAL, NEW = PARTS = ("original", "new")
NAMES = {
    RELABELLED: "the relabelled set",
    MIXED: "the mixed set: original labels in the original part",
    OTHER: "another set of labels",
    SIMULATED: "simulated labels",
}
_TOLERATED = 0.01  # of the clips; the two sets lie 18.5 % apart

Histograms = Mapping[str, Mapping[str, np.ndarray]]  # {split: {part: 11 counts}}


@dataclass(frozen=True)
class Recognised:
    """Which set a table carries. ``apart``: the fewest clips whose M would have to change to give
    that set's counts."""

    key: str  # RELABELLED, MIXED or OTHER
    apart: int = 0

    def __str__(self) -> str:
        if not self.apart:
            return NAMES[self.key]
        return f"{NAMES[self.key]}, but for {self.apart} label{'s' if self.apart > 1 else ''}"


def original_part(clip_ids: Iterable[str]) -> np.ndarray:
    """(N,) bool: whether the clip was in the original CH-SIMS. Its clips kept their four-digit ids;
    new ids are longer."""
    return np.array([len(clip_id) <= 4 for clip_id in clip_ids], dtype=bool)


def histograms(table: pd.DataFrame) -> dict[str, dict[str, np.ndarray]]:
    """M of a label table (columns split, clip_id, M) by split and part; rows without M are left
    out."""
    labelled = table[table["M"].notna()]
    levels, original = level(labelled["M"]), original_part(labelled["clip_id"])
    return {
        split: {
            part: np.bincount(
                levels[(labelled["split"] == split) & (original == (part == ORIGINAL))],
                minlength=11,
            )
            for part in PARTS
        }
        for split in SPLITS
    }


def recognise(table: pd.DataFrame) -> Recognised:
    """Recognises which of the two sets a label table (columns split, clip_id, M) carries.

    A set is recognised when every split and part has its number of clips and the histograms of M
    lie within one percent of the clips; otherwise ``name`` is OTHER. Counts cannot detect two clips
    of the same split and part whose labels are swapped.
    """
    counts = histograms(table)
    for key in (RELABELLED, MIXED):
        known = of_set(key)
        same_rows = all(counts[s][p].sum() == known[s][p].sum() for s in SPLITS for p in PARTS)
        apart = _apart(counts, known)
        if same_rows and apart <= _TOLERATED * total(known).sum():
            return Recognised(key, apart)
    return Recognised(OTHER)


def named(table: pd.DataFrame, limit: float) -> str:
    """A label table's set in words, if its labels are at most 1, else their range."""
    return str(recognise(table)) if limit == min(LIMITS) else f"from {-limit:g} to {limit:g}"


def of_set(key: str) -> Histograms:
    """M of all clips in one of the two sets, by split and part."""
    sets = recorded()["sets"][key]["M"]
    return {split: {part: np.array(sets[split][part]) for part in PARTS} for split in SPLITS}


def total(counts: Histograms, *, split: str | None = None, part: str | None = None) -> np.ndarray:
    """(11,) M of one split or of all, of one part or of both."""
    splits, parts = [split] if split else SPLITS, [part] if part else PARTS
    return np.sum([counts[s][p] for s in splits for p in parts], axis=0)


def constant_scores(key: str) -> dict[str, float]:
    """Acc2, Acc2_weak (shares) and MAE of always predicting 0 on the test split of a set, where 0
    counts as negative (Section 5.1)."""
    n = total(of_set(key), split="test")
    weak = np.abs(GRID) <= 0.4
    moved = [
        (label["label"], label["clips"])
        for label in recorded()["sets"][key]["off_grid"]
        if label["split"] == "test"
    ]
    absolute = (n * np.abs(GRID)).sum() + sum(k * (abs(y) - abs(GRID[level(y)])) for y, k in moved)
    return {
        "Acc2": float(n[GRID <= 0].sum() / n.sum()),
        "Acc2_weak": float(n[weak & (GRID <= 0)].sum() / n[weak].sum()),
        "MAE": float(absolute / n.sum()),
    }


@cache
def recorded() -> dict[str, Any]:
    """The content of ``resources/label_sets.json``: ``sets`` (for each set ``source`` in words,
    ``M``: {split: {part: 11 counts}}, ``off_grid``), ``differ`` (by kind of clip: the number of
    clips, of clips whose M differs between the sets, and of clips whose M was read off the
    relabelled file), ``other_sign`` (clips whose M differs in sign, by split), ``reports`` (public
    statements of others about the released pickle, each with its source), and ``original_pairs``
    (the 11 x 11 tables of each pair of annotations in the original part of the mixed set)."""
    return json.loads(resource_text("label_sets.json"))


def _apart(counts: Histograms, known: Histograms) -> int:
    return int(sum(np.abs(counts[s][p] - known[s][p]).sum() for s in SPLITS for p in PARTS) // 2)
