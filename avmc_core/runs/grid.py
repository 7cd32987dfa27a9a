"""Many runs: what is missing in the store is computed, over as many processes as asked for."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Protocol

import torch
from tqdm import tqdm

from avmc_core.data.store import Store, open_store, verify_store
from avmc_core.errors import InputError, RunsLost
from avmc_core.files.sealed import read_sealed
from avmc_core.home import home
from avmc_core.models import registry
from avmc_core.models.base import Model
from avmc_core.runs import warm_start
from avmc_core.runs.execution import StoreData, encoder_for, encoder_identity, execute, network, reads_tokens
from avmc_core.runs.store import WEIGHTS, Record, Run, RunStore, environment, package_digest, provenance
from avmc_core.runs.workers import end_with_parent
from avmc_core.settings import as_dict
from avmc_core.text_encoder import encoder_name, locate


def default_device() -> str:
    """$AVMC_DEVICE, or a GPU where there is one, or the CPU."""
    return os.environ.get("AVMC_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")


def checked_device(device: str | None, here: bool = True) -> str:
    """``device``, or the default one. Raises InputError for a name that is none, and for a GPU that this machine does not have
    if the runs are to be computed ``here``."""
    device = device or default_device()
    if device not in ("cpu", "cuda"):
        raise InputError("device", repr(device), "cpu or cuda")
    if device == "cuda" and here and not torch.cuda.is_available():
        raise InputError("device", "'cuda' without a GPU that PyTorch can use", "cpu on this machine")
    return device


# A batch norm needs two clips to train on.
FEWEST = {"train": 2, "valid": 1, "test": 1}


def run_store() -> RunStore:
    return RunStore(home() / "runs")


def check(grid: Sequence[Run], store: Store) -> None:
    """Raises InputError, before anything is trained, for splits too small to learn from, be stopped by and scored on, for runs
    that read features which the clips did not have, and for runs that need a text encoder where there is none, or where it is
    damaged or not the one of the store's tokens."""
    for name, least in FEWEST.items():
        if (clips := len(store.split(name).labels)) < least:
            raise InputError(store.path, f"{clips} clips in the split {name}", f"{least} or more, to run an experiment")
    for run in grid:
        if lost := [name for name in store.lacks if name in registry.needs(run.model, run.settings)]:
            raise InputError(store.path, f"no {' and no '.join(lost)} features", f"a store with them, for {run.name}")
        if not store.simulated and reads_tokens(run.settings) and locate(encoder_name()) is None:
            found = f"no text encoder {encoder_name()!r}, which it runs in every step"
            raise InputError(run.name, found, "$AVMC_BERT, its folder")
    if not store.simulated and any(reads_tokens(run.settings) for run in grid):
        encoder_for(store)  # read once in whole: a damaged one is named here, not at the first run that needs it


def run_one(
    run: Run, data: StoreData, runs: RunStore, *, device: str = "cpu", threads: int = 1, progress_bar: bool = False
) -> Record:
    """The record of a run: read if it is in the store, else computed (an interrupted run is continued) and kept.

    If another process is computing the same run, waits for its result.
    """
    store, settings = data.store, run.settings
    key = run.key(store, device, threads)
    while True:
        if (found := runs.get(key)) is not None:
            return found
        with runs.claim(key) as folder:
            if folder is not None and runs.get(key) is None:
                if (finished := runs.recover(folder)) is not None:
                    return finished
                build = registry.builder(run.model)
                if run.init:
                    build = warm_start.started(build, run)
                seen = data.under(run.protocol, run.seed)
                outcome = execute(
                    build, settings, seen, run.seed, folder, device=device, threads=threads, progress_bar=progress_bar
                )
                record = Record(
                    key=key,
                    model=run.model,
                    seed=run.seed,
                    settings=as_dict(settings),
                    data={
                        "digest": store.digest,
                        "kind": "simulated" if store.simulated else "real",
                        "protocol": as_dict(run.protocol),
                        "init": package_digest(run.init) if run.init else "",
                        "encoder": encoder_identity(settings, store),
                    },
                    code=provenance(run),
                    environment=environment(device, threads),
                    **outcome,
                )
                return runs.publish(folder, record)
        time.sleep(0.2)


class Executor(Protocol):
    """Computes runs somewhere and yields each with its record as it is finished: here, or on a cluster (``cluster.Slurm``).

    Raises RunsLost when the records of some will not come.
    """

    def __call__(
        self, missing: Sequence[Run], store: Store, runs: RunStore, device: str, threads: int
    ) -> Iterator[tuple[Run, Record]]: ...


def run_all(
    grid: Sequence[Run],
    store: Store,
    runs: RunStore | None = None,
    *,
    jobs: int | None = None,
    device: str | None = None,
    threads: int = 1,
    progress_bar: bool = True,
    executor: Executor | None = None,
) -> dict[Run, Record]:
    """The records of all runs, in the order given; what is missing is computed by ``jobs`` processes (default: the cores).

    ``device``: None for ``default_device()``; on a GPU runs share one process. ``executor``: None for this machine. Results
    depend neither on ``jobs`` nor on the executor. Raises InputError for a device that is not there and for what ``check``
    finds, and what the executor raises.
    """
    runs, device = runs or run_store(), checked_device(device, here=executor is None)
    found = {run: runs.get(run.key(store, device, threads)) for run in grid}
    missing = [run for run, record in found.items() if record is None]
    executor = executor or Local(jobs)
    if missing:
        check(missing, store)
        verify_store(store.path)  # no training on features that a disk has changed
    with tqdm(total=len(missing), unit="run", disable=not (progress_bar and missing)) as bar:
        for run, record in executor(missing, store, runs, device, threads):
            found[run] = record
            bar.update()
    return found


@dataclass(frozen=True)
class Local:
    """The executor of this machine: ``jobs`` processes (default: the cores), this one among them; for a GPU this one alone.

    Raises RunsLost, after the run that this process is at, when another process was ended from outside.
    """

    jobs: int | None = None

    def __call__(
        self, missing: Sequence[Run], store: Store, runs: RunStore, device: str, threads: int
    ) -> Iterator[tuple[Run, Record]]:
        jobs = min(self.jobs or os.cpu_count() or 1, len(missing)) if device == "cpu" else 1
        data = StoreData(store)
        if jobs <= 1:
            for run in missing:
                yield run, run_one(run, data, runs, device=device, threads=threads)
            return
        context = multiprocessing.get_context("forkserver")
        # PyTorch is imported once, by the server, with the part that it would load at the first step.
        context.set_forkserver_preload(["avmc_core.runs.grid", "torch._inductor.config"])
        left: deque[Run] = deque(missing)  # the others take from the beginning, this process from the end
        waiting: dict[Future, Run] = {}
        back: SimpleQueue[Future] = SimpleQueue()
        pool = ProcessPoolExecutor(jobs - 1, context, initializer=end_with_parent)

        def hand_out() -> None:
            with suppress(IndexError):
                run = left.popleft()
                future = pool.submit(_work, run, store.path, runs.root, device, threads)
                waiting[future] = run
                future.add_done_callback(come_back)

        def come_back(future: Future) -> None:
            if not future.cancelled() and future.exception() is None:
                hand_out()  # before this one leaves ``waiting``, which is thus never empty too early
            back.put(future)

        try:
            for _ in range(jobs - 1):
                hand_out()
            while left or waiting:
                own = None
                with suppress(IndexError):
                    own = left.pop()
                if own is not None:
                    yield own, run_one(own, data, runs, device=device, threads=threads)
                for future in _come_back(back, wait=own is None):
                    yield waiting.pop(future), future.result()
        except BrokenProcessPool:
            records = {run: runs.get(run.key(store, device, threads)) for run in missing}
            if lost := [f"{run.name} {run.seed}" for run, record in records.items() if record is None]:
                why = f"one of {jobs} processes was ended from outside, most likely for want of memory; fewer need less"
                raise RunsLost(f"{len(lost)} runs without a record ({', '.join(lost)}): {why}") from None
            yield from records.items()  # it had written the last one
        finally:
            left.clear()
            pool.shutdown(cancel_futures=True)


def _come_back(back: SimpleQueue[Future], wait: bool) -> Iterator[Future]:
    """What has come back by now; with ``wait`` at least one."""
    with suppress(Empty):
        yield back.get(block=wait)
        while True:
            yield back.get(block=False)


def _work(run: Run, store: Path, runs: Path, device: str, threads: int) -> Record:
    return run_one(run, _data(store), RunStore(runs), device=device, threads=threads)


@cache
def _data(store: Path) -> StoreData:
    """A worker opens its store once."""
    return StoreData(open_store(store))


def trained(run: Run, record: Record, store: Store) -> Model:
    """The trained network of a finished run, in evaluation mode. Raises InputError when the weights are damaged, were
    trained on other data, or do not fit."""
    if record.data["digest"] != store.digest:
        raise InputError(record.folder, f"a run on data {record.data['digest'][:12]}", f"one on {store.digest[:12]}")
    model = network(registry.builder(run.model), run.settings, run.protocol.of(store, run.seed))()
    path = record.folder / WEIGHTS
    weights = {name: torch.from_numpy(tensor) for name, tensor in read_sealed(path)[0].items()}
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(path, f"weights that do not fit: {error}", f"those of {run.name} on this store") from error
    return model.eval()
