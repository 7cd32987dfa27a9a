"""What the whole grid costs: the declared runs, times what an epoch was measured to take, divided
among workers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import pandas as pd

from avmc_core import schema
from avmc_core.models import registry
from avmc_core.runs.experiments import EXPERIMENTS
from avmc_core.runs.store import Record
from avmc_core.settings import as_dict, digest
from avmc_core.speed.bench_models import CLIPS

WORKERS = (1, 8, 64)
BENCHED = {"AV-MC": "supervised", "AV-MC(Semi)": "semi"}  # names of their steps in the benchmark
# of an epoch (D10), where not one
PASSES = {"AV-MC(Semi)": (schema.TRAIN_MIX, "train"), "MMIM": ("train", "train")}
HOUR = 3600


def declared(profile: str) -> pd.Series:
    """Model to the number of different runs that all experiments together ask for, whatever their
    names and however their settings come about."""
    asked = (run for plan in EXPERIMENTS.values() for run in plan.runs(profile))
    # by the settings' canonical form, as keys are: from Python 3.13 on, settings with a NaN, which
    # stands for a weight that is not given, are not equal to themselves
    runs = {(run.model, digest(as_dict(run.settings)), run.seed, run.protocol) for run in asked}
    return pd.Series([model for model, *_ in runs]).value_counts()


def measured(records: Iterable[Record]) -> pd.DataFrame:
    """By model: runs, epochs of a run, core seconds of a run and of an epoch (scoring and first
    access included), as means over the finished ones. Models without epochs have none."""
    rows = [
        {"model": record.model, "runs": 1, "epochs": record.epochs, "seconds": record.seconds}
        for record in records
        if record.status == "done"
    ]
    sums = pd.DataFrame(rows, columns=["model", "runs", "epochs", "seconds"]).groupby("model").sum()
    return pd.DataFrame(
        {
            "runs": sums["runs"],
            "epochs per run": sums["epochs"] / sums["runs"],
            "core s per run": sums["seconds"] / sums["runs"],
            "core s per epoch": (sums["seconds"] / sums["epochs"]).where(sums["epochs"] > 0),
        }
    )


def full_size(
    costs: pd.DataFrame, clips: int, epochs: int, bench: Mapping[str, dict]
) -> pd.DataFrame:
    """Core seconds of an epoch and core hours of a run of ``epochs`` on the released data, by
    model, and where they come from.

    From the benchmark's steps at real sizes, on as many cores as it had threads, where it has the
    model: an epoch is a step for each batch of each pass's clips. Where it has the step of one pass
    alone, that of "mixup" or "main", the other pass is counted at the same cost, which is at least
    what it takes. Else from ``costs`` on a corpus of ``clips`` training clips, in proportion to the
    clips alone, which is too low where its sequences are shorter. None for models that fine-tune
    BERT and are not in the benchmark: in BERT's place the simulated corpus has a small encoder, or
    stored states.
    """
    rows = {}
    for model, cost in costs.iterrows():
        scale, epoch = CLIPS["train"] / clips, _benched(model, bench)
        if epoch is not None:
            source, hours = "steps at real size", epoch * epochs / HOUR
        elif getattr(registry.settings_of(model), "text", "") == "finetune":
            epoch, hours, source = math.nan, math.nan, "not known: BERT is fine-tuned"
        else:
            epoch, source = cost["core s per epoch"] * scale, "this corpus, by clips"
            hours = (
                epoch * epochs if cost["epochs per run"] else cost["core s per run"] * scale
            ) / HOUR
        rows[model] = {"core s per epoch": epoch, "core h per run": hours, "from": source}
    return pd.DataFrame.from_dict(
        rows, orient="index", columns=["core s per epoch", "core h per run", "from"]
    )


def _benched(model: str, bench: Mapping[str, dict]) -> float | None:
    """Core seconds of an epoch by the benchmark's record, None if that has not timed the model."""
    if own := bench.get("models", {}).get(model):
        return own["epoch"] * own["threads"]
    step = bench.get(BENCHED.get(model, model), {})
    seconds = step.get("whole", step.get("fast"))
    if seconds is None:
        return None
    batches = sum(
        math.ceil(CLIPS[split] / step["clips"]) for split in PASSES.get(model, ("train",))
    )
    return batches * seconds * step["threads"]


def shared(runs: pd.Series, hours: pd.Series) -> pd.DataFrame:
    """Wall-clock hours of the grid by number of workers of the same speed, one run each: the work
    divided evenly, but never less than the longest run. ``hours``: of a run, by model; a model
    without a figure is left out."""
    known = hours.dropna()
    work, longest = float((runs.reindex(known.index).fillna(0) * known).sum()), float(known.max())
    return pd.DataFrame({"hours": {n: max(work / n, longest) for n in WORKERS}})
