"""Claims that finished runs decide, and the one that stored sequences decide."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np
import pandas as pd

from avmc_core.analysis import comparison, results
from avmc_core.analysis.estimate import Cell
from avmc_core.analysis.statistics import prediction_interval
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.data.store import Store
from avmc_core.metrics import BY_COLUMN, METRICS
from avmc_core.paper import benchmark
from avmc_core.paper.claim_outcome import Outcome, compared
from avmc_core.paper.claim_tables import benchmark_rows
from avmc_core.paper.finished import Finished
from avmc_core.published import published
from avmc_core.runs.declaration import Row
from avmc_core.schema import SPLITS, TASKS, UNLABELLED

LEVEL = 0.05  # the largest probability that a faithful reproduction is not recognised as one
PRINTED = tuple(name for name, metric in METRICS.items() if metric.column)


def runs_better(
    runs: Mapping[str, Finished], experiments: list[str], row: str, than: str
) -> tuple[Outcome, bool]:
    """Whether ``row`` is better than ``than`` (a row, or every "benchmark" model), over the printed
    metrics and each variant that was run. Better means: the interval of the probability of
    improvement lies above one half. A benchmark model that was not run leaves the comparison with
    it open. Second value: simulated."""
    printed = f"better than {'every benchmark model' if than == 'benchmark' else than}"
    known, statistics, groups, simulated = _merged(runs, experiments)
    first = [r for r in known if r.published == row and r.name in statistics]
    names = benchmark_rows() if than == "benchmark" else [than]
    second = [r for r in known if r.published in names]
    pairs = [(a, b) for a in first for b in second if _variant(b) in (_variant(a), "")]
    undeclared = len(first) * len({*names} - {r.published for r in second})
    whole = (len(pairs) + undeclared) * len(PRINTED)
    pairs = [(a, b) for a, b in pairs if b.name in statistics]
    if not pairs:
        return Outcome(printed, "not run", None), True
    tally = [
        difference.better
        for a, b in pairs
        for name, difference in comparison.compare(
            statistics[a.name], statistics[b.name], groups
        ).items()
        if name in PRINTED
    ]
    return _counted(printed, tally, whole), simulated


def cells(runs: Mapping[str, Finished], table: str, experiments: list[str]) -> tuple[Outcome, bool]:
    """Every printed cell lies where one more of our runs would be expected: in the prediction
    interval of the corresponding runs, or of one of them if a model has several variants.

    The intervals are simultaneous (each of level 1 - 0.05 / number of cells), so that all cells of
    a faithful reproduction lie in them with a probability of at least 95 %, however the cells
    depend on each other; how many lie in individual intervals of 95 % is stated as well. A cell
    outside its interval decides against the claim; otherwise a cell with fewer than two runs leaves
    it open. Second value: simulated.
    """
    count = int(np.size(list(published()[table]["rows"].values())))
    fits: dict[tuple[str, str], tuple[bool, bool]] = {}
    ran: set[tuple[str, str]] = set()
    simulated = True
    for part in (runs[name] for name in experiments if name in runs):
        simulated = part.store.simulated
        for cell, seeds in _beside(part, table):
            # the two columns of Table 3 share a published row, not a name; variants share both
            at = (cell.row if table == "table3_unimodal" else cell.published_row, cell.metric)
            if cell.published is not None and seeds:
                ran.add(at)
            if at in ran and len(seeds) > 1:
                within = [
                    _within(cell.published, prediction_interval(seeds, level))
                    for level in (1 - LEVEL / count, 1 - LEVEL)
                ]
                before = fits.get(at, (False, False))
                fits[at] = (before[0] or within[0], before[1] or within[1])
    if simulated or not ran:
        return Outcome(f"{count} cells", f"{len(ran)} cells have runs beside them", None), True
    missing = f", not run twice for {count - len(fits)} cells" if len(fits) < count else ""
    together, alone = (sum(fit[way] for fit in fits.values()) for way in (0, 1))
    holds = False if together < len(fits) else None if missing else True
    coverage = (
        f"{together} of {len(fits)} in simultaneous prediction intervals, {alone} in those of 95 % "
        f"each{missing}"
    )
    return Outcome(f"{count} cells", coverage, holds), False


def _within(value: float, ends: tuple[float, float]) -> bool:
    return ends[0] <= value <= ends[1]


def runs_own_better(
    runs: Mapping[str, Finished], experiments: list[str], row: str
) -> tuple[Outcome, bool]:
    """A row of Table 3 is better with its unimodal annotation than with the multimodal one, judged
    as in ``runs_better``: each network on the labels that it was trained on, of the same clips.
    Second value: simulated."""
    statistics, groups, simulated = _table_3(runs, experiments)
    pairs = [((row, "unimodal"), (row, "multimodal"))]
    return _in_pairs("better with its own annotation", pairs, statistics, groups), simulated


def runs_worst_modality(
    runs: Mapping[str, Finished], experiments: list[str], modality: str
) -> tuple[Outcome, bool]:
    """Whether each row of Table 3 of another modality is better than every row of this modality, on
    the same kind of annotation of the same clips, judged as in ``runs_better``. Second value:
    simulated."""
    statistics, groups, simulated = _table_3(runs, experiments)
    rows = published()["table3_unimodal"]["rows"]
    own, others = (
        [r for r in rows if r.startswith(modality) == wanted] for wanted in (True, False)
    )
    pairs = [
        ((other, kind), (row, kind)) for row, other, kind in product(own, others, benchmark.KINDS)
    ]
    return _in_pairs("worst in every column", pairs, statistics, groups), simulated


def duration_spread(store: Store) -> Outcome:
    """Standard deviation of the audio lengths, which are cut at the cap for both kinds of clip."""
    labelled = np.concatenate([store.split(split).audio.lengths for split in SPLITS])
    if UNLABELLED not in store.manifest["splits"]:
        return Outcome("more diverse", "this store has no unlabelled clips", None)
    spread = [
        float(np.std(lengths)) for lengths in (labelled, store.split(UNLABELLED).audio.lengths)
    ]
    deviations = (
        f"standard deviation of the audio lengths: {spread[1]:.0f} steps in the unlabelled clips, "
        f"{spread[0]:.0f} in the labelled ones"
    )
    return Outcome("more diverse", deviations, spread[1] > spread[0])


def _beside(part: Finished, table: str) -> list[tuple[Cell, list[float]]]:
    """The cells of a printed table, each with the figures of the single runs that correspond to
    it."""
    if table == "table3_unimodal":
        cells = part.table_3
    else:
        cells = results.comparison(
            part.rows, results.summarise(part.records, part.store), PRINTED, table
        )
    tables = {task: results.tabulate(part.records, part.store, task=task) for task in TASKS}
    return [(cell, _seeds(tables, cell.run or cell.row, cell.metric)) for cell in cells]


def _seeds(tables: Mapping[str, pd.DataFrame], name: str, metric: str) -> list[float]:
    """The figures of the runs of a row, on the display scale; of a run that names its annotation,
    in that one."""
    task = name.rpartition("annotation ")[2] if "annotation " in name else "M"
    table = tables[task]
    if metric not in table:
        return []
    values = table.loc[table["name"] == name, metric].dropna()
    return (values * METRICS[metric].scale).tolist()


def _table_3(
    runs: Mapping[str, Finished], experiments: list[str]
) -> tuple[dict[tuple[str, str], np.ndarray], np.ndarray | None, bool]:
    """Row of Table 3 and kind of annotation to the clip statistics of its runs, all on the clips
    whose unimodal annotations are not placeholders; the source videos of these clips; and whether
    the store is simulated."""
    statistics, groups, simulated = {}, None, True
    for part in (runs[name] for name in experiments if name in runs):
        simulated = part.store.simulated
        stacked = {task: results.stacked(part.records, part.store, task=task) for task in TASKS}
        own = ~placeholder_clips(part.store.split("test").clips)
        groups = stacked["M"][1][own]
        for row, (name, task) in benchmark.TABLE_3.items():
            for kind, of in zip(benchmark.KINDS, (task, "M"), strict=True):
                statistics_of = stacked[of][0].get(f"{name}, annotation {of}")
                if statistics_of is not None:
                    statistics[row, kind] = statistics_of[:, own] if of == "M" else statistics_of
    return statistics, groups, simulated


def _in_pairs(
    printed: str,
    pairs: list[tuple[tuple[str, str], tuple[str, str]]],
    statistics: Mapping[tuple[str, str], np.ndarray],
    groups: np.ndarray | None,
) -> Outcome:
    """Compares the first with the second of each pair in the metrics of Table 3; a pair that was
    not run counts in the total only."""
    names = [BY_COLUMN[column].name for column in published()["table3_unimodal"]["metrics"]]
    tally: list[bool | None] = []
    for first, second in pairs:
        if first in statistics and second in statistics:
            differences = comparison.compare(statistics[first], statistics[second], groups)
            tally += [differences[name].better for name in names]
    whole = len(pairs) * len(names)
    return _counted(printed, tally, whole) if tally else Outcome(printed, "not run", None)


def _counted(printed: str, tally: list[bool | None], whole: int) -> Outcome:
    """``tally``: what each comparison said; ``whole``: how many there would be."""
    better, worse = tally.count(True), tally.count(False)
    missing = f", not run for {whole - len(tally)}" if len(tally) < whole else ""
    counts = (
        f"better in {better} of {whole} comparisons, worse in {worse}, undecided in "
        f"{tally.count(None)}{missing}"
    )
    return compared(printed, counts, better, worse, whole)


def _merged(
    runs: Mapping[str, Finished], experiments: list[str]
) -> tuple[list[Row], dict[str, np.ndarray], np.ndarray | None, bool]:
    """Rows, clip statistics by row, source videos, and whether the store is simulated, of several
    experiments together."""
    rows, statistics, groups, simulated = [], {}, None, True
    for part in (runs[name] for name in experiments if name in runs):
        stacked, groups = results.stacked(part.records, part.store)
        rows += [row for row in part.rows if row.name not in {known.name for known in rows}]
        statistics |= stacked
        simulated = part.store.simulated
    return rows, statistics, groups, simulated


def _variant(row: Row) -> str:
    """AV-MC's variant; "" for models that have none."""
    return (
        str(dict(row.changes).get("variant", "released")) if row.model.startswith("AV-MC") else ""
    )


CHECKS = {
    check.__name__: check for check in (runs_better, runs_own_better, runs_worst_modality, cells)
}
