"""Faults that are no kills: full disks, read-only places, files that change or go while they are read, two at once, clocks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import released_factory as factory

from avmc_core import importing, notebooks
from avmc_core.book import stage
from avmc_core.errors import InputError
from avmc_core.execution import StoreData
from avmc_core.grid import run_all, run_one, trained
from avmc_core.importing import import_released
from avmc_core.runs import PREDICTIONS, RECORD, WEIGHTS, Run, RunStore
from avmc_core.store import Store, open_store, verify_store
from avmc_core.training import STATE

RUN = Run("AV-MC", 1, (("training.max_epochs", 4),))


class NotHere(Exception):
    """This fault cannot be made on this machine."""


def run(place: Path) -> list[dict]:
    """Every fault, with what happened, and whether what is promised held."""
    rows = []
    for number, (name, fault) in enumerate(FAULTS.items()):
        folder = place / f"fault{number}"
        folder.mkdir(parents=True)
        row = {"fault": name, "what": "", "held": False, "skipped": ""}
        try:
            row |= {"what": fault(folder), "held": True}
        except NotHere as reason:
            row["skipped"] = str(reason)
        except Exception as error:
            row["what"] = f"{type(error).__name__}: {error}"[:300]
        rows.append(row)
    return rows


def _refused(work: Callable[[], object], *words: str) -> str:
    try:
        work()
    except InputError as error:
        missing = [word for word in words if word not in str(error)]
        assert not missing, f"{error} does not say {missing}"
        return f"refused: {error.found[:120]}"
    raise AssertionError("it was taken")


def _sources(folder: Path) -> tuple[Path, Path]:
    return factory.released_files(folder)


def _store(folder: Path) -> Store:
    contents = {
        split: factory.columns(split, rows=rows) for split, rows in (("train", 24), ("valid", 12), ("test", 16))
    }
    return import_released(folder / "store", factory.write(folder / "s.pkl", contents), simulated={}, progress=False)


def _result(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in (PREDICTIONS, WEIGHTS)}


def _in_child(work: Callable[[], object]) -> int:
    """The wait status of a forked process: 0, 256 for an InputError, or its signal."""
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        status = 2
        try:
            work()
            status = 0
        except InputError:
            status = 1
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


@contextmanager
def _small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A tmpfs of ``size``, where mounting is allowed."""
    disk = folder / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)], capture_output=True, text=True
    )
    if done.returncode:
        raise NotHere(f"no permission to mount a small disk: {done.stderr.strip()[:80]}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


# --- disks


def full_disk_import(folder: Path) -> str:
    files = _sources(folder)
    with _small_disk(folder, "64k") as disk:
        said = _refused(lambda: import_released(disk / "store", *files, progress=False), "No space left")
        assert not list(disk.iterdir()), list(disk.iterdir())
    return f"{said}; nothing left behind"


def full_disk_training(folder: Path) -> str:
    store = _store(folder)
    with _small_disk(folder, "700k") as disk:
        try:
            run_one(RUN, StoreData(store), RunStore(disk / "runs"))
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
        else:
            raise AssertionError("the disk was large enough")
        assert not list(RunStore(disk / "runs"))
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        again = _result(run_one(RUN, StoreData(store), RunStore(disk / "runs")).folder)
    assert again == _result(run_one(RUN, StoreData(store), RunStore(folder / "runs")).folder)
    assert "space" in said, said
    return f"stopped ({said[:80]}), no run published; with space again, the same bytes"


def read_only(folder: Path) -> str:
    files, store = _sources(folder), _store(folder)
    with _small_disk(folder, "4m") as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        said = _refused(lambda: import_released(disk / "store", *files, progress=False), "Read-only")
        try:
            run_one(RUN, StoreData(store), RunStore(disk / "runs"))
        except OSError as error:
            return f"{said}; training: {type(error).__name__}: {error.strerror}"
    raise AssertionError("something was written")


# --- files that change or go


def source_changes(folder: Path) -> str:
    """Written to between two splits."""
    files = _sources(folder)

    def change() -> None:
        os.utime(files[0])

    return _during_import(folder, files, change)


def source_cut(folder: Path) -> str:
    """Cut to half between two splits: reading on would end the process."""
    files = _sources(folder)
    return _during_import(folder, files, lambda: os.truncate(files[0], files[0].stat().st_size // 2))


def source_removed(folder: Path) -> str:
    files = _sources(folder)
    return _during_import(folder, files, files[0].unlink)


def _during_import(folder: Path, files: tuple[Path, Path], change: Callable[[], None]) -> str:
    whole = importing.write_split

    def then_change(*arguments):
        made = whole(*arguments)
        if arguments[1] == "train":
            change()
        return made

    with mock.patch.object(importing, "write_split", then_change):
        said = _refused(lambda: import_released(folder / "store", *files, progress=False))
    assert not (folder / "store").exists() and not list(folder.glob(".store*"))
    return f"{said}; nothing left behind"


def source_cut_while_read(folder: Path) -> str:
    """Cut in the middle of a block, where no check can be in time."""
    files = _sources(folder)
    whole = np.isfinite

    def cut(*arguments, **options):
        os.truncate(files[0], 5000)
        return whole(*arguments, **options)

    def work() -> None:
        with mock.patch.object(importing.np, "isfinite", cut):
            import_released(folder / "store", *files, progress=False)

    status = _in_child(work)
    assert status and not (folder / "store").exists(), status
    _refused(lambda: open_store(folder / "store"))
    files = _sources(folder)
    import_released(folder / "store", *files, progress=False)
    left = [path.name for path in folder.glob(".store*")]
    assert not left, left
    return f"the process ends ({_name(status)}), no store is there, the next import clears up"


def store_cut_while_read(folder: Path) -> str:
    """A store's features cut while a model trains on them."""
    store = _store(folder)
    path, runs = store.path / "train.text.safetensors", RunStore(folder / "runs")

    def work() -> None:
        data = StoreData(store)
        os.truncate(path, 4096)
        run_one(RUN, data, runs)

    status = _in_child(work)
    assert status and not list(runs), status
    said = _refused(lambda: run_all([RUN], open_store(store.path), runs, jobs=1, progress_bar=False), "bytes")
    return f"the process ends ({_name(status)}), no run is published, and the store is {said}"


def _name(status: int) -> str:
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"status {os.WEXITSTATUS(status)}"


def features_changed(folder: Path) -> str:
    """One bit of the features, the size and time as they were."""
    store = _store(folder)
    path = store.path / "train.vision.safetensors"
    found, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    return _refused(
        lambda: run_all([RUN], open_store(store.path), RunStore(folder / "runs"), jobs=1, progress_bar=False), "SHA-256"
    )


def state_damaged(folder: Path) -> str:
    """The trainer's state of an interrupted run, one bit."""
    store, runs = _store(folder), RunStore(folder / "runs")
    whole = _result(run_one(RUN, StoreData(store), RunStore(folder / "whole")).folder)
    _interrupt(store, runs)
    (state,) = runs.root.glob(f".work/*/{STATE}")
    data = bytearray(state.read_bytes())
    data[-9] ^= 4
    state.write_bytes(data)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        again = _result(run_one(RUN, StoreData(store), runs).folder)
    assert again == whole and any("begins anew" in str(one.message) for one in said)
    return "said in a warning; the run began anew and ended with the same bytes"


def _interrupt(store: Store, runs: RunStore, after: int = 2) -> None:
    """Ends a training after so many epochs, as a kill would."""
    from avmc_core import training

    saved, whole = [], training._save

    def save(*arguments):
        whole(*arguments)
        saved.append(1)
        if len(saved) == after:
            raise KeyboardInterrupt

    with mock.patch.object(training, "_save", save), mock.patch.object(training, "RARELY", 0):
        try:
            run_one(RUN, StoreData(store), runs)
        except KeyboardInterrupt:
            return
    raise AssertionError("not interrupted")


def killed_before_the_rename(folder: Path) -> str:
    """The record is written, the folder not yet moved: the run is finished and must not be trained again."""
    store, runs = _store(folder), RunStore(folder / "runs")
    with mock.patch.object(RunStore, "recover", side_effect=KeyboardInterrupt), suppress(KeyboardInterrupt):
        run_one(RUN, StoreData(store), _NoRecovery(runs.root))
    with mock.patch("avmc_core.grid.execute", side_effect=AssertionError("trained again")):
        record = run_one(RUN, StoreData(store), runs)
    assert {path.name for path in record.folder.iterdir()} == {RECORD, PREDICTIONS, WEIGHTS}
    return "found and moved to its place, without any training"


class _NoRecovery(RunStore):
    """Asked before there is anything to recover."""

    def recover(self, folder: Path):
        if (folder / RECORD).exists():
            raise KeyboardInterrupt
        return None


def record_gone(folder: Path) -> str:
    """Somebody removed the record of a finished run."""
    store, runs = _store(folder), RunStore(folder / "runs")
    first = run_one(RUN, StoreData(store), runs)
    whole = _result(first.folder)
    (first.folder / RECORD).unlink()
    assert runs.get(first.key) is None and _result(run_one(RUN, StoreData(store), runs).folder) == whole
    return "no finished run any more; computed again, with the same bytes"


# --- two at once


def two_imports(folder: Path) -> str:
    files = _sources(folder)
    children = [_fork(partial(import_released, folder / "store", *files, progress=False)) for _ in range(2)]
    ends = sorted(os.waitpid(child, 0)[1] for child in children)
    assert ends == [0, 256], ends
    verify_store(folder / "store")
    assert not list(folder.glob(".store*"))
    return "one makes the store, the other is refused"


def two_trainings(folder: Path) -> str:
    store, runs = _store(folder), RunStore(folder / "runs")
    children = [_fork(partial(run_one, RUN, StoreData(store), runs)) for _ in range(2)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    (record,) = runs
    assert record.status == "done" and trained(RUN, record, store)
    return "one computes, the other waits for its record"


def _fork(work: Callable[[], object]) -> int:
    child = os.fork()
    if child:
        return child
    os._exit(_in_child(work) >> 8)


# --- clocks


def clock_jumps_in_training(folder: Path) -> str:
    store = _store(folder)
    whole = _result(run_one(RUN, StoreData(store), RunStore(folder / "whole")).folder)
    jumps = iter(range(10**9, 0, -86_400))
    with (
        mock.patch("time.time", lambda: float(next(jumps))),
        mock.patch("time.perf_counter", lambda: float(next(jumps))),
    ):
        _interrupt(store, RunStore(folder / "runs"))
        again = _result(run_one(RUN, StoreData(store), RunStore(folder / "runs")).folder)
    assert again == whole
    return "a day back at every look: the same bytes, also after an interruption"


def old_and_future_times(folder: Path) -> str:
    store, runs = _store(folder), RunStore(folder / "runs")
    record = run_one(RUN, StoreData(store), runs)
    for moment in (0, time.time() + 10**9):
        for path in (*folder.rglob("*"), folder):
            os.utime(path, (moment, moment))
        assert verify_store(store.path).digest == store.digest and runs.get(record.key) == record
        with mock.patch("avmc_core.grid.execute", side_effect=AssertionError("computed again")):
            assert run_one(RUN, StoreData(store), runs) == record
    return "stores and runs of 1970 and of the future are as good as new"


def page_with_an_old_time(folder: Path) -> str:
    """A notebook and a page changed while the clock was put back: their times say they did not change."""
    source = folder / "page.py"
    source.write_text('# %% tags=["parameters"]\nseed = 1\n')
    key = notebooks.notebook_key(source, {})
    source.write_text('# %% tags=["parameters"]\nseed = 2\n')
    os.utime(source, (0, 0))
    assert notebooks.notebook_key(source, {}) != key
    pages = {Path("page.py"): source}
    assert stage(pages, folder / "site") == [Path("page.py")] and stage(pages, folder / "site") == []
    source.write_text('# %% tags=["parameters"]\nseed = 3\n')
    os.utime(source, (0, 0))
    assert stage(pages, folder / "site") == [Path("page.py")]
    return "both are noticed by their content"


def notebook_record_damaged(folder: Path) -> str:
    record = folder / "page.json"
    for text in ("", "{", "[]", '{"key": 1}', '{"key": "k", "files": 3, "results": []}', "[" * 100_000):
        record.write_text(text)
        assert notebooks._up_to_date(record, "k") is None, text
    return "counts as none: the notebook runs again"


def wrong_store(folder: Path) -> str:
    """A run of one store asked for with another; weights of one model for another."""
    store, runs = _store(folder), RunStore(folder / "runs")
    record = run_one(RUN, StoreData(store), runs)
    (folder / "b").mkdir()
    contents = {
        split: factory.columns(split, seed=1, rows=rows) for split, rows in (("train", 24), ("valid", 12), ("test", 16))
    }
    other = import_released(folder / "other", factory.write(folder / "b" / "s.pkl", contents), progress=False)
    assert RUN.key(other.digest) != record.key and runs.get(RUN.key(other.digest)) is None
    said = _refused(lambda: trained(RUN, record, other), store.digest[:12])
    _refused(
        lambda: trained(Run("AV-MC(Semi)", 1, (("training.max_epochs", 4), ("text_hidden", 32))), record, store),
        "do not fit",
    )
    shutil.copytree(record.folder, runs.root / RUN.key(other.digest))
    _refused(lambda: runs.get(RUN.key(other.digest)), record.key)
    return f"another store makes another key; its weights are {said}; a copied record is refused"


def failed_run(folder: Path) -> str:
    """A loss that is not finite."""
    store, runs = _store(folder), RunStore(folder / "runs")
    run = Run("AV-MC", 1, (("rate", 1e30), ("training.max_epochs", 3)))
    record = run_one(run, StoreData(store), runs)
    assert record.status == "failed" and "loss is" in record.reason and not record.scores
    assert {path.name for path in record.folder.iterdir()} == {RECORD}
    assert json.loads((record.folder / RECORD).read_text())["reason"] == record.reason
    _refused(lambda: record.predictions("test"), "not failed")
    return f"marked failed ({record.reason}); no predictions, no weights"


FAULTS: dict[str, Callable[[Path], str]] = {
    "the disk is full during an import": full_disk_import,
    "the disk is full during training": full_disk_training,
    "the place is read-only": read_only,
    "a source is written to during its import": source_changes,
    "a source is cut during its import": source_cut,
    "a source is removed during its import": source_removed,
    "a source is cut under the very read": source_cut_while_read,
    "a store is cut under a training": store_cut_while_read,
    "a bit of the features flips, size and time unchanged": features_changed,
    "a bit of an interrupted run's state flips": state_damaged,
    "a kill between a run's record and its rename": killed_before_the_rename,
    "a finished run's record is removed": record_gone,
    "two imports to one place at once": two_imports,
    "two trainings of one run at once": two_trainings,
    "the clock jumps back throughout a training": clock_jumps_in_training,
    "files of 1970 and of the future": old_and_future_times,
    "a page changes while the clock is put back": page_with_an_old_time,
    "a notebook's record is damaged": notebook_record_damaged,
    "a checkpoint of another store or model": wrong_store,
    "a loss becomes NaN": failed_run,
}
