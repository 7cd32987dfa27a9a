"""Many runs: what is missing in the store is computed, by as many processes as requested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from tqdm import tqdm

from avmc_core.data.store import Store, verify_store
from avmc_core.errors import InputError, counted
from avmc_core.files.sealed import read_sealed
from avmc_core.home import home
from avmc_core.models import registry
from avmc_core.models.base import Model
from avmc_core.runs.execution import encoder_for, network
from avmc_core.runs.local import Local
from avmc_core.runs.store import WEIGHTS, Record, Run, RunStore
from avmc_core.runs.surroundings import default_device
from avmc_core.text_encoder import encoder_name, locate


def checked_device(device: str | None, here: bool = True) -> str:
    """``device``, or the default device if it is None. Raises InputError for an unknown name, and
    for a GPU that this machine does not have if the runs are to be computed ``here``."""
    device = device or default_device()
    if device not in ("cpu", "cuda"):
        raise InputError("device", repr(device), "cpu or cuda")
    if device == "cuda" and here and not torch.cuda.is_available():
        raise InputError(
            "device", "'cuda' without a GPU that PyTorch can use", "cpu on this machine"
        )
    return device


# A batch norm needs two clips to train on.
FEWEST = {"train": 2, "valid": 1, "test": 1}


def run_store() -> RunStore:
    """Opens the run store in the home folder of runs and results ($AVMC_HOME)."""
    return RunStore(home() / "runs")


def check_grid(grid: Sequence[Run], store: Store) -> None:
    """Raises InputError, before anything is trained, for splits too small to learn from, be stopped
    by and scored on, for runs that read features or labels which the clips do not have, and for
    runs that need a text encoder where there is none, or where it is damaged or not the one of the
    store's tokens."""
    for name, least in FEWEST.items():
        if (clips := len(store.split(name).labels)) < least:
            raise InputError(
                store.path,
                f"{counted(clips, 'clip')} in the split {name}",
                f"{least} or more, to run an experiment",
            )
    for run in grid:
        if lost := registry.without(store, run.model, run.settings):
            raise InputError(store.path, lost, f"a store with them, for {run.name}")
        if not store.simulated and run.capabilities.text_encoder and locate(encoder_name()) is None:
            lack = f"no text encoder {encoder_name()!r}, which it runs in every step"
            raise InputError(run.name, lack, "$AVMC_BERT, its folder, or other rows alone")
    if not store.simulated and any(run.capabilities.text_encoder for run in grid):
        # read once in whole: a damaged one is named here, not at the first run that needs it
        encoder_for(store)


class Executor(Protocol):
    """Computes runs, on this machine or on a cluster (``slurm.Slurm``), and yields each with its
    record as it finishes.

    Raises RunsLost when some runs ended without a record.
    """

    def __call__(
        self, missing: Sequence[Run], store: Store, runs: RunStore, device: str, threads: int
    ) -> Iterator[tuple[Run, Record]]: ...


def run_all(
    grid: Sequence[Run],
    store: Store,
    runs: RunStore | None = None,
    *,
    jobs: int | None = None,
    device: str | None = None,
    threads: int = 1,
    progress_bar: bool = True,
    executor: Executor | None = None,
) -> dict[Run, Record]:
    """The records of all runs, in the order given; missing ones are computed by ``jobs`` processes
    (default: the number of cores).

    ``device``: None for ``default_device()``; on a GPU runs share one process. ``executor``: None
    for this machine. Results depend neither on ``jobs`` nor on the executor. Raises InputError for
    a device that does not exist and for whatever ``check_grid`` rejects, and whatever the executor
    raises.
    """
    runs, device = runs or run_store(), checked_device(device, here=executor is None)
    records = {run: runs.get(run.key(store, device, threads)) for run in grid}
    missing = [run for run, record in records.items() if record is None]
    executor = executor or Local(jobs)
    if missing:
        check_grid(missing, store)
        verify_store(store.path)  # no training on features that a disk has changed
    with tqdm(total=len(missing), unit="run", disable=not (progress_bar and missing)) as bar:
        for run, record in executor(missing, store, runs, device, threads):
            records[run] = record
            bar.update()
    return records


def trained(run: Run, record: Record, store: Store) -> Model:
    """The trained network of a finished run, in evaluation mode. Raises InputError when the weights
    are damaged, were trained on other data, or do not fit."""
    if record.data["digest"] != store.digest:
        raise InputError(
            record.folder,
            f"a run on data {record.data['digest'][:12]}",
            f"one on {store.digest[:12]}",
        )
    model = network(registry.builder(run.model), run.settings, run.protocol.of(store, run.seed))()
    path = record.folder / WEIGHTS
    weights = {name: torch.from_numpy(tensor) for name, tensor in read_sealed(path)[0].items()}
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(
            path, f"weights that do not fit: {error}", f"those of {run.name} on this store"
        ) from error
    return model.eval()
