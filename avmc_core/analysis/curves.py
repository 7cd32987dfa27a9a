"""Describes training curves in words: losses that are sums of several terms, and a consistency loss
that can grow although it is minimised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from avmc_core.runs.store import Record, Run

TOTAL, CONSISTENCY = "total", "consistency_"


def highest_start(records: Mapping[Run, Record]) -> str:
    """The run whose training loss is the highest in its first epoch, and the terms of that loss, in
    words; "" if no run was trained in epochs."""
    starts = {
        run: _first_pass(record.history[0]) for run, record in records.items() if record.history
    }
    if not starts:
        return ""
    run, losses = max(starts.items(), key=lambda item: item[1][TOTAL])
    parts = ", ".join(f"{name} {value:.2f}" for name, value in losses.items() if name != TOTAL)
    begins = f"The training loss that begins highest is that of {run.name}, {losses[TOTAL]:.2f}"
    if not parts:
        return f"{begins}."
    return (
        f"{begins}. It combines several losses ({parts}), so that it cannot be compared with the "
        "validation loss or with runs that combine others."
    )


def largest_jump(records: Mapping[Run, Record]) -> str:
    """The largest rise of a validation loss from one epoch to the next, what became of it one epoch
    later, and which epoch was kept, in words; "" if no run was trained for two epochs."""
    rises = {
        (run, epoch): after["validation"] - before["validation"]
        for run, record in records.items()
        for epoch, (before, after) in enumerate(pairwise(record.history), 2)
        if {"validation"} <= before.keys() & after.keys()
    }
    if not rises:
        return ""
    (run, epoch), rise = max(rises.items(), key=lambda item: item[1])
    if rise <= 0:
        return "No validation loss rises from one epoch to the next."
    losses = [row["validation"] for row in records[run].history]
    later = f", one epoch later {losses[epoch]:.2f}" if epoch < len(losses) else ""
    return (
        f"The largest jump of a validation loss is that of {run.name} with seed {run.seed}, in "
        f"epoch {epoch}: {losses[epoch - 2]:.2f} before, {losses[epoch - 1]:.2f} then{later}. It "
        f"decides nothing, because the epoch with the lowest loss is kept, here epoch "
        f"{records[run].best_epoch}."
    )


def consistency_in_training(history: Sequence[Mapping[str, float]], kept: int) -> str:
    """The change of the consistency losses from the first epoch to the one that was ``kept``
    (counted from 1), in words; where one has grown, also that of the regression loss of the same
    pass. "" if there are no consistency losses."""
    first, last = _first_pass(history[0]), _first_pass(history[kept - 1])
    modalities = [name.removeprefix(CONSISTENCY) for name in first if name.startswith(CONSISTENCY)]
    if not modalities:
        return ""
    ends = {m: (first[CONSISTENCY + m], last[CONSISTENCY + m]) for m in modalities}
    went = ", ".join(f"{m} from {start:.3f} to {end:.3f}" for m, (start, end) in ends.items())
    grown = [m for m, (start, end) in ends.items() if end > start]
    if kept == 1:
        return (
            "The first epoch was kept, so there is no change of the consistency losses to report."
        )
    change = (
        f"From the first epoch of its training to the one that was kept, the consistency losses "
        f"changed: {went}."
    )
    if not grown:
        return change
    return (
        f"{change} For {' and '.join(grown)} the loss grew although it is part of what is "
        "minimised. That is not an error: as the predictions for different clips move apart, a "
        "mixture can miss by more. "
        f"The regression loss went from {first['regression']:.2f} to {last['regression']:.2f}."
    )


def _first_pass(row: Mapping[str, float]) -> dict[str, float]:
    """The losses of the first pass of an epoch, by name."""
    name = next(key for key in row if key.endswith(f".{TOTAL}")).partition(".")[0]
    return {
        key.partition(".")[2]: value for key, value in row.items() if key.startswith(f"{name}.")
    }
