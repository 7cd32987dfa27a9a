"""Executes one run, from its settings to its record."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from avmc_core import schema
from avmc_core.batch import Inputs
from avmc_core.data.batches import SplitData
from avmc_core.data.splits import PUBLISHED, SplitProtocol
from avmc_core.data.store import Store
from avmc_core.errors import InputError
from avmc_core.files.sealed import write_sealed
from avmc_core.kernels.gpu import arithmetic
from avmc_core.kernels.heap import keep_freed_memory
from avmc_core.models.base import Capabilities, Model, Sizes
from avmc_core.runs.stackable import stackable, stackable_on_gpu
from avmc_core.runs.together import train_together
from avmc_core.runs.training import Data, TrainingFailed, on_device, predict, train
from avmc_core.runs.training_state import Progress, write_sealed_tensors
from avmc_core.settings import as_dict


def sizes_of(store: Store) -> Sizes:
    """The sizes of a model that are determined by the store."""
    split = store.split("train")
    widths = {m: getattr(split, m).parts[0][0].shape[1] for m in schema.MODALITIES}
    steps = {f"{m}_steps": getattr(split, m).steps for m in schema.MODALITIES}
    return Sizes(**widths, **steps, train_clips=len(split.labels), limit=store.limit)


class StoreData:
    """A store's splits in the views that models read, each made once and kept."""

    def __init__(self, store: Store):
        self.store = store
        self.split = cache(store.split)
        self._data = cache(lambda name, inputs: SplitData(self.split(name), inputs))

    def __call__(self, name: str, inputs: Inputs) -> SplitData:
        return self._data(name, inputs)

    def under(self, protocol: SplitProtocol, seed: int) -> StoreData:
        """The data of this store as a run with this protocol and seed sees them."""
        return self if protocol == PUBLISHED else StoreData(protocol.of(self.store, seed))


@contextmanager
def deterministic(threads: int, device: str = "cpu"):
    """A context in which the same seed gives the same bytes: a fixed thread count, also of NumPy's
    products of matrices, deterministic kernels, on a GPU the arithmetic of ``kernels.gpu``.
    Denormal numbers, of which LSTM gradients are full, are flushed to zero, and freed memory is
    kept for the next step, which are both faster.

    Afterwards PyTorch's generator has its former state: what a process draws must not depend on the
    runs that it made in between.
    """
    before = (
        torch.get_num_threads(),
        torch.get_deterministic_debug_mode(),
        torch.get_rng_state(),
    )
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    # use_deterministic_algorithms does the same, and imports PyTorch's compiler, for a second
    torch.set_deterministic_debug_mode("warn")
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.set_flush_denormal(True)
    keep_freed_memory()
    try:
        # beside other processes, threads that wait for each other are many times slower than one
        with arithmetic(device), threadpool_limits(threads, "blas"):
            yield
    finally:
        torch.set_num_threads(before[0])
        torch.set_deterministic_debug_mode(before[1])
        torch.set_flush_denormal(False)
        torch.set_rng_state(before[2])


def execute(
    build: Callable,
    settings: object,
    data: StoreData,
    seed: int,
    folder: Path,
    *,
    device: str = "cpu",
    threads: int = 1,
) -> dict:
    """Train (or fit) and predict every labelled split; leaves ``predictions.safetensors`` and
    ``model.safetensors`` in ``folder``, beside the trainer's state (a kill from here on costs no
    training), and returns the outcome: status, reason, epochs, best_epoch, seconds, parameters,
    history."""
    start = time.perf_counter()
    with deterministic(threads, device):
        if not build.capabilities(settings).trained:
            model = build(settings, sizes_of(data.store))
            predictions = model.fit_predict({name: data.split(name) for name in schema.SPLITS})
            _keep(predictions, folder)
            return {**OUTCOME, "seconds": time.perf_counter() - start}
        # on a GPU a seed is trained alone as it is in company
        if device != "cpu" and trains_together(build, settings, data.store, device):
            together = execute_together(
                build, settings, data, [seed], [folder], device=device, threads=threads
            )
            return dict(together)[0]
        try:
            fresh = network(build, settings, data.store)
            model, progress = train(fresh, data, seed, folder, device=device)
            return _outcome(model, progress, settings, data.store, data, folder, device)
        except TrainingFailed as error:
            return _failed(error)


def execute_together(
    build: Callable,
    settings: object,
    data: StoreData,
    seeds: Sequence[int],
    folders: Sequence[Path],
    *,
    device: str = "cpu",
    threads: int = 1,
) -> Iterator[tuple[int, dict]]:
    """``execute`` for seeds that are trained side by side (``together``, where ``trains_together``
    says so), one folder per seed: yields the number of each seed as it ends, with its outcome. The
    iterator must be consumed at once."""
    with deterministic(threads, device):
        fresh, there = network(build, settings, data.store), on_device(data, device)
        for number, seed in train_together(fresh, there, seeds, folders, device):
            own = seed.progress, settings, data.store, there, folders[number], device
            try:
                outcome = _outcome(seed.trained().to(device), *own)
            except TrainingFailed as error:
                outcome = _failed(error)
            yield number, outcome


def trains_together(build: Callable, settings: object, store: Store, device: str = "cpu") -> bool:
    """Whether runs of this model with these settings that differ in their seed alone can be trained
    together here; on a GPU such a run is trained in the same way when it is alone."""
    return _trained_without_encoder(build, settings) and stackable(
        network(build, settings, store), device
    )


def together_on_gpu(build: Callable, settings: object, store: Store) -> bool:
    """``trains_together`` on a GPU, as far as a machine without one can tell."""
    return _trained_without_encoder(build, settings) and _stackable_on_gpu(
        build, settings, sizes_of(store)
    )


@cache  # a grid asks for every run
def _stackable_on_gpu(build: Callable, settings: object, sizes: Sizes) -> bool:
    return stackable_on_gpu(lambda: build(settings, sizes))


def _trained_without_encoder(build: Callable, settings: object) -> bool:
    able = build.capabilities(settings)
    return able.trained and not able.text_encoder


OUTCOME = {
    "status": "done",
    "reason": "",
    "epochs": 0,
    "best_epoch": 0,
    "parameters": 0,
    "history": [],
}


def _failed(error: TrainingFailed) -> dict:
    return {**OUTCOME, "status": "failed", "reason": str(error), "seconds": error.seconds}


def _outcome(
    model: Model,
    progress: Progress,
    settings: object,
    store: Store,
    data: Data,
    folder: Path,
    device: str,
) -> dict:
    """The outcome of a finished training, written into its folder. Raises TrainingFailed when a
    prediction is not finite."""
    start = time.perf_counter() - progress.seconds  # those of processes before this one included
    predictions = {name: predict(model, data(name, model.inputs), device) for name in schema.SPLITS}
    for name, tasks in predictions.items():
        if bad := [task for task, values in tasks.items() if not np.isfinite(values).all()]:
            message = f"predictions of {', '.join(bad)} on {name} that are not finite"
            raise TrainingFailed(message, progress.seconds)
    _keep(predictions, folder)
    facts = {"settings": as_dict(settings), "sizes": as_dict(sizes_of(store))}
    write_sealed_tensors(folder / "model.safetensors", model.state_dict(), facts)
    return {
        **OUTCOME,
        "epochs": progress.epoch,
        "best_epoch": progress.best_epoch,
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "history": progress.history,
        "seconds": time.perf_counter() - start,
    }


def _keep(predictions: dict[str, dict[str, np.ndarray]], folder: Path) -> None:
    """Writes the predictions of each split, (N,) of each task, into the folder."""
    flat = {f"{name}.{task}": p for name, tasks in predictions.items() for task, p in tasks.items()}
    write_sealed(folder / "predictions.safetensors", flat)


def network(build: Callable, settings: object, store: Store) -> Callable:
    """A function that builds the network; one that runs or fine-tunes a text encoder is given a
    fresh one.

    The encoder is the simulated corpus's own, or for real features the folder $AVMC_BERT or
    bert-base-chinese from the local cache, its pooler included where ``build.capabilities`` says
    so. Raises InputError if neither is there.
    """
    sizes = sizes_of(store)
    able = build.capabilities(settings)
    if not able.text_encoder:
        return lambda: build(settings, sizes)
    return lambda: build(settings, sizes, encoder_for(store, able.pooler))


def encoder_for(store: Store, pooling: bool = False) -> Any:
    """A fresh text encoder for the tokens of ``store``, as ``network`` gives it to a model. Raises
    InputError for a folder from which no complete encoder can be read, and for an encoder whose
    vocabulary does not cover the store's tokens."""
    from avmc_core.simulated.text_encoder import build_encoder
    from avmc_core.text_encoder import encoder_name, load_encoder

    _, encoder = build_encoder() if store.simulated else load_encoder(encoder_name(), pooling)
    largest = max(int(split.tokens[:, 0].max(initial=0)) for split in store.splits.values())
    if largest >= encoder.config.vocab_size:
        raise InputError(
            store.path,
            f"token {largest}",
            f"less than {encoder.config.vocab_size}, the encoder's words",
        )
    return encoder


def encoder_identity(able: Capabilities, store: Store) -> str:
    """Digest of the encoder that ``network`` gives a model with these capabilities, as part of a
    run's key; "" where it needs none, where there is none, and on a simulated corpus, whose encoder
    follows from the source."""
    if store.simulated or not able.text_encoder:
        return ""
    from avmc_core.text_encoder import encoder_digest, encoder_name

    return encoder_digest(encoder_name())
