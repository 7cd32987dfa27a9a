"""What the whole grid costs: the declared runs, times what an epoch was measured to take, divided among workers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pandas as pd

from avmc_core import registry
from avmc_core.experiments import EXPERIMENTS
from avmc_core.runs import Record

CLIPS = {"train": 2722, "unlabelled": 10161}  # of the released data
WORKERS = (1, 8, 64)
BENCHED = {"AV-MC": "supervised", "AV-MC(Semi)": "semi"}  # names of their steps in the benchmark
HOUR = 3600


def declared(profile: str) -> pd.Series:
    """Model to the number of different runs that all experiments together ask for."""
    runs = {replace(run, label="") for plan in EXPERIMENTS.values() for run in plan.runs(profile)}
    return pd.Series([run.model for run in runs]).value_counts()


def measured(records: Iterable[Record]) -> pd.DataFrame:
    """By model: runs, epochs of a run, seconds of a run and of an epoch (scoring and first access included), as means over the
    finished ones. Models without epochs have none."""
    rows = [
        {"model": record.model, "runs": 1, "epochs": record.epochs, "seconds": record.seconds}
        for record in records
        if record.status == "done"
    ]
    sums = pd.DataFrame(rows, columns=["model", "runs", "epochs", "seconds"]).groupby("model").sum()
    return pd.DataFrame(
        {
            "runs": sums["runs"],
            "epochs a run": sums["epochs"] / sums["runs"],
            "s a run": sums["seconds"] / sums["runs"],
            "s an epoch": (sums["seconds"] / sums["epochs"]).where(sums["epochs"] > 0),
        }
    )


def full_size(costs: pd.DataFrame, clips: int, epochs: int, bench: Mapping[str, dict]) -> pd.DataFrame:
    """Core seconds of an epoch and core hours of a run of ``epochs`` on the released data, by model, and where they come from.

    From the benchmark's step at real sizes, on as many cores as it had threads, where it has the model: an epoch is a step for
    each batch of its clips. Else from
    ``costs`` on a corpus of ``clips`` training clips, in proportion to the clips alone, which is too low where its sequences
    are shorter. None for models that fine-tune BERT, in whose place the simulated corpus has a small encoder.
    """
    rows = {}
    for model, cost in costs.iterrows():
        step, scale = bench.get(BENCHED.get(model, model)), CLIPS["train"] / clips
        if getattr(registry.settings_of(model), "text", "") == "finetune":
            epoch, hours, source = math.nan, math.nan, "not known: BERT is fine-tuned"
        elif step and "fast" in step:
            passed = sum(CLIPS.values()) if model == "AV-MC(Semi)" else CLIPS["train"]
            epoch, source = math.ceil(passed / step["clips"]) * step["fast"] * step["threads"], "a step at real size"
            hours = epoch * epochs / HOUR
        else:
            epoch, source = cost["s an epoch"] * scale, "this corpus, by clips"
            hours = (epoch * epochs if cost["epochs a run"] else cost["s a run"] * scale) / HOUR
        rows[model] = {"s an epoch": epoch, "h a run": hours, "from": source}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["s an epoch", "h a run", "from"])


def shared(runs: pd.Series, hours: pd.Series) -> pd.DataFrame:
    """Wall-clock hours of the grid by number of workers of the same speed, one run each: the work divided evenly, but never
    less than the longest run. ``hours``: of a run, by model; a model without is left out."""
    known = hours.dropna()
    work, longest = float((runs.reindex(known.index).fillna(0) * known).sum()), float(known.max())
    return pd.DataFrame({"hours": {n: max(work / n, longest) for n in WORKERS}})
