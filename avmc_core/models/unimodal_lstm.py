"""The regressor behind Table 3: one LSTM over one modality, for one annotation.

The paper calls it a simple LSTM and gives no sizes; these are ours, the same for every modality.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from avmc_core import schema
from avmc_core.batch import Batch, Inputs
from avmc_core.kernels.dense import chain
from avmc_core.kernels.dropout import Dropout
from avmc_core.kernels.lengths import frames_of
from avmc_core.kernels.lstm import LSTM, normalised_by_set
from avmc_core.models.base import Capabilities, Model, Sizes, Training, adam, group, l1
from avmc_core.settings import check_settings


@dataclass(frozen=True)
class UnimodalLSTMSettings:
    """Read ``modality``, predict the annotation ``task``: its own (T, A, V) or the multimodal one
    (M)."""

    modality: str = "text"
    task: str = "M"
    hidden: int = 64
    dropout: float = 0.2
    lr: float = 1e-3  # Adam
    decay: float = 1e-4
    training: Training = Training(batch_size=32)

    def __post_init__(self):
        check_settings(self, modality=schema.MODALITIES, task=schema.TASKS)


SETTINGS = UnimodalLSTMSettings()


class UnimodalLSTM(Model):
    """Batch norm over valid frames (raw features differ in scale by orders of magnitude), LSTM, a
    linear map of its final state. Padding never enters."""

    @staticmethod
    def capabilities(settings: UnimodalLSTMSettings) -> Capabilities:
        return Capabilities(reads=(settings.modality,), tasks=(settings.task,))

    def __init__(self, settings: UnimodalLSTMSettings, sizes: Sizes):
        super().__init__()
        self.settings = settings
        views = {"text": "cls", "audio": "mean", "vision": "mean"}  # the cheapest, if not read
        self.inputs = Inputs(
            **(views | {settings.modality: "states" if settings.modality == "text" else "frames"})
        )
        size = getattr(sizes, settings.modality)
        self.norm = nn.BatchNorm1d(size)
        self.rnn = LSTM(size, settings.hidden)
        self.drop = Dropout(settings.dropout)
        self.linear = nn.Linear(settings.hidden, 1)

    @property
    def stackable(self) -> bool:
        return True

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The prediction (B,) under the name of the task, and the modality's ``Feature`` (B,
        hidden)."""
        modality = self.settings.modality
        lengths = getattr(batch, f"{modality}_lengths")
        frames = frames_of(getattr(batch, modality), lengths)
        normed = normalised_by_set(self.norm, frames, lengths)
        final = self.rnn.over_frames(normed, lengths, (self.norm.weight, self.norm.bias))[1]
        return {
            self.settings.task: chain(final, [self.linear], [False], self.drop)[0].squeeze(-1),
            f"Feature_{modality[0]}": final,
        }

    def loss(self, batch: Batch, stage: str) -> dict[str, Tensor]:
        return {"total": l1(self(batch)[self.settings.task], batch.label(self.settings.task))}

    def validation_loss(self, output: dict[str, Tensor], batch: Batch) -> Tensor:
        """(B,) absolute errors of the task that is trained."""
        return (output[self.settings.task] - batch.label(self.settings.task)).abs()

    def optimizers(self) -> list[torch.optim.Optimizer]:
        return [adam(group(self.settings.lr, self.settings.decay, self))]
