"""The network of several seeds, with its optimisers and what a GPU keeps beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from avmc_core.draws import Keys
from avmc_core.kernels import gpu
from avmc_core.models.base import Model
from avmc_core.runs import recorded_step
from avmc_core.runs.recorded_step import RecordedStep
from avmc_core.runs.weight_sets import Optimizers, keep, stacked


@dataclass
class Joint:
    """The network of all seeds and its optimisers; on a GPU also the keys of their dropout, and
    for each pass of an epoch its recorded step."""

    model: Model
    optimizers: Optimizers
    keys: Keys | None = None
    recorded: dict[int, RecordedStep] = field(default_factory=dict)

    @classmethod
    def of(cls, parts: Sequence[tuple[Model, Optimizers]], device: str) -> Joint:
        """Joins the networks and optimisers of the seeds, which lie on the host, on ``device``."""
        joint = cls(*stacked(*zip(*parts, strict=True), device))
        joint.begin(len(parts))
        return joint

    def begin(self, seeds: int) -> None:
        """On a GPU, fresh keys for so many seeds, and nothing recorded."""
        if gpu.on_gpu(next(self.model.parameters())):
            self.keys, self.recorded = Keys.on(self.device, seeds), {}

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def keep(self, places: Sequence[int]) -> None:
        """Leave only these seeds."""
        keep(self.model, self.optimizers, places)
        self.begin(len(places))

    def recorded_step(self, number: int, optimizer: torch.optim.Optimizer) -> RecordedStep | None:
        """The recorded step of the pass with this number; None where steps are not recorded."""
        able = self.model.recordable and self.model.training_settings.accumulate == 1
        if self.keys is None or not able or not recorded_step.wanted():
            return None
        # Not a method of this object, which would then live, with the memory of its graphs, until
        # Python looks for cycles, possibly while the next graph is recorded.
        state = partial(changed_by_steps, self.model, self.optimizers, self.keys)
        return self.recorded.setdefault(number, RecordedStep(optimizer, state))


def changed_by_steps(model: Model, optimizers: Optimizers, keys: Keys) -> list[Tensor]:
    """All tensors that a step changes, gradients aside."""
    of_optimizers = [
        value
        for optimizer in optimizers
        for state in optimizer.state.values()
        for value in state.values()
    ]
    return [*model.parameters(), *model.buffers(), *of_optimizers, keys.values]
