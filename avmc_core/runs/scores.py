"""The scores of finished runs, computed from their stored predictions whenever they are read.

Records do not hold them and keys do not depend on them, so a new metric or another convention does
not require any run to be computed again.
"""

from __future__ import annotations

import numpy as np

from avmc_core import schema
from avmc_core.data.metric_conventions import of_limit
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.data.splits import SplitProtocol
from avmc_core.data.store import Split, Store
from avmc_core.errors import InputError
from avmc_core.runs.store import Record

Scores = dict[str, dict[str, float]]  # task to metric to value


def scores(record: Record, store: Store, split: str = "test") -> Scores:
    """The scores of a run on one split of ``store``, the store that it was trained on; {} for a run
    that failed. Raises InputError for another store."""
    if record.status != "done":
        return {}
    if record.data["digest"] != store.digest:
        raise InputError(
            record.folder,
            f"a run on data {record.data['digest'][:12]}",
            f"one on {store.digest[:12]}, the store at hand",
        )
    seen = SplitProtocol(**record.data["protocol"]).of(store, record.seed)
    return score(seen.split(split), record.predictions(split), store.limit)


def score(
    split: Split, predictions: dict[str, np.ndarray], limit: float = min(schema.LIMITS)
) -> Scores:
    """Task to metrics of predictions (N,) of a split, in its order: those of labels from -limit to
    limit, for the tasks that the clips are annotated for."""
    evaluate = of_limit(limit).evaluate
    return {
        task: evaluate(prediction[(rows := scored_clips(split, task))], labels(split, task)[rows])
        for task, prediction in predictions.items()
        if not np.isnan(labels(split, task)).any()
    }


def scored_clips(split: Split, task: str) -> np.ndarray:
    """(N,) bool, the clips that a task is scored on: T, A and V leave out those whose unimodal
    labels are placeholders."""
    if task == "M":
        return np.ones(len(split.labels), dtype=bool)
    return ~placeholder_clips(split.clips)


def labels(split: Split, task: str) -> np.ndarray:
    """(N,), a task's own labels (the released log has M's: D13)."""
    return split.labels[:, schema.TASKS.index(task)]
