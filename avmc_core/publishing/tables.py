"""Results as tables: models beside the paper's figures, differences between models, and how many
figures agree."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from avmc_core.analysis.contrasts import detectable
from avmc_core.analysis.estimate import Cell, Estimate, of_interval
from avmc_core.artefacts import other_data
from avmc_core.metrics import METRICS
from avmc_core.publishing.html_table import Link, Table, anchor

__all__ = [
    "Estimate",
    "Link",
    "Table",
    "agreement",
    "anchor",
    "contrast_table",
    "effects_table",
    "interval_table",
    "of_interval",
    "result_table",
]

ENTRY = re.compile(r"^### (D\d\d) · (.+)$", re.MULTILINE)
SYMBOLS = {"R2": "R²"}


def result_table(
    cells: Sequence[Cell],
    name: str,
    metrics: Sequence[str] = (),
    rows: Sequence[str] = (),
) -> Table:
    """One row per model, one column per metric. ``metrics`` and ``rows`` select some of them and
    set their order; by default all are shown. Raises KeyError for a missing row or metric."""
    at = {(cell.row, cell.metric): cell for cell in cells}
    rows = rows or list(dict.fromkeys(cell.row for cell in cells))
    metrics = metrics or list(dict.fromkeys(cell.metric for cell in cells))
    columns = {heading(metric): [at[row, metric] for row in rows] for metric in metrics}
    return Table(pd.DataFrame({"Model": rows, **columns}), name)


def interval_table(frame: pd.DataFrame, name: str, metrics: Sequence[str]) -> Table:
    """``frame`` with its columns of ``Interval``, one for each of ``metrics``, as estimates on the
    display scale."""
    columns = {
        heading(metric): [of_interval(metric, interval) for interval in frame[metric]]
        for metric in metrics
    }
    return Table(frame.drop(columns=[c for c in frame if c in METRICS]).assign(**columns), name)


def contrast_table(family: pd.DataFrame, name: str) -> Table:
    """A family of comparisons (``contrasts.contrasts``), one row per comparison: first minus
    second, the smallest difference that the comparison would find in four of five cases, how often
    a run of the first is better, p alone and over the whole family. Pictures share a scale within a
    metric."""
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
            "detectable": [
                f"{detectable(d):.{METRICS[metric].decimals}f}"
                for d, metric in zip(family["difference"], family["metric"], strict=True)
            ],
            "chance of a better run": [d.estimate for d in family["improvement"]],
            "p": family["p"],
            "p, whole family": family["p_holm"],
        }
    )
    return Table(
        frame, name, filters=["metric"], decimals={"p": 3, "p, whole family": 3}, scale_by="metric"
    )


def effects_table(page: str, measured: Sequence[Mapping[str, Any]]) -> Table:
    """One row per entry of ``page`` (Markdown, headings like ``### D01 · Title``) and effect
    measured on it alone (``difference_effects.effects``), then a row for each joint effect of
    several. For an entry without an effect of its own the table says whether it is part of a joint
    one. Raises KeyError for an effect without an entry."""
    titles = dict(ENTRY.findall(page))
    alone: dict[str, list[Mapping[str, Any]]] = {number: [] for number in titles}
    joint = [effect for effect in measured if len(effect["numbers"]) > 1]
    within = {number for effect in joint for number in effect["numbers"]}
    for effect in measured:
        for number in effect["numbers"]:
            alone[number] += [] if effect in joint else [effect]
    unmeasured = {
        number: "only together with others, below" if number in within else "not measured"
        for number in titles
    }
    rows = [
        (
            Link(number, f"#{number.lower()}"),
            titles[number],
            effect["change"] if effect else unmeasured[number],
            effect,
        )
        for number in sorted(titles)
        for effect in alone[number] or [None]
    ]
    rows += [
        (f"{' + '.join(effect['numbers'])} together", "several at once", effect["change"], effect)
        for effect in joint
    ]
    names, differences, changes, effects = zip(*rows, strict=True)
    frame: dict[str, Sequence] = {"D": names, "difference": differences, "changed": changes}
    frame["seeds"] = pd.array(
        [effect["seeds"] if effect else None for effect in effects], dtype="Int64"
    )
    for metric in (name for name in METRICS if measured and name in measured[0]):
        frame[f"{heading(metric)} changes by"] = [
            _effect(effect, metric) if effect else Estimate(None) for effect in effects
        ]
    return Table(pd.DataFrame(frame), "differences")


def _effect(effect: Mapping[str, Any], metric: str) -> Estimate:
    """One seed has no interval: how much another would differ is not known."""
    ends = effect[metric] if effect["seeds"] > 1 else {"estimate": effect[metric]["estimate"]}
    return Estimate(*ends.values(), decimals=METRICS[metric].decimals, signed=True)


def agreement(cells: Sequence[Cell], data: str) -> str:
    """How many published figures lie within the intervals beside them, in words; empty where there
    are none. ``data`` is the data mark: only CH-SIMS v2.0 can agree with the paper, and on other
    data this says that nothing was counted."""
    both = [cell for cell in cells if None not in (cell.published, cell.low, cell.high)]
    if not both:
        return ""
    if other_data(data):
        return "agreement not counted: other data"
    inside = sum(cell.low <= cell.published <= cell.high for cell in both)
    return f"{inside} of {len(both)} published figures lie within our intervals"


def heading(metric: str) -> str:
    """The name of a metric, and which way is better."""
    return f"{SYMBOLS.get(metric, metric)} {'↑' if METRICS[metric].higher_is_better else '↓'}"
