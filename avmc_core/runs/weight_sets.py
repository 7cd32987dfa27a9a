"""Several networks of one architecture as one, whose parameters and buffers have a leading axis:
one entry per network."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn

from avmc_core.models.base import Model

Optimizers = list[torch.optim.Optimizer]


def stacked(models: Sequence[Model], optimizers: Sequence[Optimizers]) -> tuple[Model, Optimizers]:
    """One network and its optimisers, with the weights and the optimisers' states of all
    ``models``."""
    whole = copy.deepcopy(models[0])
    for parts in zip(whole.modules(), *(model.modules() for model in models), strict=True):
        module, own = parts[0], parts[1:]
        for name in module._parameters:
            setattr(
                module, name, nn.Parameter(torch.stack([getattr(m, name).detach() for m in own]))
            )
        for name in module._buffers:
            setattr(module, name, torch.stack([getattr(m, name) for m in own]))
    joint = whole.optimizers()
    for optimizer, *own in zip(joint, *optimizers, strict=True):
        for p, *parts in zip(_parameters(optimizer), *map(_parameters, own), strict=True):
            states = [o.state[part] for o, part in zip(own, parts, strict=True) if part in o.state]
            if states:
                optimizer.state[p] = {
                    name: value.clone()
                    if value.dim() == 0
                    else torch.stack([state[name] for state in states])
                    for name, value in states[0].items()
                }
    return whole, joint


def unstack(
    whole: Model, joint: Optimizers, number: int, model: Model, optimizers: Optimizers
) -> None:
    """Put the weights and the optimisers' states of one network of the whole into ``model`` and
    ``optimizers``."""
    model.load_state_dict(weights_of(whole, number))
    for own, optimizer in zip(optimizers, joint, strict=True):
        for p, part in zip(_parameters(optimizer), _parameters(own), strict=True):
            if p in optimizer.state:
                state = optimizer.state[p].items()
                own.state[part] = {
                    name: (v if v.dim() == 0 else v[number]).clone() for name, v in state
                }


def weights_of(whole: Model, number: int) -> dict[str, torch.Tensor]:
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
