"""A training step of fixed shapes, recorded on a GPU and then repeated as one launch.

A small network's step launches some hundred kernels, and the device waits for the host that
launches them. A CUDA graph launches them all at once, on the same places in memory: a batch and
what was drawn for it are copied there first. The recorded step must be the same to the bit: it is
compared with the step as it is, from the same state, when it is recorded. If it differs, or cannot
be recorded, a warning says so once and steps are made as they are. AVMC_GRAPHS=0 records none.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import fields, replace

import torch
from torch import Tensor

from avmc_core.batch import Batch
from avmc_core.mixup import Draw

Losses = dict[str, Tensor]
Drawn = dict[str, Draw]
Step = Callable[[Batch, Drawn], Losses]  # makes a whole step; the losses are detached
# steps made on another stream first: libraries may not set themselves up during a recording
WARM = 2


_failed = False  # in this process


def wanted() -> bool:
    """Whether steps are to be recorded: unless AVMC_GRAPHS is 0 or a recording has failed in this
    process."""
    return os.environ.get("AVMC_GRAPHS") != "0" and not _failed


def cuda_graph(
    compute: Callable[[], Losses], optimizer: torch.optim.Optimizer
) -> tuple[Callable[[], None], Losses]:
    """A function that repeats ``compute``, which must have run before, and the tensors in which it
    leaves its losses."""
    current, side = torch.cuda.current_stream(), torch.cuda.Stream()
    side.wait_stream(current)
    with torch.cuda.stream(side):
        for _ in range(WARM):
            compute()
    current.wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    try:
        for group in optimizer.param_groups:
            group["capturable"] = True  # else Adam refuses
        with torch.cuda.graph(graph):
            losses = compute()
    finally:
        # a recording that failed leaves its stream the current one
        torch.cuda.set_stream(current)
        for group in optimizer.param_groups:
            group["capturable"] = False
    return graph.replay, losses


class RecordedStep:
    """Calls a step, the first time as it is, the second time to record it, then as recorded where
    the shapes are those of the record.

    ``state``: all tensors that a step changes, gradients aside.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, state: Callable[[], Sequence[Tensor]]):
        self.optimizer, self.state = optimizer, state
        self.calls = 0
        self.replay: Callable[[], None] | None = None

    def __call__(self, step: Step, batch: Batch, drawn: Drawn) -> Losses:
        """The losses of one step, valid until the next."""
        self.calls += 1
        given = _tensors(batch, drawn)
        # the first step makes the optimiser's state
        if self.calls == 2:
            return self._recorded(step, batch, drawn)
        if self.replay is None or [x.shape for x in given] != [x.shape for x in self.places]:
            return step(batch, drawn)
        for place, x in zip(self.places, given, strict=True):
            place.copy_(x)
        self.replay()
        return self.losses

    @torch.no_grad()
    def _recorded(self, step: Step, batch: Batch, drawn: Drawn) -> Losses:
        """Makes the step as it is, records it, and repeats it from the same state."""

        def compute() -> Losses:
            with torch.enable_grad():
                return step(own_batch, own_drawn)

        own_batch, own_drawn = _copied(batch, drawn)
        state = list(self.state())
        before = [x.clone() for x in state]
        losses = compute()
        after = [x.clone() for x in state]
        try:
            _put(before, state)
            replay, repeated = cuda_graph(compute, self.optimizer)
            _put(before, state)
            replay()
            wrong = not _same([*state, *repeated.values()], [*after, *losses.values()])
            why = "it gives other bytes than the step itself"
        except Exception as error:  # whatever a driver may raise
            wrong, why = True, f"{type(error).__name__}: {error}"
        if wrong:
            global _failed
            _failed = True
            _put(after, state)
            warnings.warn(f"training steps are not recorded on this GPU: {why}", stacklevel=2)
            return losses
        self.replay, self.losses, self.places = replay, repeated, _tensors(own_batch, own_drawn)
        return repeated


def _tensors(batch: Batch, drawn: Drawn) -> list[Tensor]:
    of_draws = [x for draw in drawn.values() for x in (draw.partner, draw.lam)]
    return [*(getattr(batch, field.name) for field in fields(batch)), *of_draws]


def _copied(batch: Batch, drawn: Drawn) -> tuple[Batch, Drawn]:
    own = {field.name: getattr(batch, field.name).clone() for field in fields(batch)}
    return Batch(**own), {
        name: replace(draw, partner=draw.partner.clone(), lam=draw.lam.clone())
        for name, draw in drawn.items()
    }


def _put(values: Sequence[Tensor], state: Sequence[Tensor]) -> None:
    for place, value in zip(state, values, strict=True):
        place.copy_(value)


def _same(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> bool:
    """To the bit, numbers that are none included."""
    both = zip(ours, theirs, strict=True)
    return all(
        torch.equal(a.reshape(-1).view(torch.uint8), b.reshape(-1).view(torch.uint8))
        for a, b in both
    )
