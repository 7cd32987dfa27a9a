"""What surrounds a run and may change its result: the source, the libraries, the machine."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from avmc_core import __version__
from avmc_core.codehash import ROOT, closure, code_hash
from avmc_core.kernels import gpu
from avmc_core.kernels.compiled import kernels_identity
from avmc_core.settings import digest

if TYPE_CHECKING:
    from avmc_core.data.store import Store

LIBRARIES = ("torch", "numpy", "scikit-learn", "transformers")

version = cache(metadata.version)  # every key asks, and it does not change while a process lives


def surroundings(
    modules: list[str], store: Store, device: str, threads: int, libraries: tuple[str, ...] = ()
) -> dict:
    """The part of a key that runs and searches share: the data, the source, and what computes."""
    sources = closure(modules)
    return {
        "data": store.digest,
        "device": device,
        **({"gpu": gpu.gpu_identity()} if device == "cuda" else {}),
        "threads": threads,
        "code": digest(sources),
        "kernels": kernels_identity() if "avmc_core.kernels.compiled" in sources else "",
        "libraries": {name: version(name) for name in (*LIBRARIES, *libraries)},
        "machine": platform.machine(),
    }


@cache
def commit() -> str:
    """The commit of the source tree, "+" appended when it has uncommitted changes; "" outside a
    checkout."""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", ROOT, *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != ROOT:
            return ""  # installed within another project's checkout
        return git("rev-parse", "--short=12", "HEAD") + (
            "+" if git("status", "--porcelain") else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return ""


def code_version(modules: list[str]) -> dict[str, str]:
    """Which state of the source these modules and all that they import were in."""
    return {"version": __version__, "commit": commit(), "digest": code_hash(modules)}


def default_device() -> str:
    """$AVMC_DEVICE, or a GPU where there is one, or the CPU."""
    return os.environ.get("AVMC_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")


def environment(device: str, threads: int) -> dict[str, Any]:
    """What computed: interpreter, libraries, machine, and how much memory this process has held at
    most."""
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
        "system": platform.system(),
        "machine": platform.machine(),
        "device": device,
        **(gpu.described() if device == "cuda" else {}),
        "threads": threads,
        "peak_bytes": peak_bytes(),
    }


def peak_bytes() -> int:
    """The largest memory of this process so far, mapped files included; 0 where the system does not
    tell."""
    try:
        return 1024 * int(
            Path("/proc/self/status").read_text(encoding="ascii").split("VmHWM:")[1].split()[0]
        )
    except (OSError, IndexError):
        return 0
