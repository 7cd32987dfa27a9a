"""What several seeds cost, trained side by side, beside one alone: whole runs on the simulated
corpus."""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from tqdm import tqdm

from avmc_core.models import registry
from avmc_core.runs.execution import trains_together

EPOCHS, REPEATS = 25, 5
# what is timed unless other models are named: a model and changes to its published settings
GROUPS: dict[str, tuple[str, tuple[tuple[str, Any], ...]]] = {
    "AV-MC": ("AV-MC", ()),
    "AV-MC, paper": ("AV-MC", (("variant", "paper"),)),
    "AV-MC(Semi)": ("AV-MC(Semi)", ()),
}


def side_by_side(names: Iterable[str], count: int) -> dict[str, dict[str, Any]]:
    """For each name, one of ``GROUPS`` or a registered model: wall seconds of one seed alone at
    its better thread count, and of ``count`` seeds together on one thread each; their ratio; and
    whether they were together as one network or as processes.

    Each run is made in a fresh process; the seconds are medians of ``REPEATS``. A bar shows how far
    this has got, for it takes minutes. All train for as many epochs, because seeds that stop early
    differ by half. Raises InputError for an unknown model.
    """
    from avmc_core.simulated.corpus import ensure_corpus

    groups = {name: GROUPS.get(name, (name, ())) for name in names}
    for model, _ in groups.values():
        registry.entry(model)
    store, costs = ensure_corpus("ci"), {}
    # seeds, threads; in turn, so that a busy minute falls on all
    kinds = [(1, 1), (1, 2), (count, 1)]
    bar = tqdm(total=len(groups) * REPEATS * len(kinds), unit="measurement")
    for name, (model, changes) in groups.items():
        bar.set_description(name)
        seconds: list[list[float]] = []
        for _ in range(REPEATS):
            seconds.append([])
            for kind in kinds:
                seconds[-1].append(_alone(model, changes, *kind))
                bar.update()
        *one, together = (statistics.median(times) for times in zip(*seconds, strict=True))
        best = min(one)
        settings = registry.settings_of(model, dict(changes))
        one_network = trains_together(registry.builder(model), settings, store)
        costs[name] = {
            "one": best,
            "threads": one.index(best) + 1,
            "seeds": count,
            "together": together,
            "as": "one network" if one_network else "processes",
            "ratio": together / best,
        }
    bar.close()
    return costs


def _alone(model: str, changes: tuple, count: int, threads: int) -> float:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_seconds, model, changes, count, threads).result()


def _seconds(model: str, changes: tuple, count: int, threads: int) -> float:
    from avmc_core.runs.grid import run_all
    from avmc_core.runs.store import Run, RunStore
    from avmc_core.simulated.corpus import ensure_corpus

    epochs = (("training.max_epochs", EPOCHS), ("training.patience", EPOCHS))
    store, runs = ensure_corpus("ci"), [Run(model, seed, epochs + changes) for seed in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run_all(runs, store, RunStore(folder), threads=threads, progress_bar=False)
        return time.perf_counter() - start
