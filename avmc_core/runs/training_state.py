"""What a run keeps on the disk while it is trained, so that it can continue after an interruption.

A run's state lives in one folder: ``state.safetensors`` (weights, optimisers, generator, history;
replaced as a whole at the end of an epoch, but no more often than is worthwhile) and
``best-<epoch>.safetensors`` (the weights with the lowest validation loss until then).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avmc_core.errors import InputError
from avmc_core.files.sealed import read_sealed, write_sealed
from avmc_core.models.base import Model, Training

STATE = "state.safetensors"


@dataclass
class Progress:
    """What one run has seen so far; JSON-ready."""

    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = math.inf
    # one row per epoch: training losses and "validation"
    history: list[dict[str, float]] = field(default_factory=list)
    # of all the processes that trained it; lost epochs do not count
    seconds: float = field(default=0.0, compare=False)

    def finished(self, settings: Training) -> bool:
        waited = self.epoch - self.best_epoch
        return waited >= settings.patience or 0 < settings.max_epochs <= self.epoch


def save(
    folder: Path,
    model: Model,
    optimizers: list[torch.optim.Optimizer],
    progress: Progress,
    best: Mapping[str, Tensor],
) -> None:
    """Write the best weights if they are new, replace the state as a whole, then drop best weights
    that it no longer names."""
    if not _best(folder, progress).exists():
        write_sealed_tensors(_best(folder, progress), best)
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for number, optimizer in enumerate(optimizers):
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {
                f"optimizer.{number}.{index}.{name}": value for name, value in state.items()
            }
    tensors["generator"] = torch.get_rng_state()
    if next(model.parameters()).is_cuda:  # what is computed on the host leaves a GPU alone
        tensors["generator_cuda"] = torch.cuda.get_rng_state()
    write_sealed_tensors(folder / STATE, tensors, {"progress": vars(progress)})
    for path in folder.glob("best-*.safetensors"):
        if path != _best(folder, progress):
            path.unlink()


def restore(folder: Path, model: Model, optimizers: list[torch.optim.Optimizer]) -> Progress:
    """The state of an interrupted run, put into the model and its optimisers; a fresh one if there
    is none, or if it is damaged. In the latter case a warning says so, and the run starts again."""
    if not (folder / STATE).exists():
        return Progress()
    try:
        tensors, facts = _read(folder / STATE)
        progress = Progress(**facts["progress"])
        best_weights(folder, progress)  # needed at the end
    except InputError as error:
        warnings.warn(f"{error}; training starts again", stacklevel=2)
        discard_state(folder)
        return Progress()
    model.load_state_dict(
        {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
    )
    for number, optimizer in enumerate(optimizers):
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith(f"optimizer.{number}."):
                _, _, index, key = name.split(".")
                state.setdefault(int(index), {})[key] = tensor
        optimizer.load_state_dict(
            {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
        )
    torch.set_rng_state(tensors["generator"])
    if "generator_cuda" in tensors:
        torch.cuda.set_rng_state(tensors["generator_cuda"])
    return progress


def discard_state(folder: Path) -> None:
    """Remove the state of a run. The file that names the others goes first, so that a kill in
    between leaves no partial state."""
    (folder / STATE).unlink(missing_ok=True)
    for path in (*folder.glob("best-*.safetensors"), *folder.glob("*.writing")):
        path.unlink()


def best_weights(folder: Path, progress: Progress) -> dict[str, Tensor]:
    """The weights of the best epoch. Raises InputError for a damaged file."""
    return _read(_best(folder, progress))[0]


def _best(folder: Path, progress: Progress) -> Path:
    return folder / f"best-{progress.best_epoch}.safetensors"


def write_sealed_tensors(
    path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any] | None = None
) -> None:
    """A sealed file of tensors, which appears complete or not at all."""
    write_sealed(
        path, {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}, facts
    )


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors, facts = read_sealed(path)
    return {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}, facts
