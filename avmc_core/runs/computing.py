"""Computes or reads one run, or a group of seeds trained together: claims, trains and publishes it
in the store."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch

from avmc_core import schema
from avmc_core.data.store import Store
from avmc_core.models import registry
from avmc_core.runs import warm_start
from avmc_core.runs.execution import (
    StoreData,
    encoder_identity,
    execute,
    execute_together,
    network,
    trains_together,
)
from avmc_core.runs.store import Record, Run, RunStore, package_digest
from avmc_core.runs.surroundings import code_version, environment
from avmc_core.settings import as_dict


def run_one(
    run: Run, data: StoreData, runs: RunStore, *, device: str = "cpu", threads: int = 1
) -> Record:
    """The record of a run, read if it is in the store, otherwise computed (an interrupted run is
    continued) and stored.

    If another process is computing the same run, waits for its result.
    """
    store = data.store
    key = run.key(store, device, threads)
    while True:
        if (record := runs.get(key)) is not None:
            return record
        with runs.claim(key) as folder:
            if folder is not None and runs.get(key) is None:
                if (finished := runs.recover(folder)) is not None:
                    return finished
                build = registry.builder(run.model)
                if run.init:
                    build = warm_start.started(build, run)
                seen = data.under(run.protocol, run.seed)
                outcome = execute(
                    build, run.settings, seen, run.seed, folder, device=device, threads=threads
                )
                return runs.publish(folder, _record(run, key, store, device, threads, outcome))
        time.sleep(0.2)


def _record(run: Run, key: str, store: Store, device: str, threads: int, outcome: dict) -> Record:
    return Record(
        key=key,
        model=run.model,
        seed=run.seed,
        settings=as_dict(run.settings),
        data={
            "digest": store.digest,
            "kind": "simulated" if store.simulated else "real",
            "protocol": as_dict(run.protocol),
            "init": package_digest(run.init) if run.init else "",
            "encoder": encoder_identity(run.capabilities, store),
        },
        code=code_version(run.modules),
        environment=environment(device, threads),
        **outcome,
    )


def run_together(
    group: Sequence[Run], data: StoreData, runs: RunStore, *, device: str = "cpu", threads: int = 1
) -> list[Record]:
    """The records of one run, or of several that can be trained side by side (``grouped``), in
    the order given and as ``run_one`` returns them. Each is stored as soon as its training ends.
    Runs that another process is computing are waited for at the end."""
    if len(group) > 1:
        with ExitStack() as claims:
            folders: dict[Run, Path] = {}
            keys = {run: run.key(data.store, device, threads) for run in group}
            for run, key in keys.items():
                folder = claims.enter_context(runs.claim(key)) if runs.get(key) is None else None
                if folder is not None and runs.get(key) is None and runs.recover(folder) is None:
                    folders[run] = folder
            own, first = list(folders), group[0]
            seeds, build = [run.seed for run in own], registry.builder(first.model)
            seen = data.under(first.protocol, first.seed)  # one for all: ``grouped`` sees to it
            for number, outcome in execute_together(
                build,
                first.settings,
                seen,
                seeds,
                [*folders.values()],
                device=device,
                threads=threads,
            ):
                run = own[number]
                record = _record(run, keys[run], data.store, device, threads, outcome)
                runs.publish(folders[run], record)
    return [run_one(run, data, runs, device=device, threads=threads) for run in group]


# the work of an epoch, in clips, from which on a training takes longer than a process to start
LARGE = 1000
FRAMES = 10  # that are as much work as a clip of averaged features
MOST = 16  # seeds of a group on a GPU, whose memory holds the frames of all their clips


def grouped(grid: Sequence[Run], store: Store, device: str, jobs: int) -> list[list[Run]]:
    """Groups the runs that are trained side by side: runs that differ only in their seed, adjacent
    or not, where model and data allow it. Every other run forms a group of its own. Where that
    saves time, seeds are spread over up to ``jobs`` groups."""
    alike: dict[Run, list[Run]] = {}
    for run in grid:
        alike.setdefault(replace(run, seed=0), []).append(run)
    parts: list[list[Run]] = []
    for same in alike.values():
        first = same[0]
        shared = (
            not first.protocol.seeded
            and not first.init
            and len({run.seed for run in same}) == len(same)
        )
        if (
            len(same) > 1
            and shared
            and trains_together(registry.builder(first.model), first.settings, store, device)
        ):
            split = -(-jobs // len(alike)) if _work_of_an_epoch(first, store) >= LARGE else 1
            size = min(-(-len(same) // split), len(same) if device == "cpu" else MOST)
            parts += [same[start : start + size] for start in range(0, len(same), size)]
        else:
            parts += [[run] for run in same]
    return parts


def _work_of_an_epoch(run: Run, store: Store) -> float:
    """In clips of averaged features: the number of clips or, if it is more, that of the frames that
    the model reads, divided by ``FRAMES``. With unlabelled clips an epoch passes over all clips,
    and over the labelled ones again."""
    with torch.random.fork_rng(devices=[]):
        inputs = network(registry.builder(run.model), run.settings, store)().inputs
    views = {modality: getattr(inputs, modality) for modality in schema.MODALITIES}
    read = [
        f"{modality}_length"
        for modality, view in views.items()
        if view in ("states", "frames", "padded")
    ]
    splits = ("train", schema.TRAIN_MIX) if run.capabilities.unlabelled else ("train",)
    seen = [store.split(name).clips for name in splits]
    return sum(max(len(clips), clips[read].to_numpy().sum() / FRAMES) for clips in seen)
