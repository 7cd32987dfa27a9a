"""What the faults are made with: small files, stores and disks, processes of their own, and what
has to be refused."""

from __future__ import annotations

import faulthandler
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import released_factory as factory

from avmc_core.data.importing import import_released
from avmc_core.data.store import Store
from avmc_core.errors import InputError
from avmc_core.runs import training, training_state
from avmc_core.runs.computing import run_one
from avmc_core.runs.execution import StoreData
from avmc_core.runs.store import PREDICTIONS, WEIGHTS, Run, RunStore

RUN = Run("AV-MC", 1, (("training.max_epochs", 4),))
ROWS = {"train": 24, "valid": 12, "test": 16}


class NotHere(Exception):
    """This fault cannot be made on this machine."""


def refused(work: Callable[[], object], *words: str) -> str:
    """What happened instead, unless ``work`` ends with an InputError that contains ``words``."""
    try:
        work()
    except InputError as error:
        missing = [word for word in words if word not in str(error)]
        assert not missing, f"{error} does not say {missing}"
        return f"refused: {error.found[:120]}"
    raise AssertionError("it was taken")


def sources(folder: Path) -> tuple[Path, Path]:
    """A supervised and an unsupervised file of the released kind."""
    return factory.released_files(folder)


def made_store(folder: Path, seed: int = 0) -> Store:
    """A store of some dozen clips; another seed makes other numbers."""
    folder.mkdir(exist_ok=True)
    contents = {split: factory.columns(split, seed=seed, rows=rows) for split, rows in ROWS.items()}
    return import_released(
        folder / "store", factory.write(folder / "s.pkl", contents), simulated={}, progress=False
    )


def result(folder: Path) -> dict[str, bytes]:
    """The bytes of a finished run."""
    return {name: (folder / name).read_bytes() for name in (PREDICTIONS, WEIGHTS)}


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A tmpfs of ``size``, where mounting is allowed."""
    disk = folder / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise NotHere(f"no permission to mount a small disk: {done.stderr.strip()[:80]}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fork(work: Callable[[], object]) -> int:
    """The process id of a child that does the work; it ends with 0, with 1 after an InputError,
    else with 2 or by a signal."""
    child = os.fork()
    if not child:
        faulthandler.disable()  # under pytest it would print the signal that some faults end with
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        status = 2
        try:
            work()
            status = 0
        except InputError:
            status = 1
        finally:
            os._exit(status)
    return child


def statuses(*children: int) -> list[int]:
    """How children of ``fork`` ended, as statuses of ``os.waitpid``, in ascending order."""
    return sorted(os.waitpid(child, 0)[1] for child in children)


def ending(status: int) -> str:
    """A wait status in words."""
    return (
        signal.Signals(os.WTERMSIG(status)).name
        if os.WIFSIGNALED(status)
        else f"status {os.WEXITSTATUS(status)}"
    )


def interrupt(store: Store, runs: RunStore, after: int = 2) -> None:
    """Ends a training after so many epochs, as a kill would."""
    saved, whole = [], training_state.save

    def save(*arguments):
        whole(*arguments)
        saved.append(1)
        if len(saved) == after:
            raise KeyboardInterrupt

    with mock.patch.object(training_state, "save", save), mock.patch.object(training, "RARELY", 0):
        try:
            run_one(RUN, StoreData(store), runs)
        except KeyboardInterrupt:
            return
    raise AssertionError("not interrupted")
