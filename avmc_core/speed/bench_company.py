"""A way of making a step that the benchmark times: one step of all seeds side by side, as runs on
a GPU make it, even for a single seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from avmc_core.batch import Batch
from avmc_core.data.batches import SplitData
from avmc_core.draws import streams
from avmc_core.models.base import Model
from avmc_core.runs import together
from avmc_core.runs.joint import Joint
from avmc_core.runs.recorded_step import Drawn
from avmc_core.runs.stackable import stackable
from avmc_core.speed.bench_device import elsewhere
from avmc_core.speed.bench_way import BenchCase


def as_runs_do(build: Callable[[], Model], device: str) -> bool:
    """Whether runs on ``device`` of what ``build`` makes train even a single seed as a group of
    one."""
    return elsewhere(device) and stackable(build, device)


@dataclass
class Company:
    """``seeds`` networks as one, whose steps are made on ``data``, which lies on the device."""

    data: SplitData
    build: Callable[[], Model]
    case: BenchCase
    device: str
    seeds: int = 1
    optimizer_number: int = -1  # by default the last, as in ``Way``

    def __post_init__(self):
        models = [self.build() for _ in range(self.seeds)]
        self.joint = Joint.of([(model, model.optimizers()) for model in models], self.device)
        self.model = self.joint.model.train()
        self.optimizer = self.joint.optimizers[self.optimizer_number]
        self.generators = [torch.Generator().manual_seed(n) for n in range(self.seeds)]

    @contextmanager
    def in_a_pass(self) -> Iterator[None]:
        """A context in which steps are made, as those of a pass are."""
        with streams(self.generators, self.joint.keys):
            yield

    def step(self, rows: Tensor) -> dict[str, Tensor]:
        """One whole training step, recorded where those of runs are; ``rows`` (S * B,), those of
        one seed after the other."""
        shape = self.seeds, len(rows) // self.seeds
        batch = together.mapped(
            self.data.batch(rows).to(self.device), lambda x: x.view(*shape, *x.shape[1:])
        )
        recorded = self.joint.recorded_step(self.optimizer_number, self.optimizer)
        if recorded is None:
            return self._step(batch)
        return recorded(self._step, batch, self.model.draws(shape[1], self.joint.device))

    def _step(self, batch: Batch, draws: Drawn | None = None) -> dict[str, Tensor]:
        if self.joint.keys is not None:
            self.joint.keys.next_step()
        self.model.zero_grad(set_to_none=True)
        losses = self.model.loss(batch, self.case.stage, *filter(None, [draws]))
        losses["total"].sum().backward()
        self.model.after_backward(batch, 2)
        self.optimizer.step()
        return {name: value.detach() for name, value in losses.items()}
