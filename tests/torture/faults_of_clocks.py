"""Clocks that jump, wrong modification times, and a damaged record of what is up to date."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from avmc_core.data.store import verify_store
from avmc_core.publishing import notebooks
from avmc_core.publishing.book import stage
from avmc_core.runs.computing import run_one
from avmc_core.runs.execution import StoreData
from avmc_core.runs.store import RunStore
from torture.fault_tools import RUN, interrupt, made_store, result


def clock_jumps_in_training(folder: Path) -> str:
    store = made_store(folder)
    whole = result(run_one(RUN, StoreData(store), RunStore(folder / "whole")).folder)
    jumps = iter(range(10**9, 0, -86_400))
    with (
        mock.patch("time.time", lambda: float(next(jumps))),
        mock.patch("time.perf_counter", lambda: float(next(jumps))),
    ):
        interrupt(store, RunStore(folder / "runs"))
        again = result(run_one(RUN, StoreData(store), RunStore(folder / "runs")).folder)
    assert again == whole
    return "a day back at every look: the same bytes, also after an interruption"


def old_and_future_times(folder: Path) -> str:
    store, runs = made_store(folder), RunStore(folder / "runs")
    record = run_one(RUN, StoreData(store), runs)
    for moment in (0, time.time() + 10**9):
        for path in (*folder.rglob("*"), folder):
            os.utime(path, (moment, moment))
        assert verify_store(store.path).digest == store.digest and runs.get(record.key) == record
        with mock.patch(
            "avmc_core.runs.computing.execute", side_effect=AssertionError("computed again")
        ):
            assert run_one(RUN, StoreData(store), runs) == record
    return "stores and runs of 1970 and of the future are as good as new"


def page_with_an_old_time(folder: Path) -> str:
    """A notebook and a page that changed while the clock was set back: by their times they did not
    change."""
    source = folder / "page.py"
    source.write_text('# %% tags=["parameters"]\nseed = 1\n')
    key = notebooks.notebook_key(source, {})
    source.write_text('# %% tags=["parameters"]\nseed = 2\n')
    os.utime(source, (0, 0))
    assert notebooks.notebook_key(source, {}) != key
    pages = {Path("page.py"): source}
    assert (
        stage(pages, folder / "site") == [Path("page.py")] and stage(pages, folder / "site") == []
    )
    source.write_text('# %% tags=["parameters"]\nseed = 3\n')
    os.utime(source, (0, 0))
    assert stage(pages, folder / "site") == [Path("page.py")]
    return "both are noticed by their content"


def notebook_record_damaged(folder: Path) -> str:
    """The record that a notebook is up to date: empty, cut, with other types, too deep."""
    source, record = folder / "notebooks" / "page.py", folder / "out" / "page.json"
    source.parent.mkdir()
    source.write_text('# %% tags=["parameters"]\nseed = 1\n')
    with mock.patch.object(notebooks, "run_notebook", return_value="{}"):
        (first,) = notebooks.build_notebooks(source.parent, record.parent)
        whole = record.read_text()
        for text in ("", whole[:-1], "[]", '{"key": 1}', whole.replace("[]", "3"), "[" * 100_000):
            record.write_text(text)
            (again,) = notebooks.build_notebooks(source.parent, record.parent)
            assert not again.reused and record.read_text() == whole, text
        (kept,) = notebooks.build_notebooks(source.parent, record.parent)
    assert kept.reused and not first.reused
    return "counts as none: the notebook runs again"


FAULTS: dict[str, Callable[[Path], str]] = {
    "the clock jumps back throughout a training": clock_jumps_in_training,
    "files of 1970 and of the future": old_and_future_times,
    "a page changes while the clock is put back": page_with_an_old_time,
    "a notebook's record is damaged": notebook_record_damaged,
}
