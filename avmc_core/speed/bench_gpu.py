"""A GPU as the benchmark finds it: the card, what computes its recurrences, and its limits, with
which the steps are compared."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import torch

from avmc_core.batch import with_host
from avmc_core.kernels import launched
from avmc_core.kernels.gpu import arithmetic
from avmc_core.kernels.lstm import LSTM
from avmc_core.speed import bench_device
from avmc_core.speed.bench_timing import median_seconds

PRODUCT = 8192  # rows and columns of the matrices whose product is timed
COPIED = 2**28  # numbers of a copy
LAUNCHES = 1000
FRAMES = 1000  # of the shorter of two clips, the second of which is twice as long
HIDDEN = 32  # units, as AV-MC(Semi) has


def machine(threads: int, device: str) -> dict[str, Any]:
    """The card and its software; whether recurrences are ``launched`` or cuDNN's; and its limits:
    products in float32, copies, the microseconds that a host needs to launch a kernel, and those
    of a step of a recurrence, which waits for the step before."""
    torch.set_num_threads(threads)
    own = launched.takes(torch.zeros(1, device=device), HIDDEN)
    with arithmetic(device):
        limits = {
            "gemm_gflops": _products(device) / 1e9,
            "copy_gb_per_s": _copies(device) / 1e9,
            "launch_us": 1e6 * _launch(device),
            "step_us": 1e6 * _step(device),
        }
    return {
        **bench_device.card(),
        "threads": threads,
        "load": os.getloadavg()[0],  # what else ran in the minute before
        "torch": version("torch"),
        "recurrence": "launched" if own else "cuDNN",
        **limits,
    }


def _seconds(function: Callable[[], Any], device: str) -> float:
    return median_seconds(function, 1, 9, device=device)


def _products(device: str) -> float:
    """Floating-point operations a second of a large product in float32."""
    a = torch.randn(PRODUCT, PRODUCT, device=device)
    return 2 * PRODUCT**3 / _seconds(lambda: a @ a, device)


def _copies(device: str) -> float:
    """Bytes a second that a copy reads and writes."""
    source = torch.zeros(COPIED, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / _seconds(lambda: target.copy_(source), device)


def _launch(device: str) -> float:
    """Seconds between launches of the smallest kernel, which the host makes one after the other
    without a wait."""
    one = torch.zeros(1, device=device)

    def many() -> None:
        for _ in range(LAUNCHES):
            one.add_(1)

    return _seconds(many, device) / LAUNCHES


def _step(device: str) -> float:
    """Seconds of one more step of one clip, the mean of forward and backward: the difference
    between two lengths, in which what every call costs cancels out."""
    lstm = LSTM(HIDDEN, HIDDEN, bidirectional=True).to(device)

    def taken(frames: int) -> float:
        x, lengths = torch.randn(1, frames, HIDDEN, device=device), torch.tensor([frames])
        own = with_host(lengths.to(device), lengths)
        return _seconds(lambda: lstm(x, own)[0].sum().backward(), device)

    return max(0.0, taken(2 * FRAMES) - taken(FRAMES)) / (2 * FRAMES)
