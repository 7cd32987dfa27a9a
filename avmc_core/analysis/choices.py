"""What a search would have reported, had it chosen on the test split (D12)."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from avmc_core.data.store import Store
from avmc_core.runs.scores import scores
from avmc_core.runs.store import Record, Run
from avmc_core.runs.tuning import TuningResult


def both_ways(result: TuningResult, records: Mapping[Run, Record], store: Store) -> pd.DataFrame:
    """What choosing on test would have "gained" (D12): the test metrics of the trial with the best
    validation MAE, of the one with the best test MAE, and second minus first; ``records`` of all
    runs of ``tuning.runs_of_trials(..., every=True)``."""
    means = trial_scores(result, records, store)
    honest, peeking = means.loc[result.chosen], means.loc[means["MAE"].idxmin()]
    table = pd.DataFrame(
        {"chosen on validation": honest, "chosen on test": peeking, "difference": peeking - honest}
    )
    return table.drop(index="validation")


def trial_scores(result: TuningResult, records: Mapping[Run, Record], store: Store) -> pd.DataFrame:
    """One row per trial: its validation MAE and its metrics on test, means over seeds; failed runs
    are left out."""
    rows = [
        {"trial": int(run.name.split()[1]), **scores(record, store)["M"]}
        for run, record in records.items()
        if record.status == "done"
    ]
    means = pd.DataFrame(rows).groupby("trial").mean()
    return means.assign(validation=[result.trials[trial]["validation"] for trial in means.index])
