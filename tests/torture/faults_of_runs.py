"""Runs that are damaged, interrupted between two steps, requested twice at once or with other data,
or whose loss is not finite."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from unittest import mock

from avmc_core.data.importing import import_released
from avmc_core.data.store import verify_store
from avmc_core.runs.computing import run_one
from avmc_core.runs.execution import StoreData
from avmc_core.runs.grid import trained
from avmc_core.runs.store import PREDICTIONS, RECORD, WEIGHTS, Run, RunStore
from avmc_core.runs.training_state import STATE
from torture.fault_tools import RUN, fork, interrupt, made_store, refused, result, sources, statuses


def state_damaged(folder: Path) -> str:
    """One bit changes in the trainer's state of an interrupted run."""
    store, runs = made_store(folder), RunStore(folder / "runs")
    whole = result(run_one(RUN, StoreData(store), RunStore(folder / "whole")).folder)
    interrupt(store, runs)
    (state,) = runs.root.glob(f".work/*/{STATE}")
    data = bytearray(state.read_bytes())
    data[-9] ^= 4
    state.write_bytes(data)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        again = result(run_one(RUN, StoreData(store), runs).folder)
    assert again == whole and any("starts again" in str(one.message) for one in said)
    return "said in a warning; the run started again and ended with the same bytes"


def killed_before_the_rename(folder: Path) -> str:
    """The record is written, the folder not yet moved: the run is finished and must not be trained
    again."""
    store, runs = made_store(folder), RunStore(folder / "runs")
    with suppress(KeyboardInterrupt):
        run_one(RUN, StoreData(store), _NoRecovery(runs.root))
    with mock.patch(
        "avmc_core.runs.computing.execute", side_effect=AssertionError("trained again")
    ):
        record = run_one(RUN, StoreData(store), runs)
    assert {path.name for path in record.folder.iterdir()} == {RECORD, PREDICTIONS, WEIGHTS}
    return "found and moved to its place, without any training"


class _NoRecovery(RunStore):
    """Entered before there is anything to recover."""

    def recover(self, folder: Path):
        if (folder / RECORD).exists():
            raise KeyboardInterrupt
        return None


def record_gone(folder: Path) -> str:
    """Somebody removed the record of a finished run."""
    store, runs = made_store(folder), RunStore(folder / "runs")
    first = run_one(RUN, StoreData(store), runs)
    whole = result(first.folder)
    (first.folder / RECORD).unlink()
    assert (
        runs.get(first.key) is None and result(run_one(RUN, StoreData(store), runs).folder) == whole
    )
    return "no finished run any more; computed again, with the same bytes"


def two_imports(folder: Path) -> str:
    files = sources(folder)
    ends = statuses(
        *(
            fork(partial(import_released, folder / "store", *files, progress=False))
            for _ in range(2)
        )
    )
    assert ends == [0, 256], ends
    verify_store(folder / "store")
    assert not list(folder.glob(".store*"))
    return "one makes the store, the other is refused"


def two_trainings(folder: Path) -> str:
    store, runs = made_store(folder), RunStore(folder / "runs")
    assert statuses(*(fork(partial(run_one, RUN, StoreData(store), runs)) for _ in range(2))) == [
        0,
        0,
    ]
    (record,) = runs
    assert record.status == "done" and trained(RUN, record, store)
    return "one computes, the other waits for its record"


def wrong_store(folder: Path) -> str:
    """The run of one store is requested with another, and the weights of one model for another."""
    store, runs = made_store(folder), RunStore(folder / "runs")
    record = run_one(RUN, StoreData(store), runs)
    other = made_store(folder / "other", seed=1)
    assert RUN.key(other) != record.key and runs.get(RUN.key(other)) is None
    said = refused(lambda: trained(RUN, record, other), store.digest[:12])
    smaller = Run("AV-MC(Semi)", 1, (("training.max_epochs", 4), ("text_hidden", 32)))
    refused(lambda: trained(smaller, record, store), "do not fit")
    shutil.copytree(record.folder, runs.root / RUN.key(other))
    refused(lambda: runs.get(RUN.key(other)), record.key)
    return f"another store makes another key; its weights are {said}; a copied record is refused"


def failed_run(folder: Path) -> str:
    """A loss that is not finite."""
    store, runs = made_store(folder), RunStore(folder / "runs")
    run = Run("AV-MC", 1, (("lr", 1e30), ("training.max_epochs", 3)))
    record = run_one(run, StoreData(store), runs)
    assert record.status == "failed" and "loss is" in record.reason
    assert {path.name for path in record.folder.iterdir()} == {RECORD}
    assert json.loads((record.folder / RECORD).read_text())["reason"] == record.reason
    refused(lambda: record.predictions("test"), "not failed")
    return f"marked failed ({record.reason}); no predictions, no weights"


FAULTS: dict[str, Callable[[Path], str]] = {
    "a bit of an interrupted run's state flips": state_damaged,
    "a kill between a run's record and its rename": killed_before_the_rename,
    "a finished run's record is removed": record_gone,
    "two imports to one place at once": two_imports,
    "two trainings of one run at once": two_trainings,
    "a checkpoint of another store or model": wrong_store,
    "a loss becomes NaN": failed_run,
}
