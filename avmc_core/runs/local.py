"""The executor of this machine: processes that share the runs among them."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from queue import Empty, SimpleQueue

from avmc_core.data.store import Store, open_store
from avmc_core.errors import RunsLost, counted
from avmc_core.files import sockets
from avmc_core.runs.computing import grouped, run_together
from avmc_core.runs.execution import StoreData
from avmc_core.runs.store import Record, Run, RunStore
from avmc_core.runs.workers import end_with_parent


@dataclass(frozen=True)
class Local:
    """The executor of this machine: ``jobs`` processes (default: the cores), this one among them;
    for a GPU this one alone.

    Raises RunsLost, after the current run of this process, when another process was ended from
    outside.
    """

    jobs: int | None = None

    def __call__(
        self, missing: Sequence[Run], store: Store, runs: RunStore, device: str, threads: int
    ) -> Iterator[tuple[Run, Record]]:
        jobs = (self.jobs or os.cpu_count() or 1) if device == "cpu" else 1
        data, parts = StoreData(store), grouped(missing, store, device, jobs)
        jobs = min(jobs, len(parts))
        if jobs <= 1:
            for group in parts:
                records = run_together(group, data, runs, device=device, threads=threads)
                yield from zip(group, records, strict=True)
            return
        sockets.settle_multiprocessing()
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["avmc_core.runs.local"])  # PyTorch is imported once
        left = deque(parts)  # the others take from the beginning, this process from the end
        waiting: dict[Future, list[Run]] = {}
        back: SimpleQueue[Future] = SimpleQueue()
        pool = ProcessPoolExecutor(jobs - 1, context, initializer=end_with_parent)

        def hand_out() -> None:
            with suppress(IndexError):
                group = left.popleft()
                future = pool.submit(_work, group, store.path, runs.root, device, threads)
                waiting[future] = group
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
                    records = run_together(own, data, runs, device=device, threads=threads)
                    yield from zip(own, records, strict=True)
                for future in _come_back(back, wait=own is None):
                    yield from zip(waiting.pop(future), future.result(), strict=True)
        except BrokenProcessPool:
            records = {run: runs.get(run.key(store, device, threads)) for run in missing}
            if lost := [f"{run.name} {run.seed}" for run in missing if records[run] is None]:
                why = (
                    f"one of {jobs} processes was ended from outside, most likely for want of "
                    "memory; fewer need less"
                )
                raise RunsLost(
                    f"{counted(len(lost), 'run')} without a record ({', '.join(lost)}): {why}"
                ) from None
            yield from records.items()  # it had written the last one
        finally:
            left.clear()
            pool.shutdown(cancel_futures=True)


def _come_back(back: SimpleQueue[Future], wait: bool) -> Iterator[Future]:
    """The results that have arrived by now; with ``wait`` at least one."""
    with suppress(Empty):
        yield back.get(block=wait)
        while True:
            yield back.get(block=False)


def _work(group: Sequence[Run], store: Path, runs: Path, device: str, threads: int) -> list[Record]:
    return run_together(group, _data(store), RunStore(runs), device=device, threads=threads)


@cache
def _data(store: Path) -> StoreData:
    """A worker opens its store once."""
    return StoreData(open_store(store))
