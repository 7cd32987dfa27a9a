"""What the benchmark measures on a GPU besides seconds: how long a step keeps the card busy, with
how many kernels, and the limits of the card. Whatever the benchmark asks of CUDA is in this file.
"""

from __future__ import annotations

import gc
import subprocess
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from avmc_core.errors import InputError
from avmc_core.kernels import gpu

COPIES = ("Memcpy", "Memset")  # how the profiler's names of copies and fillings begin


def elsewhere(device: str) -> bool:
    """Whether steps are made on another device than the processor."""
    return device != "cpu"


def _cuda(device: str) -> bool:
    return torch.device(device).type == "cuda"


def finish(device: str) -> None:
    """Wait until the device has done all that it was given. On a CPU there is nothing to wait
    for."""
    if _cuda(device):
        torch.cuda.synchronize()


def work(function: Callable[[], Any], device: str) -> dict[str, float]:
    """What one call makes the device do, as ``counted`` counts it."""
    _first_profile(device)
    return counted(_profiled(function, device))


def counted(events: Iterable[Any]) -> dict[str, float]:
    """From a profiler's events: ``kernels``, how many were launched; ``copies``, how often memory
    was copied or filled; ``busy``, for how many seconds at least one of them was under way.

    Events of the host, and the marks that it lays over the device's time, do not count.
    """
    own = [
        event
        for event in events
        if event.device_type == DeviceType.CUDA and not getattr(event, "is_user_annotation", False)
    ]
    busy, until = 0.0, float("-inf")
    for start, end in sorted((event.time_range.start, event.time_range.end) for event in own):
        busy += max(0.0, end - max(start, until))
        until = max(until, end)
    copies = sum(event.name.startswith(COPIES) for event in own)
    return {"kernels": len(own) - copies, "copies": copies, "busy": busy / 1e6}


def _profiled(function: Callable[[], Any], device: str) -> Iterable[Any]:
    """The events of one call, times in microseconds."""
    activity = ProfilerActivity.CUDA if _cuda(device) else ProfilerActivity.CPU
    finish(device)
    with profile(activities=[activity]) as profiler:
        function()
        finish(device)
    return profiler.events()


@cache
def _first_profile(device: str) -> None:
    """The first profile of a process loads the profiler's own library, and may miss kernels."""
    _profiled(lambda: torch.zeros(1, device=device).add_(1), device)


def card() -> dict[str, Any]:
    """The card, and what of the software decides how fast it is: the versions of its driver, CUDA,
    cuDNN and Triton, and whether products round to TF32. "" for what cannot be told."""
    return {
        **gpu.described(),
        "driver": _driver(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }


def _driver() -> str:
    try:
        versions = subprocess.run(
            ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return ""
    return versions[0] if versions else ""


def peak_mb(device: str) -> float:
    """The most memory that this process's tensors have taken on the device, in MB; 0 on a CPU."""
    return torch.cuda.max_memory_allocated() / 2**20 if _cuda(device) else 0.0


def attempted(part: Callable[[], Any], device: str) -> Any:
    """What a part of the benchmark finds. On a GPU a part that fails is recorded as ``failed``,
    with the reason, so that the others are measured all the same."""
    if not elsewhere(device):
        return part()
    try:
        return part()
    except InputError:
        raise
    except Exception as error:  # whatever a driver, a compiler or a lack of memory may raise
        return {"failed": f"{type(error).__name__}: {error}"[:1000]}
    finally:
        _release(device)


def _release(device: str) -> None:
    """Give memory that is no longer used back to the device, for processes that measure there."""
    if _cuda(device):
        gc.collect()
        torch.cuda.empty_cache()
