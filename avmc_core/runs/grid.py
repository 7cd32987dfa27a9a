"""Many runs: what is missing in the store is computed, over as many processes as asked for."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
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
from avmc_core.runs.execution import (
    StoreData,
    encoder_for,
    encoder_identity,
    execute,
    execute_together,
    network,
    trains_together,
)
from avmc_core.runs.store import (
    WEIGHTS,
    Record,
    Run,
    RunStore,
    environment,
    package_digest,
    provenance,
)
from avmc_core.runs.workers import end_with_parent
from avmc_core.settings import as_dict
from avmc_core.text_encoder import encoder_name, locate


def default_device() -> str:
    """$AVMC_DEVICE, or a GPU where there is one, or the CPU."""
    return os.environ.get("AVMC_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")


def checked_device(device: str | None, here: bool = True) -> str:
    """``device``, or the default one. Raises InputError for a name that is none, and for a GPU that
    this machine does not have if the runs are to be computed ``here``."""
    device = device or default_device()
    if device not in ("cpu", "cuda"):
        raise InputError("device", repr(device), "cpu or cuda")
    if device == "cuda" and here and not torch.cuda.is_available():
        raise InputError(
            "device", "'cuda' without a GPU that PyTorch can use", "cpu on this machine"
        )
    return device


# A batch norm needs two clips to train on.
FEWEST = {"train": 2, "valid": 1, "test": 1}


def run_store() -> RunStore:
    """The run store in the home of runs and results ($AVMC_HOME)."""
    return RunStore(home() / "runs")


def check(grid: Sequence[Run], store: Store) -> None:
    """Raises InputError, before anything is trained, for splits too small to learn from, be stopped
    by and scored on, for runs that read features or labels which the clips do not have, and for
    runs that need a text encoder where there is none, or where it is damaged or not the one of the
    store's tokens."""
    for name, least in FEWEST.items():
        if (clips := len(store.split(name).labels)) < least:
            raise InputError(
                store.path,
                f"{clips} clips in the split {name}",
                f"{least} or more, to run an experiment",
            )
    for run in grid:
        if lost := registry.without(store, run.model, run.settings):
            raise InputError(store.path, lost, f"a store with them, for {run.name}")
        if not store.simulated and run.capabilities.text_encoder and locate(encoder_name()) is None:
            found = f"no text encoder {encoder_name()!r}, which it runs in every step"
            raise InputError(run.name, found, "$AVMC_BERT, its folder")
    if not store.simulated and any(run.capabilities.text_encoder for run in grid):
        # read once in whole: a damaged one is named here, not at the first run that needs it
        encoder_for(store)


def run_one(
    run: Run,
    data: StoreData,
    runs: RunStore,
    *,
    device: str = "cpu",
    threads: int = 1,
    progress_bar: bool = False,
) -> Record:
    """The record of a run: read if it is in the store, else computed (an interrupted run is
    continued) and kept.

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
                    build,
                    settings,
                    seen,
                    run.seed,
                    folder,
                    device=device,
                    threads=threads,
                    progress_bar=progress_bar,
                )
                return runs.publish(folder, _record(run, key, store, device, threads, outcome))
        time.sleep(0.2)


def _record(run: Run, key: str, store: Store, device: str, threads: int, outcome: dict) -> Record:
    return Record(
        key=key,
        model=run.model,
        seed=run.seed,
        settings=as_dict(run.settings),
        data={
            "digest": store.digest,
            "kind": "simulated" if store.simulated else "real",
            "protocol": as_dict(run.protocol),
            "init": package_digest(run.init) if run.init else "",
            "encoder": encoder_identity(run.capabilities, store),
        },
        code=provenance(run),
        environment=environment(device, threads),
        **outcome,
    )


def run_together(
    company: Sequence[Run],
    data: StoreData,
    runs: RunStore,
    *,
    device: str = "cpu",
    threads: int = 1,
) -> list[Record]:
    """The records of one run, or of several that can be trained side by side (``companies``), as
    ``run_one`` gives them; each is kept as soon as its training ends. Runs that another process is
    computing are waited for in the end."""
    if len(company) > 1:
        with ExitStack() as claims:
            folders: dict[Run, Path] = {}
            for run in company:
                key = run.key(data.store, device, threads)
                folder = claims.enter_context(runs.claim(key)) if runs.get(key) is None else None
                if folder is not None and runs.get(key) is None and runs.recover(folder) is None:
                    folders[run] = folder
            own, first = list(folders), company[0]
            seeds, build = [run.seed for run in own], registry.builder(first.model)
            seen = data.under(first.protocol, first.seed)  # one for all: ``companies`` sees to it
            for number, outcome in execute_together(
                build, first.settings, seen, seeds, [*folders.values()], threads
            ):
                run, folder = own[number], folders[own[number]]
                runs.publish(
                    folder,
                    _record(
                        run,
                        run.key(data.store, device, threads),
                        data.store,
                        device,
                        threads,
                        outcome,
                    ),
                )
    return [run_one(run, data, runs, device=device, threads=threads) for run in company]


LARGE = 1000  # training clips, from which on a training takes longer than another process to start


def companies(grid: Sequence[Run], store: Store, device: str, jobs: int) -> list[list[Run]]:
    """The runs in parts that are trained side by side: neighbours or not, runs that differ in their
    seed alone, where model and data allow it; the others alone. There are at least ``jobs`` parts
    where that pays."""
    alike: dict[Run, list[Run]] = {}
    for run in grid:
        alike.setdefault(replace(run, seed=0), []).append(run)
    parts: list[list[Run]] = []
    for same in alike.values():
        first = same[0]
        shared = (
            not first.protocol.seeded
            and not first.init
            and len({run.seed for run in same}) == len(same)
        )
        if (
            len(same) > 1
            and shared
            and trains_together(registry.builder(first.model), first.settings, store, device)
        ):
            split = -(-jobs // len(alike)) if len(store.split("train").labels) >= LARGE else 1
            size = -(-len(same) // split)
            parts += [same[start : start + size] for start in range(0, len(same), size)]
        else:
            parts += [[run] for run in same]
    return parts


class Executor(Protocol):
    """Computes runs somewhere and yields each with its record as it is finished: here, or on a
    cluster (``cluster.Slurm``).

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
    """The records of all runs, in the order given; what is missing is computed by ``jobs``
    processes (default: the cores).

    ``device``: None for ``default_device()``; on a GPU runs share one process. ``executor``: None
    for this machine. Results depend neither on ``jobs`` nor on the executor. Raises InputError for
    a device that is not there and for what ``check`` finds, and what the executor raises.
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
    """The executor of this machine: ``jobs`` processes (default: the cores), this one among them;
    for a GPU this one alone.

    Raises RunsLost, after the run that this process is at, when another process was ended from
    outside.
    """

    jobs: int | None = None

    def __call__(
        self, missing: Sequence[Run], store: Store, runs: RunStore, device: str, threads: int
    ) -> Iterator[tuple[Run, Record]]:
        jobs = (self.jobs or os.cpu_count() or 1) if device == "cpu" else 1
        data, parts = StoreData(store), companies(missing, store, device, jobs)
        jobs = min(jobs, len(parts))
        if jobs <= 1:
            for company in parts:
                yield from zip(
                    company,
                    run_together(company, data, runs, device=device, threads=threads),
                    strict=True,
                )
            return
        context = multiprocessing.get_context("forkserver")
        # PyTorch is imported once, by the server, with the part that it would load at the first
        # step.
        context.set_forkserver_preload(["avmc_core.runs.grid", "torch._inductor.config"])
        left = deque(parts)  # the others take from the beginning, this process from the end
        waiting: dict[Future, list[Run]] = {}
        back: SimpleQueue[Future] = SimpleQueue()
        pool = ProcessPoolExecutor(jobs - 1, context, initializer=end_with_parent)

        def hand_out() -> None:
            with suppress(IndexError):
                company = left.popleft()
                future = pool.submit(_work, company, store.path, runs.root, device, threads)
                waiting[future] = company
                future.add_done_callback(come_back)

        def come_back(future: Future) -> None:
            if not future.cancelled() and future.exception() is None:
                # before this one leaves ``waiting``, which is thus never empty too early
                hand_out()
            back.put(future)

        try:
            for _ in range(jobs - 1):
                hand_out()
            while left or waiting:
                own = None
                with suppress(IndexError):
                    own = left.pop()
                if own is not None:
                    yield from zip(
                        own,
                        run_together(own, data, runs, device=device, threads=threads),
                        strict=True,
                    )
                for future in _come_back(back, wait=own is None):
                    yield from zip(waiting.pop(future), future.result(), strict=True)
        except BrokenProcessPool:
            records = {run: runs.get(run.key(store, device, threads)) for run in missing}
            if lost := [
                f"{run.name} {run.seed}" for run, record in records.items() if record is None
            ]:
                why = (
                    f"one of {jobs} processes was ended from outside, most likely for want of "
                    "memory; fewer need less"
                )
                raise RunsLost(
                    f"{len(lost)} runs without a record ({', '.join(lost)}): {why}"
                ) from None
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


def _work(
    company: Sequence[Run], store: Path, runs: Path, device: str, threads: int
) -> list[Record]:
    return run_together(company, _data(store), RunStore(runs), device=device, threads=threads)


@cache
def _data(store: Path) -> StoreData:
    """A worker opens its store once."""
    return StoreData(open_store(store))


def trained(run: Run, record: Record, store: Store) -> Model:
    """The trained network of a finished run, in evaluation mode. Raises InputError when the weights
    are damaged, were trained on other data, or do not fit."""
    if record.data["digest"] != store.digest:
        raise InputError(
            record.folder,
            f"a run on data {record.data['digest'][:12]}",
            f"one on {store.digest[:12]}",
        )
    model = network(registry.builder(run.model), run.settings, run.protocol.of(store, run.seed))()
    path = record.folder / WEIGHTS
    weights = {name: torch.from_numpy(tensor) for name, tensor in read_sealed(path)[0].items()}
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(
            path, f"weights that do not fit: {error}", f"those of {run.name} on this store"
        ) from error
    return model.eval()
