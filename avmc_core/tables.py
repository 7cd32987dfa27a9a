"""Results as tables: models beside the paper's figures, differences between models, and how many figures agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from avmc_core.estimate import Estimate
from avmc_core.html_table import Table
from avmc_core.metrics import METRICS

__all__ = ["Estimate", "Table", "agreement", "contrast_table", "result_table"]

SYMBOLS = {"R2": "R²"}
Cells = Sequence[dict[str, Any]]  # one a row and metric, as ``results.comparison`` makes them


def result_table(cells: Cells, name: str, metrics: Sequence[str] = (), rows: Sequence[str] = ()) -> Table:
    """A row a model, a column a metric; all or those chosen, in the order chosen. Raises KeyError for one that is not there."""
    at: dict[str, dict[str, dict[str, Any]]] = {}
    for cell in cells:
        at.setdefault(cell["row"], {})[cell["metric"]] = cell
    metrics = metrics or list(dict.fromkeys(cell["metric"] for cell in cells))
    frame = {"Model": list(rows or at)}
    for metric in metrics:
        frame[heading(metric)] = [_estimate(at[row][metric]) for row in frame["Model"]]
    return Table(pd.DataFrame(frame), name)


def contrast_table(family: pd.DataFrame, name: str) -> Table:
    """A family of comparisons (``contrasts.contrasts``), a row each: first minus second, how often a run of the first is
    better, p alone and over the whole family. Pictures share a scale within a metric."""
    differences = [
        Estimate(d.estimate, d.low, d.high, decimals=METRICS[metric].decimals, signed=True)
        for d, metric in zip(family["difference"], family["metric"], strict=True)
    ]
    frame = pd.DataFrame(
        {
            "Model": family["first"],
            "against": family["second"],
            "metric": family["metric"].map(heading),
            "difference": differences,
            "chance of a better run": [d.estimate for d in family["improvement"]],
            "p": family["p"],
            "p, whole family": family["p_holm"],
        }
    )
    return Table(frame, name, filters=["metric"], decimals={"p": 3, "p, whole family": 3}, scale_by="metric")


def agreement(cells: Cells) -> str:
    """How many published figures lie within the intervals beside them, in words; empty where there are none."""
    both = [cell for cell in cells if None not in (cell["published"], cell["low"], cell["high"])]
    inside = sum(cell["low"] <= cell["published"] <= cell["high"] for cell in both)
    return f"{inside} of {len(both)} published figures lie within our intervals" if both else ""


def heading(metric: str) -> str:
    """The name of a metric, and which way is better."""
    return f"{SYMBOLS.get(metric, metric)} {'↑' if METRICS[metric].higher_is_better else '↓'}"


def _estimate(cell: dict[str, Any]) -> Estimate:
    decimals = METRICS[cell["metric"]].decimals
    return Estimate(
        cell["estimate"], cell["low"], cell["high"], cell["published"], decimals, note=cell.get("note") or ""
    )
