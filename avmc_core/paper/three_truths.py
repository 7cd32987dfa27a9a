"""How far three parties disagree about the same models: the paper, a later publication of its
laboratory, and a third party."""

from __future__ import annotations

from avmc_core.metrics import METRICS
from avmc_core.published import published

SHARED = ("Acc2", "Corr", "MAE")  # the metrics that all of them print


def spread(metric: str) -> dict[str, float | str | int]:
    """How far the published tables disagree about a model: the number of models in more than one
    table, the largest gap in the metric, and the model that it belongs to."""
    column = METRICS[metric].column
    tables = [published()["table2_benchmark"], *published()["later_tables"].values()]
    spreads: dict[str, list[float]] = {}
    for table in tables:
        for model, values in table["rows"].items():
            spreads.setdefault(model, []).append(values[table["metrics"].index(column)])
    gaps = {
        model: max(values) - min(values) for model, values in spreads.items() if len(values) > 1
    }
    widest = max(gaps, key=gaps.get)
    return {"models": len(gaps), "model": widest, "gap": gaps[widest]}
