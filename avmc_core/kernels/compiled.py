"""The optional compiled kernels, ``resources/*.c``: built once where a C compiler is found, never
required.

The build is kept in ``$AVMC_HOME/compiled``. AVMC_COMPILE=0 switches it off, CC names the compiler,
AVMC_CFLAGS replaces ``-O3 -march=native`` (for example by ``-O3 -march=x86-64``); another value is
another build.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from avmc_core.home import home, resource
from avmc_core.kernels import gpu

SOURCES = [resource(name) for name in ("lstm.c", "attention.c", "dense.c", "frames.c", "outer.c")]
HEADERS = [resource(name) for name in ("vector.h", "product.h")]
OPTIMISE = "-O3 -march=native"
SHARED = ("-fno-math-errno", "-shared", "-fPIC")
# PyTorch has loaded an OpenMP runtime, whose symbols are found; a second one beside it would fight
# for the cores.
OPENMP = ("-fopenmp", "-nostdlib")


@cache
def kernels() -> ctypes.CDLL | None:
    """The loaded kernels; None where they are switched off or cannot be built."""
    compiler = os.environ.get("CC") or shutil.which("cc")
    if os.environ.get("AVMC_COMPILE") == "0" or not compiler:
        return None
    single = (*_optimise(), *SHARED)
    for flags in ((*single, *OPENMP), single):
        try:
            return ctypes.CDLL(str(_build(compiler, flags)))
        except (OSError, subprocess.CalledProcessError):
            continue
    return None


def takes(*tensors: Tensor) -> bool:
    """Whether there are compiled kernels, and whether they take the tensors: float32, on a CPU."""
    return (
        all(t.dtype == torch.float32 and not gpu.on_gpu(t) for t in tensors)
        and kernels() is not None
    )


def call(name: str, sizes: ctypes.Structure, *arguments: Tensor | ctypes.Array | None) -> None:
    """Calls a C function on the sizes, and on contiguous tensors or arrays of pointers to them."""
    pointers = (
        x if isinstance(x, ctypes.Array) else ctypes.c_void_p(None if x is None else x.data_ptr())
        for x in arguments
    )
    getattr(kernels(), name)(ctypes.byref(sizes), *pointers)


def kernels_identity() -> str:
    """What computes on CPU here beside PyTorch; part of a run's key, because the last bits depend
    on it."""
    own = "" if _optimise() == OPTIMISE.split() else " ".join(_optimise())
    return hashlib.sha256(_source() + own.encode()).hexdigest()[:16] if kernels() else "torch"


def _optimise() -> list[str]:
    return (os.environ.get("AVMC_CFLAGS") or OPTIMISE).split()


def _source() -> bytes:
    return b"".join(path.read_bytes() for path in (*HEADERS, *SOURCES))


def _build(compiler: str, flags: tuple[str, ...]) -> Path:
    """The shared library for this source, compiler and processor, built if need be."""
    depends = (_source(), compiler, *flags, platform.machine(), _processor())
    path = (
        home()
        / "compiled"
        / f"kernels-{hashlib.sha256(repr(depends).encode()).hexdigest()[:16]}.so"
    )
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # other processes may build the same
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            library = Path(folder, path.name)
            subprocess.run(
                [compiler, *flags, "-o", library, *SOURCES], check=True, capture_output=True
            )
            os.replace(library, path)
    return path.resolve()


def _processor() -> str:
    """What -march=native depends on: two machines may share $AVMC_HOME."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")
