"""What MFN and Graph_MFN share: three LSTMs, a gated memory beside them, and the prediction from all four."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad, relu

from avmc_core.dropout import Dropout


@dataclass(frozen=True)
class Layer:
    """The hidden layer of an ``MLP``."""

    width: int
    dropout: float


class MLP(nn.Module):
    """Linear, ReLU, dropout, linear."""

    def __init__(self, size: int, layer: Layer, out: int):
        super().__init__()
        self.linear_1 = nn.Linear(size, layer.width)
        self.linear_2 = nn.Linear(layer.width, out)
        self.drop = Dropout(layer.dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.finish(self.linear_1(x))

    def finish(self, hidden: Tensor) -> Tensor:
        """All after the first linear map."""
        return self.linear_2(self.drop(relu(hidden)))


class GatedMemory(nn.Module):
    """u = s1 u + s2 k at every step, with s1, s2 = sigmoid(MLP([g; u])) and u = 0 at the start.

    g (B, T, p) and the candidates k (B, T, m) do not depend on the memory, so all that the gates make of g is computed for all
    steps at once. Returns u (B, m) after ``lengths`` steps.
    """

    def __init__(self, size: int, memory: int, keep: Layer, write: Layer):
        super().__init__()
        self.size, self.memory = size, memory
        self.keep = MLP(size + memory, keep, memory)
        self.write = MLP(size + memory, write, memory)

    def forward(self, g: Tensor, candidates: Tensor, lengths: Tensor) -> Tensor:
        gates = (self.keep, self.write)
        of_g, of_memory = [], []
        for gate in gates:
            weights = gate.linear_1.weight.split([self.size, self.memory], 1)
            of_g.append(linear(g, weights[0], gate.linear_1.bias).unbind(1))
            of_memory.append(weights[1])
        u = g.new_zeros(len(g), self.memory)
        for step, candidate in enumerate(candidates.unbind(1)):
            keep, write = (
                torch.sigmoid(gate.finish(fixed[step] + linear(u, weight)))
                for gate, fixed, weight in zip(gates, of_g, of_memory, strict=True)
            )
            u = torch.where((step < lengths)[:, None], keep * u + write * candidate, u)
        return u


def before(states: Tensor) -> Tensor:
    """The states (B, T, h) that each step found, zero at the first."""
    return pad(states, (0, 0, 1, -1))


def steps_read(text: Tensor, lengths: Tensor, padding: bool) -> Tensor:
    """(B,) steps after which the state is read: with ``padding`` all T, as the reference does (D32), else the text's own."""
    return torch.full_like(lengths, text.shape[1]) if padding else lengths
