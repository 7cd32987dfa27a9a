"""What four parties say of the same model: the paper, its laboratory later, a third party, and the
runs at hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from avmc_core.analysis import results
from avmc_core.analysis.estimate import of_interval
from avmc_core.analysis.statistics import Interval
from avmc_core.metrics import METRICS
from avmc_core.published import PARTIES, published

if TYPE_CHECKING:
    from avmc_core.paper.finished import Finished

SHARED = ("Acc2", "Corr", "MAE")  # the metrics that all of them print


def three_truths(runs: Mapping[str, Finished], metric: str) -> pd.DataFrame:
    """One row a model, and one more for each of its variants that was run; one column per party, on
    the scale of the paper's tables, None where a party says nothing; ours are estimates, with the
    paper's figure beside them."""
    shown = METRICS[metric]
    tables = {"paper": published()["table2_benchmark"], **published()["later_tables"]}
    ours = _ours(runs, metric)
    models = list(dict.fromkeys(model for table in tables.values() for model in table["rows"]))
    rows = []
    for model in models:
        cells = {}
        for name, table in tables.items():
            values = table["rows"].get(model)
            found = None if values is None else values[table["metrics"].index(shown.column)]
            cells[PARTIES[name]] = found
        printed = cells[PARTIES["paper"]]
        for label, interval in ours.get(model, {model: None}).items():
            rows.append(
                {"Model": label, **cells, PARTIES["ours"]: of_interval(metric, interval, printed)}
            )
    return pd.DataFrame(rows)


def spread(metric: str) -> dict[str, float | str | int]:
    """How far the published tables disagree about one model: the models in more than one table, the
    largest gap, and whose."""
    column = METRICS[metric].column
    tables = [published()["table2_benchmark"], *published()["later_tables"].values()]
    found: dict[str, list[float]] = {}
    for table in tables:
        for model, values in table["rows"].items():
            found.setdefault(model, []).append(values[table["metrics"].index(column)])
    gaps = {model: max(values) - min(values) for model, values in found.items() if len(values) > 1}
    widest = max(gaps, key=gaps.get)
    return {"models": len(gaps), "model": widest, "gap": gaps[widest]}


def _ours(runs: Mapping[str, Finished], metric: str) -> dict[str, dict[str, Interval]]:
    """Published model to the rows that stand beside it and their figures."""
    found: dict[str, dict[str, Interval]] = {}
    for part in runs.values():
        summary = results.summarise(part.records, part.store)
        for row in part.rows:
            if row.published and row.name in summary:
                found.setdefault(row.published, {}).setdefault(row.name, summary[row.name][metric])
    return found
