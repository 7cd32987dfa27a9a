"""One training step of one model, made in one way: what the benchmark times."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from avmc_core.batch import Batch
from avmc_core.models.base import Model


@dataclass(frozen=True)
class BenchCase:
    """A step of one model. ``encoder``: the naive way runs BERT in the loop; ``stage`` as in
    ``Model.loss``."""

    model: str
    encoder: bool = False
    stage: str = "train"
    clips: int = 0  # 0: the model's own batch size


@dataclass
class Way:
    """One way of making a step: its data, network and optimiser, on a device."""

    data: Any
    model: Model
    case: BenchCase
    device: str = "cpu"

    def __post_init__(self):
        self.model.to(self.device)
        # of the models timed here, MMIM alone has two: this is the main one
        self.optimizer = self.model.optimizers()[-1]

    def in_a_pass(self) -> AbstractContextManager[None]:
        """A context in which steps are made: nothing is special about it here."""
        return nullcontext()

    def batch(self, rows: Tensor) -> Batch:
        """The clips at ``rows`` (B,), on the device."""
        return self.data.batch(rows).to(self.device)

    def step(self, rows: Tensor) -> dict[str, Tensor]:
        """One whole training step: batch, losses, gradients, update."""
        batch = self.batch(rows)
        self.model.zero_grad(set_to_none=True)
        losses = self.model.loss(batch, self.case.stage)
        losses["total"].backward()
        self.model.after_backward(batch, 2)
        self.optimizer.step()
        return losses
