"""Stores, runs and model packages, damaged byte by byte."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from avmc_core.runs.store import PREDICTIONS, RECORD, WEIGHTS
from torture.case import Case, damaged
from torture.originals import copied, originals, same_package, same_run, same_store, warm

__all__ = ["FAMILIES", "warm"]


def store_bytes(rng: np.random.Generator, count: int) -> Iterator[Case]:
    """One file of a store cut or with changed bytes, missing, empty, a folder, or another of its
    files."""
    names = sorted(path.name for path in originals().store.iterdir())
    for name in names:
        for what, change in SWAPS.items():

            def write(folder: Path, name=name, change=change) -> None:
                change(copied(originals().store, folder) / name)

            yield Case(f"{name}: {what}", write, lambda folder: same_store(folder / "store"))
    yield from _damaged_files(
        rng, count, originals().store, names, lambda folder: same_store(folder / "store")
    )


SWAPS: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a loop": lambda path: (path.unlink(), path.symlink_to(path)),
    "another file": lambda path: shutil.copyfile(
        next(p for p in sorted(path.parent.iterdir()) if p != path), path
    ),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
}


def run_bytes(rng: np.random.Generator, count: int) -> Iterator[Case]:
    """A finished run whose record, predictions or weights are cut or have changed bytes."""
    (folder,) = (path.parent for path in originals().runs.glob(f"*/{RECORD}"))
    names = [f"{folder.name}/{name}" for name in (RECORD, PREDICTIONS, WEIGHTS)]
    yield from _damaged_files(
        rng, count, originals().runs, names, lambda folder: same_run(folder / "runs")
    )


def package_bytes(rng: np.random.Generator, count: int) -> Iterator[Case]:
    """A model package cut or with changed bytes, half of them in its header."""
    data = originals().package.read_bytes()
    head = range(8 + struct.unpack("<Q", data[:8])[0])
    for number in range(count):
        bad = damaged(data, rng, head if rng.random() < 0.5 else None)
        yield Case(
            f"damaged package {number}",
            lambda folder, bad=bad: (folder / "p").write_bytes(bad),
            lambda folder: same_package(folder / "p"),
        )


def _damaged_files(
    rng, count: int, whole: Path, names: list[str], read: Callable[[Path], str]
) -> Iterator[Case]:
    for number in range(count):
        name = names[rng.integers(len(names))]
        bad = damaged((whole / name).read_bytes(), rng)
        yield Case(
            f"damaged {Path(name).name} {number}",
            lambda folder, name=name, bad=bad: (copied(whole, folder) / name).write_bytes(bad),
            read,
        )


FAMILIES = {
    "stores, damaged": store_bytes,
    "runs, damaged": run_bytes,
    "model packages, damaged": package_bytes,
}
