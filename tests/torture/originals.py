"""A store, a finished run and a model package, and whether what is read from a file is still what
they hold."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
import released_factory as factory
import torch

from avmc_core.data.store import Store, open_store, verify_store
from avmc_core.errors import InputError
from avmc_core.runs.computing import run_one
from avmc_core.runs.execution import StoreData
from avmc_core.runs.exporting import collect, write_package
from avmc_core.runs.grid import trained
from avmc_core.runs.packages import read_package
from avmc_core.runs.store import RECORD, Run, RunStore
from torture import sandbox

RUN = Run("AV-MC", 1, (("training.max_epochs", 1),))


@dataclass(frozen=True)
class Originals:
    """A store, a run store with one finished run on it, and a package of that run."""

    store: Path
    runs: Path
    package: Path

    @cached_property
    def opened(self) -> Store:
        return open_store(self.store)


_made: list[Originals] = []


def originals() -> Originals:
    """What ``warm`` made last."""
    return _made[-1]


def warm(folder: Path) -> None:
    """Makes the originals; loads what reading them loads."""
    torch.set_num_threads(1)
    store, runs = factory.imports(folder, simulated={"made by": "tests"}), RunStore(folder / "runs")
    record = run_one(RUN, StoreData(store), runs)
    package = write_package(collect(record.key, runs, store), folder / "x.avmc.safetensors")
    _made.append(Originals(store.path, runs.root, package))
    assert (
        same_store(store.path) == same_run(runs.root) == same_package(package) == sandbox.HARMLESS
    )


def copied(original: Path, folder: Path) -> Path:
    """A copy of the store or the run store in ``folder``, under its own name."""
    return shutil.copytree(original, folder / original.name)


def same_store(path: Path) -> str:
    """Verified, it holds what the original holds. Opened alone, its clips and labels do."""
    try:
        opened = open_store(path)
        if not all(
            opened.splits[name].clips.equals(originals().opened.splits[name].clips)
            for name in opened.splits
        ):
            raise sandbox.Accepted("other clips in a store that opens")
    finally:
        store = verify_store(path)
    if store.digest != originals().opened.digest or _content(store) != _content(originals().opened):
        raise sandbox.Accepted("a store with other content")
    return sandbox.HARMLESS


def _content(store: Store) -> str:
    hashed = sha256(repr(sorted(store.splits)).encode())
    for split in store.splits.values():
        for ragged in (split.text, split.audio, split.vision):
            hashed.update(ragged.padded(np.arange(len(ragged))).tobytes())
        hashed.update(
            split.tokens.tobytes()
            + split.labels.tobytes()
            + split.mask.tobytes()
            + split.clips.to_csv().encode()
        )
    return hashed.hexdigest()


def same_run(root: Path) -> str:
    """The record, the predictions and the network are those of the original, or one of them is
    refused."""
    (path,) = root.glob(f"*/{RECORD}")
    (good,) = RunStore(originals().runs)
    record = RunStore(root).get(path.parent.name)
    if record is None:
        raise InputError(path, "no finished run", "one: it will be computed again")
    if record != good:
        raise sandbox.Accepted("another record")
    for split in ("train", "valid", "test"):
        for task, found in record.predictions(split).items():
            if found.tobytes() != good.predictions(split)[task].tobytes():
                raise sandbox.Accepted("other predictions")
    left, right = (trained(RUN, one, originals().opened).state_dict() for one in (record, good))
    if not all(torch.equal(left[name], right[name]) for name in right):
        raise sandbox.Accepted("other weights")
    return sandbox.HARMLESS


def same_package(path: Path) -> str:
    found, good = read_package(path), read_package(originals().package)
    if found.facts != good.facts or any(
        tensor.tobytes() != good.weights[seed][name].tobytes()
        for seed, w in found.weights.items()
        for name, tensor in w.items()
    ):
        raise sandbox.Accepted("another package")
    if any(
        tensor.tobytes() != good.statistics[name].tobytes()
        for name, tensor in found.statistics.items()
    ):
        raise sandbox.Accepted("other statistics")
    found.networks()
    return sandbox.HARMLESS
