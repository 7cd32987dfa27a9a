"""Reliance as tables for a page and as plain rows for its result file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from avmc_core.analysis.calibration import Calibration
from avmc_core.analysis.estimate import Estimate, of_interval
from avmc_core.analysis.statistics import Interval
from avmc_core.data.metric_conventions import ALL
from avmc_core.schema import MODALITIES

CHANGES = ("permuted", "removed", "noised")


def loss_table(table: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """``reliance.losses`` on display scales, one row per model, change (in the order of
    ``CHANGES``) and modality, one column per metric: the loss is positive wherever the changed
    clips are scored worse, both for metrics that then fall and for those that, like MAE, then
    rise."""
    rows = []
    for (name, modality, way), parts in table.groupby(["name", "modality", "way"], sort=False):
        rows.append({"Model": name, "modality": modality, "change": way} | _losses(parts, metrics))
    models = list(dict.fromkeys(table["name"]))
    rows.sort(key=lambda row: (models.index(row["Model"]), CHANGES.index(row["change"])))
    return pd.DataFrame(rows)


def misheard_table(
    table: pd.DataFrame, metrics: Sequence[str], kind: str, rate: float
) -> pd.DataFrame:
    """``reliance.hearing`` of one kind of error at one rate, one row per model, one column per
    metric, lost as in ``loss_table``."""
    at = table[(table["kind"] == kind) & (table["rate"] == rate)]
    return pd.DataFrame(
        {"Model": name} | _losses(parts, metrics) for name, parts in at.groupby("name", sort=False)
    )


def spared(first: Estimate, second: Estimate) -> str:
    """How the first loss compares with the second, in words: "less" only if their intervals do not
    overlap."""
    if first.high < second.low:
        return "less than"
    return "no less than" if first.value >= second.value else "not clearly less than"


def share_table(table: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """``reliance.shares`` of some metrics, one row per model and metric: what there is with none,
    what each adds, and with all."""
    rows = []
    for (name, metric), parts in table.groupby(["name", "metric"], sort=False):
        if metric in metrics:
            value = dict(zip(parts["part"], parts["value"], strict=True))
            cells = {
                part: shown(value[part], metric, part in MODALITIES)
                for part in ("none", *MODALITIES, "all")
            }
            rows.append({"Model": name, "metric": metric} | cells)
    return pd.DataFrame(rows)


def calibration_table(calibrations: Mapping[str, Mapping[str, Calibration]]) -> pd.DataFrame:
    """One row per model and task: slope, intercept and mean gap, in label units."""
    return pd.DataFrame(
        {
            "Model": name,
            "task": task,
            "slope": _plain(c.slope),
            "intercept": _plain(c.intercept),
            "gap": _plain(c.error),
        }
        for name, by_task in calibrations.items()
        for task, c in by_task.items()
    )


def shown(interval: Interval, metric: str, signed: bool = False) -> Estimate:
    """An interval on the display scale of its metric."""
    return replace(of_interval(metric, interval), signed=signed)


def as_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Plain rows; an interval becomes its estimate, low and high."""
    return [
        {name: _numbers(value) for name, value in row.items()} for row in table.to_dict("records")
    ]


def _losses(parts: pd.DataFrame, metrics: Sequence[str]) -> dict[str, Estimate]:
    """The cells of one row, from one row of ``parts`` for each metric."""
    lost = dict(zip(parts["metric"], parts["loss"], strict=True))
    return {f"{metric} lost": _lost(lost[metric], metric) for metric in metrics}


def _lost(i: Interval, metric: str) -> Estimate:
    """Intact minus changed as a loss: the sign is reversed for metrics where lower is better."""
    if not ALL[metric].higher_is_better:  # 0 stays 0 and is not -0
        i = Interval(0.0 - i.estimate, 0.0 - i.high, 0.0 - i.low, i.level)
    return shown(i, metric, signed=True)


def _plain(i: Interval) -> Estimate:
    return Estimate(i.estimate, i.low, i.high)


def _numbers(value: Any) -> Any:
    if isinstance(value, Interval):
        return {"estimate": value.estimate, "low": value.low, "high": value.high}
    if isinstance(value, Estimate):
        return {"estimate": value.value, "low": value.low, "high": value.high}
    return value
