"""Predictions of networks for blends of two clips (Section 4.1, Equations 2, 3 and 11 to 13)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from avmc_core import schema
from avmc_core.batch import Batch
from avmc_core.errors import InputError
from avmc_core.models.avmc import AVMC

WEIGHTS = np.linspace(0, 1, 21)  # lambda: 1 is the first clip alone, 0 the second
PAIRS = (("lowest", "highest"), ("lowest", "middle"), ("middle", "highest"))


@dataclass(frozen=True)
class Predictions:
    """One network's predictions for each of the L ``WEIGHTS``, (L,) each, in label units."""

    predicted: np.ndarray  # for the blend of the two representations
    mixed: np.ndarray  # the blend of its predictions for the two clips

    @property
    def gap(self) -> float:
        """The largest distance between the two, in label units."""
        return float(np.abs(self.predicted - self.mixed).max())


@dataclass(frozen=True)
class Path:
    """The blends that lead from the second clip of a pair to the first, in one modality."""

    modality: str  # "audio" or "vision"
    pair: tuple[str, str]  # which clips of the batch, by a network's predictions
    labels: tuple[float, float]  # their annotations of this modality
    predictions: Mapping[str, Predictions]  # of each network, by name


def paths(networks: Mapping[str, AVMC], batch: Batch) -> list[Path]:
    """For voices and for faces, the paths between the ``PAIRS`` of the clips for which the last of
    the networks has its lowest, its middle and its highest prediction.

    The networks are in evaluation mode. Raises InputError for a batch of fewer than three clips.
    """
    if len(batch) < 3:
        raise InputError("paths", f"a batch of {len(batch)} clips", "three clips or more")
    with torch.no_grad():
        seen = {name: network(batch) for name, network in networks.items()}
        return [
            _path(networks, seen, modality, task, pair, batch.label(task))
            for task, modality in schema.MODALITY_OF_TASK.items()
            if modality != "text"
            for pair in PAIRS
        ]


def _path(
    networks: Mapping[str, AVMC],
    seen: Mapping[str, Mapping[str, Tensor]],
    modality: str,
    task: str,
    pair: tuple[str, str],
    labels: Tensor,
) -> Path:
    order = list(seen.values())[-1][task].argsort(stable=True)
    clip_of = {"lowest": order[0], "middle": order[len(order) // 2], "highest": order[-1]}
    clips = torch.stack([clip_of[name] for name in pair])
    predictions = {}
    for name, network in networks.items():
        blends = _between(seen[name][f"Feature_{modality[0]}"][clips])
        mixed = _between(seen[name][task][clips][:, None]).squeeze(-1)
        predicted = network.classify(modality, blends).numpy()
        predictions[name] = Predictions(predicted, mixed.numpy())
    return Path(modality, pair, tuple(labels[clips].tolist()), predictions)


def _between(ends: Tensor) -> Tensor:
    """Equation 2 for each of ``WEIGHTS``: two rows (2, D) to (L, D)."""
    weights = torch.from_numpy(WEIGHTS).to(ends)[:, None]
    return weights * ends[0] + (1 - weights) * ends[1]
