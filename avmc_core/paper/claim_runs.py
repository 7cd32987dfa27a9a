"""Claims that finished runs decide, and the one that stored sequences decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from avmc_core import results
from avmc_core.analysis import comparison
from avmc_core.data.store import Store
from avmc_core.experiments import Row
from avmc_core.metrics import METRICS
from avmc_core.paper import benchmark
from avmc_core.paper.claim_arithmetic import benchmark_rows
from avmc_core.paper.claim_outcome import Outcome
from avmc_core.published import published
from avmc_core.runs import Record, Run
from avmc_core.schema import SPLITS, UNLABELLED

PRINTED = tuple(name for name, metric in METRICS.items() if metric.column)


@dataclass(frozen=True)
class Runs:
    """A finished experiment: its rows, and the records of its runs on one store."""

    rows: tuple[Row, ...]
    records: dict[Run, Record]
    store: Store


def runs_better(runs: Mapping[str, Runs], experiments: list[str], row: str, than: str) -> tuple[Outcome, bool]:
    """``row`` is better than ``than`` (a row, or every "benchmark" model) in every printed metric, for each variant that was
    run. Better means: the interval of the probability of improvement lies above one half. Second value: simulated."""
    printed = f"better than {'every benchmark model' if than == 'benchmark' else than}"
    known, statistics, groups, simulated = _merged(runs, experiments)
    first = [r for r in known if r.published == row and r.name in statistics]
    names = benchmark_rows() if than == "benchmark" else [than]
    second = [r for r in known if r.published in names and r.name in statistics]
    pairs = [(a, b) for a in first for b in second if _variant(b) in (_variant(a), "")]
    if not pairs:
        return Outcome(printed, "not run", None), True
    tally: dict[bool | None, list[str]] = {True: [], False: [], None: []}
    for a, b in pairs:
        for name, difference in comparison.compare(statistics[a.name], statistics[b.name], groups).items():
            if name in PRINTED:
                tally[difference.better].append(f"{name} ({a.name} against {b.name})")
    whole = sum(map(len, tally.values()))
    found = f"better in {len(tally[True])} of {whole} comparisons, worse in {len(tally[False])}, undecided in the rest"
    holds = True if len(tally[True]) == whole else False if tally[False] else None
    return Outcome(printed, found, holds), simulated


def cells(runs: Mapping[str, Runs], table: str, experiments: list[str]) -> tuple[Outcome, bool]:
    """Every printed cell lies in the interval of the runs that stand beside it. Second value: simulated."""
    count = int(np.size(list(published()[table]["rows"].values())))
    found, simulated = {}, True
    for part in (runs[name] for name in experiments if name in runs):
        simulated = part.store.simulated
        for c in _beside(part, table):
            if c["published"] is not None and c["estimate"] is not None:
                found[c["row"], c["metric"]] = c["low"] <= c["published"] <= c["high"]
    if simulated or not found:
        return Outcome(f"{count} cells", f"{len(found)} cells have runs beside them", None), True
    holds = all(found.values()) and len(found) >= count
    return Outcome(f"{count} cells", f"{sum(found.values())} of {len(found)} in their intervals", holds), False


def duration_spread(store: Store) -> Outcome:
    """Standard deviation of the audio lengths, which are cut at the cap for both kinds of clip."""
    labelled = np.concatenate([store.split(split).audio.lengths for split in SPLITS])
    if UNLABELLED not in store.manifest["splits"]:
        return Outcome("more diverse", "this store has no unlabelled clips", None)
    spread = [float(np.std(lengths)) for lengths in (labelled, store.split(UNLABELLED).audio.lengths)]
    found = f"standard deviation {spread[1]:.0f} steps against {spread[0]:.0f}"
    return Outcome("more diverse", found, spread[1] > spread[0])


def _beside(part: Runs, table: str) -> list[dict]:
    """The cells of a printed table with the runs that stand beside them."""
    if table == "table3_unimodal":
        return benchmark.table_3(benchmark.all_tasks(part.records, part.store))
    return results.comparison(part.rows, results.summarise(part.records, part.store), PRINTED, table)


def _merged(
    runs: Mapping[str, Runs], experiments: list[str]
) -> tuple[list[Row], dict[str, np.ndarray], np.ndarray | None, bool]:
    """Rows, clip statistics by row, source videos, and whether the store is simulated, of several experiments together."""
    rows, statistics, groups, simulated = [], {}, None, True
    for part in (runs[name] for name in experiments if name in runs):
        stacked, groups = results.stacked(part.records, part.store)
        rows += [row for row in part.rows if row.name not in {known.name for known in rows}]
        statistics |= stacked
        simulated = part.store.simulated
    return rows, statistics, groups, simulated


def _variant(row: Row) -> str:
    """AV-MC's variant; "" for models that have none."""
    return str(dict(row.changes).get("variant", "released")) if row.model.startswith("AV-MC") else ""


CHECKS = {"runs_better": runs_better, "cells": cells}
