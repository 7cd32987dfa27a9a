"""What a difference between paper and code (a D number) does to a score, where an experiment has
measured it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from avmc_core.analysis.contrasts import contrasts
from avmc_core.data.store import Store
from avmc_core.runs.experiments import MENDABLE, MIXUPS, VALIDATED, VALIDATIONS
from avmc_core.runs.store import Record, Run

METRICS = ("MAE", "Acc2")
# D numbers (several: their joint effect), what is changed, the row that has it, the row without
Change = tuple[tuple[str, ...], str, str, str]


# The two variants of AV-MC differ in all that its entries name; these two stand for the rest.
VARIANTS: tuple[Change, ...] = (
    (("D01",), "AV-MC: all that is printed", "AV-MC (paper)", "AV-MC (released)"),
    (("D02",), "AV-MC(Semi): all that is printed", "AV-MC(Semi) (paper)", "AV-MC(Semi) (released)"),
)
# What the paper leaves open about its mixup, against the released answer.
MIXUP_CHANGES: tuple[Change, ...] = tuple(
    ((number,), f"AV-MC: {name}", name, next(iter(MIXUPS)))
    for number, name in zip(
        ("D07", "D07", "D07", "D08", "D31", "D31"), list(MIXUPS)[1:], strict=True
    )
)
# Text features drawn anew in every step, against stored ones.
DROPOUT_CHANGES: tuple[Change, ...] = (
    (("D16",), "AV-MC: the frozen encoder drops out", "encoder with dropout", "stored features"),
)
# The reference's validation loss put right in two steps: first the order, then the weights of the
# clips.
CLIPS, BATCHES, SHUFFLED = VALIDATIONS
VALIDATION_CHANGES: tuple[Change, ...] = tuple(
    ((number,), f"{model}: {what}", f"{model}, {with_it}", f"{model}, {without}")
    for model in VALIDATED
    for number, what, with_it, without in (
        ("D17", "validated in one order", BATCHES, SHUFFLED),
        ("D11", "validated over clips, not batches", CLIPS, BATCHES),
    )
)


def mended_changes() -> list[Change]:
    """Every difference of a baseline put right alone, and all of them together where there are
    several, once per model."""
    changes = []
    for model, numbers in MENDABLE.items():
        if len(numbers) > 1:
            changes += [
                ((number,), f"{model}: mended", f"{model}, {number} mended", model)
                for number in numbers
            ]
        changes.append((numbers, f"{model}: mended", f"{model} mended", model))
    return changes


def effects(
    records: Mapping[Run, Record], store: Store, changes: Sequence[Change]
) -> list[dict[str, Any]]:
    """For each change whose two rows were run: numbers, change, seeds (how many both rows have),
    and for each metric the difference with its interval, on the display scale: plain data, for
    ``tables.effects_table``."""
    pairs = list(dict.fromkeys((with_it, without) for _, _, with_it, without in changes))
    family = contrasts(dict(records), store, pairs, METRICS)
    at = {(row.first, row.second, row.metric): row.difference for row in family.itertuples()}
    seeds: dict[str, set[int]] = {}
    for run, record in records.items():
        if record.status == "done":
            seeds.setdefault(run.name, set()).add(run.seed)
    return [
        {"numbers": list(numbers), "change": what, "seeds": len(seeds[with_it] & seeds[without])}
        | {
            metric: {
                part: getattr(at[with_it, without, metric], part)
                for part in ("estimate", "low", "high")
            }
            for metric in METRICS
        }
        for numbers, what, with_it, without in changes
        if (with_it, without, METRICS[0]) in at
    ]
