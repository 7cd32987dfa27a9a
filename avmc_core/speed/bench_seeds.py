"""What several seeds cost, trained side by side, beside one alone: whole runs on the simulated
corpus."""

from __future__ import annotations

import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

from tqdm import tqdm

from avmc_core.models import registry
from avmc_core.runs.computing import grouped
from avmc_core.runs.declaration import ON_A_GPU
from avmc_core.runs.execution import trains_together
from avmc_core.runs.store import Run
from avmc_core.speed.bench_device import attempted, elsewhere

EPOCHS, REPEATS = 25, 5
# what is timed unless other models are named: a model and changes to its published settings
GROUPS: dict[str, tuple[str, tuple[tuple[str, Any], ...]]] = {
    "AV-MC": ("AV-MC", ()),
    "AV-MC, paper": ("AV-MC", (("variant", "paper"),)),
    "AV-MC(Semi)": ("AV-MC(Semi)", ()),
}


def usual(device: str) -> int:
    """How many seeds are trained together unless told otherwise."""
    return ON_A_GPU if elsewhere(device) else 6


def side_by_side(
    names: Iterable[str], count: int, device: str = "cpu"
) -> dict[str, dict[str, Any]]:
    """For each name, one of ``GROUPS`` or a registered model: wall seconds of one seed alone at
    its better thread count, and of ``count`` seeds together on one thread each; their ratio; and
    whether they were together as one network, as several in as many processes, or as runs alone.

    Each run is made in a fresh process; the seconds are medians of ``REPEATS``, on a GPU of three.
    A bar shows how far this has got, for it takes minutes. All train for ``EPOCHS`` epochs: with
    early stopping, the times of seeds would differ by half. On a GPU seeds that are not one network
    are trained one after the other, which is not measured. Raises InputError for an unknown model.
    """
    from avmc_core.simulated.corpus import ensure_corpus

    groups = {name: GROUPS.get(name, (name, ())) for name in names}
    for model, _ in groups.values():
        registry.entry(model)
    store, costs = ensure_corpus("ci"), {}
    # seeds, threads; in turn, so that a busy minute falls on all
    kinds = [(1, 1), (count, 1)] if elsewhere(device) else [(1, 1), (1, 2), (count, 1)]
    # time on a GPU is dear
    order = kinds * (min(REPEATS, 3) if elsewhere(device) else REPEATS)
    bar = tqdm(total=len(groups) * len(order), unit="measurement")

    def networks(model: str, changes: tuple) -> str:
        """In how many, each in a process of its own, this machine's executor trains seeds."""
        grid = [Run(model, seed, changes) for seed in range(count)]
        number = 1 if elsewhere(device) else len(grouped(grid, store, device, os.cpu_count() or 1))
        return "one network" if number == 1 else f"{number} networks"

    def cost(model: str, changes: tuple) -> dict[str, Any]:
        settings = registry.settings_of(model, dict(changes))
        one_network = trains_together(registry.builder(model), settings, store, device)
        if elsewhere(device) and not one_network:
            return {"seeds": count, "as": "one after the other"}
        seconds: dict[tuple[int, int], list[float]] = {}
        for kind in order:
            seconds.setdefault(kind, []).append(_alone(model, changes, *kind, device))
            bar.update()
        *one, together = map(statistics.median, seconds.values())
        best = min(one)
        return {
            "one": best,
            "threads": one.index(best) + 1,
            "seeds": count,
            "together": together,
            "as": networks(model, changes) if one_network else "processes",
            "ratio": together / best,
        }

    for number, (name, group) in enumerate(groups.items(), start=1):
        bar.set_description(name)
        costs[name] = attempted(partial(cost, *group), device)
        bar.update(number * len(order) - bar.n)  # those that were not measured
    bar.close()
    return costs


def _alone(model: str, changes: tuple, count: int, threads: int, device: str) -> float:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_seconds, model, changes, count, threads, device).result()


def _seconds(model: str, changes: tuple, count: int, threads: int, device: str = "cpu") -> float:
    from avmc_core.runs.grid import run_all
    from avmc_core.runs.store import RunStore
    from avmc_core.simulated.corpus import ensure_corpus

    store = ensure_corpus("ci")

    def seconds(epochs: int) -> float:
        length = (("training.max_epochs", epochs), ("training.patience", epochs))
        runs = [Run(model, seed, length + changes) for seed in range(count)]
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            run_all(
                runs, store, RunStore(folder), device=device, threads=threads, progress_bar=False
            )
            return time.perf_counter() - start

    if elsewhere(device):
        seconds(1)  # CUDA is loaded, and kernels are compiled, once in a process
    return seconds(EPOCHS)
