"""How far a change of the initial weights by about one unit of rounding carries: a limit that every
bit-by-bit reproduction meets."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from avmc_core.kernels.compiled import kernels_identity
from avmc_core.models.base import Model
from avmc_core.models.registry import builder
from avmc_core.runs.execution import StoreData, deterministic, network
from avmc_core.runs.kept import kept
from avmc_core.runs.training import predict, train
from avmc_core.runs.training_state import Progress
from avmc_core.settings import as_dict

ROUNDING = 1e-7  # of a number in single precision, relative to it


def growth(
    model: str, settings: Any, data: StoreData, seed: int, size: float = ROUNDING
) -> np.ndarray:
    """Largest absolute difference of M on the validation clips after each epoch, (E,), between two
    trainings whose start weights differ by a factor 1 + ``size`` z, z normal, and which share
    everything else: order of clips, draws of the mixup, dropout.

    ``settings`` must set ``training.max_epochs``; early stopping may end either training before it,
    and what is compared is what both have. A ``size`` of 0 gives zeros on the CPU. Computed once
    and kept.
    """

    def compute() -> dict[str, np.ndarray]:
        first, second = (_predictions(model, settings, data, seed, own) for own in (0.0, size))
        apart = [np.abs(x - y).max() for x, y in zip(first, second, strict=False)]
        return {"apart": np.array(apart)}

    depends = {
        "model": model,
        "settings": as_dict(settings),
        "data": data.store.digest,
        "seed": seed,
        "size": size,
        "kernels": kernels_identity(),
    }
    return kept("growth", [__name__, builder(model).__module__], depends, compute)["apart"]


def _predictions(
    model: str, settings: Any, data: StoreData, seed: int, size: float
) -> list[np.ndarray]:
    """M of the validation clips after each epoch."""
    networks: list[Model] = []
    seen: list[np.ndarray] = []

    def build() -> Model:
        networks.append(network(builder(model), settings, data.store)())
        normal = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in networks[0].parameters():
                parameter.mul_(1 + size * torch.randn(parameter.shape, generator=normal))
        return networks[0]

    def after_epoch(progress: Progress) -> bool:
        seen.append(predict(networks[0], data("valid", networks[0].inputs))["M"])
        return False

    with TemporaryDirectory() as folder, deterministic(1):
        train(build, data, seed, Path(folder), stop=after_epoch)
    return seen
