"""Disks that are full or read-only; files that change, shrink or disappear while they are read."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np

from avmc_core.data import importing
from avmc_core.data.importing import import_released
from avmc_core.data.store import open_store
from avmc_core.runs.computing import run_one
from avmc_core.runs.execution import StoreData
from avmc_core.runs.grid import run_all
from avmc_core.runs.store import RunStore
from torture.fault_tools import (
    RUN,
    ending,
    fork,
    made_store,
    refused,
    result,
    small_disk,
    sources,
    statuses,
)


def full_disk_import(folder: Path) -> str:
    files = sources(folder)
    with small_disk(folder, "64k") as disk:
        said = refused(
            lambda: import_released(disk / "store", *files, progress=False), "No space left"
        )
        assert not list(disk.iterdir()), list(disk.iterdir())
    return f"{said}; nothing left behind"


def full_disk_training(folder: Path) -> str:
    store = made_store(folder)
    with small_disk(folder, "700k") as disk:
        try:
            run_one(RUN, StoreData(store), RunStore(disk / "runs"))
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
        else:
            raise AssertionError("the disk was large enough")
        assert not list(RunStore(disk / "runs"))
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        again = result(run_one(RUN, StoreData(store), RunStore(disk / "runs")).folder)
    assert again == result(run_one(RUN, StoreData(store), RunStore(folder / "runs")).folder)
    assert "space" in said, said
    return f"stopped ({said[:100]}), no run published; with space again, the same bytes"


def read_only(folder: Path) -> str:
    files, store = sources(folder), made_store(folder)
    with small_disk(folder, "4m") as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        said = refused(lambda: import_released(disk / "store", *files, progress=False), "Read-only")
        try:
            run_one(RUN, StoreData(store), RunStore(disk / "runs"))
        except OSError as error:
            system = said.partition(": '")[0]  # without the file's name
            return f"{system}; training: {type(error).__name__}: {error.strerror}"
    raise AssertionError("something was written")


def source_changes(folder: Path) -> str:
    """The source file is written to between two splits."""
    files = sources(folder)

    def change() -> None:
        os.utime(files[0])

    return _during_import(folder, files, change)


def source_cut(folder: Path) -> str:
    """The source file is cut to half between two splits: reading on would end the process."""
    files = sources(folder)
    return _during_import(
        folder, files, lambda: os.truncate(files[0], files[0].stat().st_size // 2)
    )


def source_removed(folder: Path) -> str:
    files = sources(folder)
    return _during_import(folder, files, files[0].unlink)


def _during_import(folder: Path, files: tuple[Path, Path], change: Callable[[], None]) -> str:
    whole = importing.write_split

    def then_change(*arguments):
        made = whole(*arguments)
        if arguments[1] == "train":
            change()
        return made

    with mock.patch.object(importing, "write_split", then_change):
        said = refused(lambda: import_released(folder / "store", *files, progress=False))
    assert not (folder / "store").exists() and not list(folder.glob(".store*"))
    return f"{said}; nothing left behind"


def source_cut_while_read(folder: Path) -> str:
    """The source file is cut in the middle of a block, where no check can be in time."""
    files = sources(folder)
    whole = np.isfinite

    def cut(*arguments, **options):
        os.truncate(files[0], 5000)
        return whole(*arguments, **options)

    def work() -> None:
        with mock.patch.object(importing.np, "isfinite", cut):
            import_released(folder / "store", *files, progress=False)

    (status,) = statuses(fork(work))
    assert status and not (folder / "store").exists(), status
    refused(lambda: open_store(folder / "store"))
    files = sources(folder)
    import_released(folder / "store", *files, progress=False)
    left = [path.name for path in folder.glob(".store*")]
    assert not left, left
    return f"the process ends ({ending(status)}), no store is there, the next import clears up"


def store_cut_while_read(folder: Path) -> str:
    """A store's features cut while a model trains on them."""
    store = made_store(folder)
    path, runs = store.path / "train.text.safetensors", RunStore(folder / "runs")

    def work() -> None:
        data = StoreData(store)
        os.truncate(path, 4096)
        run_one(RUN, data, runs)

    (status,) = statuses(fork(work))
    assert status and not list(runs), status
    said = refused(
        lambda: run_all([RUN], open_store(store.path), runs, jobs=1, progress_bar=False), "bytes"
    )
    return f"the process ends ({ending(status)}), no run is published, and the store is {said}"


def features_changed(folder: Path) -> str:
    """One bit of the features changes, while their size and time stay the same."""
    store = made_store(folder)
    path = store.path / "train.vision.safetensors"
    found, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    return refused(
        lambda: run_all(
            [RUN], open_store(store.path), RunStore(folder / "runs"), jobs=1, progress_bar=False
        ),
        "SHA-256",
    )


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
}
