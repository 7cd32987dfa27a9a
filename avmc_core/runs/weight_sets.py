"""Several networks of one architecture as one, whose parameters and buffers have a leading axis:
one entry per network."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from avmc_core.models.base import Model

Optimizers = list[torch.optim.Optimizer]


def stacked(
    models: Sequence[Model], optimizers: Sequence[Optimizers], device: str = "cpu"
) -> tuple[Model, Optimizers]:
    """One network and its optimisers on a device, with the weights and the optimisers' states of
    all ``models``, which stay on the host."""
    whole = copy.deepcopy(models[0])
    for parts in zip(whole.modules(), *(model.modules() for model in models), strict=True):
        module, own = parts[0], parts[1:]
        for name in module._parameters:
            values = torch.stack([getattr(m, name).detach() for m in own])
            setattr(module, name, nn.Parameter(values.to(device)))
        for name in module._buffers:
            setattr(module, name, torch.stack([getattr(m, name) for m in own]).to(device))
    joint = whole.optimizers()
    for optimizer, *own in zip(joint, *optimizers, strict=True):
        for p, *parts in zip(_parameters(optimizer), *map(_parameters, own), strict=True):
            states = [o.state[part] for o, part in zip(own, parts, strict=True) if part in o.state]
            if states:
                joined = {
                    name: value.clone()
                    if value.dim() == 0
                    else torch.stack([state[name] for state in states])
                    for name, value in states[0].items()
                }
                optimizer.state[p] = {name: value.to(device) for name, value in joined.items()}
    return whole, joint


@dataclass(frozen=True)
class HostCopy:
    """The weights of the whole on the host, and the state of each parameter in each optimiser,
    None where it has none: moved once for all networks."""

    weights: dict[str, Tensor]
    states: list[list[dict[str, Tensor] | None]]

    @classmethod
    def of(cls, whole: Model, joint: Optimizers) -> HostCopy:
        """On a CPU nothing is copied."""
        return cls(
            {name: value.detach().cpu() for name, value in whole.state_dict().items()},
            [
                [
                    {n: v.cpu() for n, v in optimizer.state[p].items()}
                    if p in optimizer.state
                    else None
                    for p in _parameters(optimizer)
                ]
                for optimizer in joint
            ],
        )

    def unstack(self, number: int, model: Model, optimizers: Optimizers) -> None:
        """Put the weights and the optimisers' states of one network of the whole into ``model``
        and ``optimizers``, which lie on the host."""
        model.load_state_dict({name: value[number] for name, value in self.weights.items()})
        for own, states in zip(optimizers, self.states, strict=True):
            for part, state in zip(_parameters(own), states, strict=True):
                if state is not None:
                    own.state[part] = {
                        name: (v if v.dim() == 0 else v[number]).clone()
                        for name, v in state.items()
                    }


def weights_of(whole: Model, number: int) -> dict[str, Tensor]:
    """A copy of the weights of one network of the whole."""
    return {name: tensor[number].detach().clone() for name, tensor in whole.state_dict().items()}


def keep(whole: Model, joint: Optimizers, numbers: Sequence[int]) -> None:
    """Leave only these networks of the whole, in place."""
    for module in whole.modules():
        for name, buffer in module._buffers.items():
            setattr(module, name, buffer[list(numbers)])
    for p in whole.parameters():
        p.grad = None
        p.data = p.data[list(numbers)]
    for optimizer in joint:
        for state in optimizer.state.values():
            state |= {name: v if v.dim() == 0 else v[list(numbers)] for name, v in state.items()}


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [p for group in optimizer.param_groups for p in group["params"]]
