"""The label table beside the pickle: the same clips in the same splits, or an error; other texts
and labels are reported.

The released pickle and the ``meta.csv`` in circulation carry different labels (``label_sets``), so
that about a third of the clips differ in every right pair of the two. The pickle's texts and labels
are the ones that are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from avmc_core import schema
from avmc_core.data.label_sets import MIXED, RELABELLED, original_part, recognise
from avmc_core.errors import InputError, counted

_KEY = ["video_id", "clip_id"]
_NAMED = 3  # clips that an error names


def differences(
    clips: pd.DataFrame, meta: pd.DataFrame, path: str | Path
) -> Iterator[tuple[str, int]]:
    """How a label table differs from the labelled ``clips`` of a pickle: in words, and in how many
    clips.

    Both tables need the columns video_id, clip_id, split, text, M, T, A, V; ``path`` is the label
    table's. Raises InputError, which names clips, when clips are in only one of the two, or in
    another split.
    """
    left, right = (table[table["split"] != schema.UNLABELLED] for table in (clips, meta))
    both = left.merge(right, on=_KEY, how="outer", suffixes=("", "_meta"), indicator=True)
    _refuse(both, path)
    texts = both["text"].str.split().str.join("") != both["text_meta"].str.split().str.join("")
    yield "clips whose text differs in meta.csv, the pickle's kept", int(texts.sum())
    apart = {task: (both[task] - both[f"{task}_meta"]).abs().to_numpy() for task in schema.TASKS}
    original = original_part(both["clip_id"])
    mixed = recognise(right).key == MIXED and recognise(left).key == RELABELLED
    yield _labels("M", apart["M"], original, mixed), int((apart["M"] > 1e-6).sum())
    for task in schema.TASKS[1:]:
        yield _labels(task, apart[task], original, False), int((apart[task] > 1e-6).sum())


def _labels(task: str, apart: np.ndarray, original: np.ndarray, mixed: bool) -> str:
    """The differences (N,) in the labels of a task, by part and size."""
    other = apart > 1e-6
    if not other.any():
        return f"clips whose {task} differs in meta.csv"
    summary = (
        f"{task} differs in meta.csv in {other.sum():,} of {len(other):,} clips, "
        f"{(other & original).sum():,} of them in the "
        f"original part, by {apart[other].mean():.2f} on average and at most {apart.max():.2f}"
    )
    return (
        f"{summary}{': this table has the original CH-SIMS labels there' if mixed else ''}; the "
        "pickle's labels are kept"
    )


def _refuse(both: pd.DataFrame, path: str | Path) -> None:
    """Ends in an InputError unless every clip is in both tables, in the same split."""
    where = {
        "of the pickle that it lacks": both["_merge"] == "left_only",
        "that the pickle lacks": both["_merge"] == "right_only",
        "in another split than in the pickle": (both["_merge"] == "both")
        & (both["split"] != both["split_meta"]),
    }
    mismatches = [
        f"{counted(rows.sum(), 'clip')} {what} ({_named(both[rows])})"
        for what, rows in where.items()
        if rows.any()
    ]
    if mismatches:
        expected = (
            "the table of the same clips in the same splits: give the meta.csv that belongs to "
            "this pickle, or none"
        )
        raise InputError(path, " and ".join(mismatches), expected)


def _named(clips: pd.DataFrame) -> str:
    names = ["/".join(ids) for ids in clips[_KEY].head(_NAMED).itertuples(index=False)]
    return ", ".join(names) + (", ..." if len(clips) > _NAMED else "")
