"""Tables of results, read from run records only."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from avmc_core import metrics
from avmc_core.analysis.estimate import Cell
from avmc_core.analysis.statistics import Interval, bootstrap, comparable
from avmc_core.artefacts import data_mark
from avmc_core.data.metric_conventions import ALL, Convention, of_limit
from avmc_core.data.store import Store
from avmc_core.errors import InputError, counted
from avmc_core.published import published
from avmc_core.runs.declaration import Row
from avmc_core.runs.scores import labels, scored_clips, scores
from avmc_core.runs.store import Record, Run, RunStore
from avmc_core.runs.surroundings import default_device
from avmc_core.settings import as_dict, digest
from avmc_core.speed.expected import EPOCHS, duration, expected, machine


def finished(
    grid: Sequence[Run], store: Store, runs: RunStore, device: str | None = None
) -> tuple[dict[Run, Record], list[Run]]:
    """The records of the runs of a grid that are finished, and the runs that are not."""
    device = device or default_device()
    records = {run: runs.get(run.key(store, device)) for run in grid}
    missing = [run for run, record in records.items() if record is None]
    return {run: record for run, record in records.items() if record is not None}, missing


def per_run(
    grid: Sequence[Run],
    store: Store,
    runs: RunStore,
    split: str = "test",
    task: str = "M",
    device: str | None = None,
) -> pd.DataFrame:
    """One row per finished run: name, model, seed, status, data mark, split, task, epochs, key and
    the metrics of that task on that split, as shares (0.795 for the 79.50 of the paper's tables).

    ``attrs["missing"]`` lists the runs that have not been computed. Raises InputError when no run
    has been computed.
    """
    records, missing = finished(grid, store, runs, device)
    if missing and not records:
        key = missing[0].key(store, device or default_device())
        others = f", and none of the other {len(missing) - 1}" if len(missing) > 2 else ""
        what = f"no run {key[:12]}{others}"
        raise InputError(
            f"{missing[0].name}, seed {missing[0].seed}", what, "a finished run: see `avmc run`"
        )
    table = tabulate(records, store, split, task)
    table.attrs["missing"] = [f"{run.name}, seed {run.seed}" for run in missing]
    return table


def carried_out(records: Mapping[Run, Record]) -> str:
    """How many runs there are, of how many rows with how many seeds, and which of them failed, in
    one sentence."""
    failed = [
        f"{run.name}, seed {run.seed}" for run, record in records.items() if record.status != "done"
    ]
    rows, seeds = ({getattr(run, part) for run in records} for part in ("name", "seed"))
    runs = {record.key for record in records.values()}
    return (
        f"{counted(len(runs), 'run')} of {counted(len(rows), 'row')} with up to "
        f"{counted(len(seeds), 'seed')}; failed: "
        f"{', '.join(failed) or 'none'}."
    )


def tabulate(
    records: dict[Run, Record], store: Store, split: str = "test", task: str = "M"
) -> pd.DataFrame:
    """The table of ``per_run`` from given records. A run that failed, or has no such task, has
    empty metrics."""
    mark = data_mark(store)
    rows = [
        {
            "name": run.name,
            "model": run.model,
            "seed": run.seed,
            "status": record.status,
            "data": mark,
            "split": split,
            "task": task,
            "epochs": record.epochs,
            "key": record.key[:12],
            **scores(record, store, split).get(task, {}),
        }
        for run, record in records.items()
    ]
    table = pd.DataFrame(rows)
    table.attrs["mark"] = mark
    return table


def as_text(table: pd.DataFrame) -> str:
    """The table of ``per_run`` for a terminal, without what is the same in every row."""
    return in_points(table.drop(columns=["data", "split", "task"])).to_string(index=False)


def in_points(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose columns that are named as metrics are text on the scale of the paper's tables,
    with the decimals of each metric."""
    shown = table.copy()
    for name in (name for name in table if name in ALL):
        shown[name] = [metrics.format_metric(name, value, ALL) for value in table[name]]
    return shown


def estimate(
    grid: Sequence[Run],
    store: Store,
    runs: RunStore,
    device: str | None = None,
    jobs: int | None = None,
) -> str:
    """What a grid would compute, and the time and memory that it is expected to need, estimated
    from earlier runs on the same data: those of the same model with the same settings if there are
    any, else those of the same model. If there are none, the recorded benchmark is used."""
    device = device or default_device()
    keys = {run: run.key(store, device) for run in grid}
    missing = [run for run in grid if runs.get(keys[run]) is None]
    alike: dict[str, list[Record]] = {}
    for record in runs:
        if (
            record.data["digest"] == store.digest
            and record.environment["device"] == device
            and record.status == "done"
        ):
            for key in (
                record.model,
                _kind(record.model, record.settings, record.data.get("protocol", {})),
            ):
                alike.setdefault(key, []).append(record)
    known = [
        records for run in missing if (records := alike.get(_kind_of(run)) or alike.get(run.model))
    ]
    lines = [f"{counted(len(grid), 'run')}, {len(missing)} to compute, on {data_mark(store)}"]
    lines += [f"  {run.name}, seed {run.seed}" for run in missing]
    if begun := sum(runs.begun(keys[run]) for run in missing):
        lines.append(
            f"{counted(begun, 'interrupted run')} among them: the progress that was saved is kept, "
            "and they go on from there"
        )
    if missing:
        jobs = min(jobs or os.cpu_count() or 1, len(missing)) if device == "cpu" else 1
        seconds = sum(np.mean([record.seconds for record in records]) for records in known)
        peak = max(
            (record.environment.get("peak_bytes", 0) for records in known for record in records),
            default=0,
        )
        memory = f"at most {peak / 2**30:.1f} GiB each" if peak else "memory unknown"
        if known:
            like = "is like earlier runs" if len(known) == 1 else "are like earlier runs"
            took = f"took {seconds:.0f} s of one process in all"
            processes = "1 process" if jobs == 1 else f"{jobs} processes"
            lines.append(
                f"{len(known)} of them {like}, which {took}: about {seconds / jobs:.0f} s with "
                f"{processes}, {memory}"
            )
        others = [run for run in missing if not (alike.get(_kind_of(run)) or alike.get(run.model))]
        lines += from_benchmark(others, store, device, jobs) if others else []
    return "\n".join(lines)


def from_benchmark(grid: Sequence[Run], store: Store, device: str, jobs: int) -> list[str]:
    """The expected time and memory of runs for which no similar run has been computed, one line
    each, scaled from the recorded benchmark."""
    cost = expected(grid, store)
    lines = []
    if timed := len(grid) - cost.unknown:
        where = f"{jobs} core{'s' if jobs > 1 else ''}" if device == "cpu" else "one CPU core"
        lines.append(
            f"{timed} {'is' if timed == 1 else 'are'} like none computed here: "
            f"{duration(cost.wall(jobs))} on {where}, each at "
            f"most {cost.peak_mb / 1024:.1f} GiB. That is the recorded benchmark ({machine()}), "
            f"scaled by clips and frames, with {EPOCHS} epochs where the settings set no limit: an "
            f"order of magnitude{'' if device == 'cpu' else ', and of a GPU nothing is recorded'}"
        )
    if cost.unknown:
        lines.append(f"time and memory of {cost.unknown} unknown: the benchmark has no such model")
    return lines


def _kind_of(run: Run) -> str:
    return _kind(run.model, as_dict(run.settings), as_dict(run.protocol))


def _kind(model: str, settings: dict, protocol: dict) -> str:
    return digest([model, settings, protocol])


def summarise(
    records: dict[Run, Record],
    store: Store,
    split: str = "test",
    task: str = "M",
    draws: int = 2000,
) -> dict[str, dict[str, Interval]]:
    """Name to metric to its mean over seeds, with a 95 % interval from resampling seeds and source
    videos together.

    Failed runs are left out; a name is missing if all its runs failed or if it has no such task.
    Corr is as in ``statistics.comparable``, with a note on how many runs count as 0; it is left out
    if all of them do.
    """
    statistics, groups = stacked(records, store, split, task)
    return averaged(statistics, groups, of_limit(store.limit), draws)


def averaged(
    statistics: Mapping[str, np.ndarray],
    groups: np.ndarray,
    convention: Convention,
    draws: int = 2000,
) -> dict[str, dict[str, Interval]]:
    """``summarise`` from the clip statistics (R, N, K) of each name and the source videos (N,)."""
    aggregate = partial(comparable, convention=convention)
    intervals = {name: bootstrap(s, aggregate, groups, n=draws) for name, s in statistics.items()}
    for name, s in statistics.items():
        lost = np.isnan(convention.aggregate(s, None)["Corr"])
        if equal := int((lost & convention.labels_vary(s, None)).sum()):
            intervals[name]["Corr"] = _noted(intervals[name]["Corr"], equal, len(s))
    return intervals


def _noted(corr: Interval, equal: int, runs: int) -> Interval:
    """The mean Corr of runs of which some predict the same for every clip."""
    if equal == runs:
        return Interval(math.nan, math.nan, math.nan, note="all predictions are equal")
    return replace(corr, note=f"as 0 in {equal} of {runs} seeds: all predictions are equal")


def stacked(
    records: dict[Run, Record], store: Store, split: str = "test", task: str = "M"
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Name to the clip statistics (R, N, K) of its R runs, and the source video (N,) of each clip
    scored."""
    clips = store.split(split)
    keep = scored_clips(clips, task)
    label = labels(clips, task)[keep]
    convention = of_limit(store.limit)
    statistics: dict[str, list[np.ndarray]] = {}
    for run, record in records.items():
        if record.status == "done" and task in (predictions := record.predictions(split)):
            statistics.setdefault(run.name, []).append(
                convention.statistics(predictions[task][keep], label)
            )
    videos = clips.clips["video_id"].to_numpy()[keep]
    return {name: np.stack(runs) for name, runs in statistics.items()}, videos


def comparison(
    rows: Sequence[Row],
    summary: dict[str, dict[str, Interval]],
    names: Sequence[str],
    table: str = "table2_benchmark",
) -> list[Cell]:
    """For each row and metric: our value with its interval, and the figure of the published row
    that it corresponds to, on the display scale of the metric (percent, or label units)."""
    printed = published()[table]
    cells = []
    for row in rows:
        for name in names:
            ours = summary[row.name][name] if row.name in summary else None
            column, theirs = metrics.METRICS[name].column, None
            if row.published and column:
                theirs = printed["rows"][row.published][printed["metrics"].index(column)]
            cells.append(Cell.of(name, ours, theirs, row=row.name, published_row=row.published))
    return cells


def wins(table: pd.DataFrame, names: Sequence[str], baselines: Sequence[str]) -> pd.DataFrame:
    """How many seeds of each name are better than a baseline's mean, in MAE and in Corr (as in
    ``statistics.comparable``; failed runs are left out of the mean): columns model, against, MAE,
    Corr, each cell like "3 of 3"."""
    table = table.assign(Corr=table["Corr"].where(table["Corr"].notna() | table["MAE"].isna(), 0.0))
    rows = []
    for name in names:
        ours = table[table["name"] == name]
        for baseline in baselines:
            theirs = table.loc[table["name"] == baseline, ["MAE", "Corr"]].mean()
            cells = {}
            for name_, mean in theirs.items():
                hits = metrics.METRICS[name_].sign * (ours[name_] - mean) > 0
                cells[name_] = f"{int(hits.sum())} of {len(ours)}"
            rows.append({"model": name, "against": baseline, **cells})
    return pd.DataFrame(rows)
