"""All families of hostile files, one after the other, each case in its sandbox."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path

import numpy as np

from torture import sandbox

MODULES = (
    "hostile_pickles",
    "hostile_released",
    "hostile_tables",
    "hostile_stores",
    "hostile_sealed",
    "hostile_media",
)
GOOD = (sandbox.REFUSED, sandbox.REPAIRED, sandbox.HARMLESS)


def run(module: str, count: int, seed: int, place: Path, every: int = 1) -> Iterator[dict]:
    """One row per family of a module: how its cases ended, the slowest and the largest of them, and
    what was bad. Of the listed cases, one in ``every`` is tried."""
    families = import_module(f"torture.{module}")
    warm = place / "warm"
    shutil.rmtree(warm, ignore_errors=True)
    warm.mkdir(parents=True)
    if needs := getattr(families, "needs", lambda: "")():
        for name in families.FAMILIES:
            yield {"family": name, "cases": 0, "skipped": needs}
        return
    families.warm(warm)
    for name, make in families.FAMILIES.items():
        cases = make(np.random.default_rng([seed, *name.encode()]), count)
        yield {
            "family": name,
            **_family(
                islice(cases, int(np.random.default_rng(seed).integers(every)), None, every), place
            ),
        }


def _family(cases: Iterator, place: Path) -> dict:
    ends, bad, slowest, largest, start = Counter(), [], 0.0, 0, time.perf_counter()
    for number, case in enumerate(cases):
        folder = place / "case"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        case.write(folder)
        outcome = sandbox.guarded(_bound(case.read, folder), folder)
        ends[outcome.end] += 1
        slowest, largest = max(slowest, outcome.seconds), max(largest, outcome.megabytes)
        if outcome.end not in GOOD:
            bad.append(
                {
                    "number": number,
                    "case": case.name,
                    "end": outcome.end,
                    "detail": outcome.detail[:300],
                }
            )
    return {
        "cases": sum(ends.values()),
        **{end: ends[end] for end in GOOD},
        "bad": bad,
        "slowest": slowest,
        "largest": largest,
        "seconds": time.perf_counter() - start,
        "skipped": "",
    }


def _bound(read: Callable[[Path], str], folder: Path) -> Callable[[], str]:
    return lambda: read(folder)
