"""How the benchmark times a step: the median of several calls, in the surroundings of a run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import torch

from avmc_core.runs.execution import deterministic
from avmc_core.speed.bench_device import elsewhere, finish, work

# steps before any is timed on a GPU: kernels are compiled and chosen, memory is taken
WARM_UP = 3


def median_seconds(
    function: Callable[[], Any],
    threads: int,
    repeats: int = 15,
    budget: float = 5.0,
    device: str = "cpu",
) -> float:
    """Median time of a call in seconds, over at most ``repeats`` calls within about ``budget``
    seconds. A first call is not counted unless it uses up the budget.

    A single thread is timed by processor time, which other work on the machine disturbs less,
    several threads by the wall clock. On a GPU the wall clock runs until the device has finished,
    and ``WARM_UP`` calls come before.
    """
    single = threads == 1 and not elsewhere(device)
    clock = time.process_time if single else time.perf_counter
    times: list[float] = []
    for _ in range(WARM_UP if elsewhere(device) else 0):
        function()
    while len(times) <= repeats and (not times or sum(times) < budget):
        finish(device)
        start = clock()
        function()
        finish(device)
        times.append(clock() - start)
    return statistics.median(times[1:] or times)


@contextmanager
def like_a_run(threads: int, fast: bool, device: str = "cpu"):
    """A run's surroundings for the fast way, PyTorch's defaults for the naive one."""
    if fast:
        with deterministic(threads, device):
            yield
    else:
        torch.set_num_threads(threads)
        yield


def timing(
    function: Callable[[], Any], threads: int, device: str, repeats: int
) -> dict[str, float]:
    """``seconds``, the median of a call; on a GPU also the ``work`` of one."""
    seconds = median_seconds(function, threads, repeats, device=device)
    return {"seconds": seconds, **(work(function, device) if elsewhere(device) else {})}
