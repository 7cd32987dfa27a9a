"""What MFN and Graph_MFN share: three LSTMs, a gated memory beside them, and the prediction from
all four."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad, relu

from avmc_core.batch import all_as_long
from avmc_core.kernels.dropout import Dropout
from avmc_core.settings import check_settings


@dataclass(frozen=True)
class Layer:
    """The hidden layer of an ``MLP``."""

    width: int
    dropout: float

    def __post_init__(self):
        check_settings(self)


class MLP(nn.Module):
    """Linear, ReLU, dropout, linear."""

    def __init__(self, size: int, layer: Layer, out: int):
        super().__init__()
        self.linear_1 = nn.Linear(size, layer.width)
        self.linear_2 = nn.Linear(layer.width, out)
        self.drop = Dropout(layer.dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear_2(self.drop(relu(self.linear_1(x))))


class GatedMemory(nn.Module):
    """u = s1 u + s2 k at every step, with s1, s2 = sigmoid(MLP([g; u])) and u = 0 at the start.

    g (B, T, p) and the candidates k (B, T, m) do not depend on the memory, so all that the gates
    make of g is computed for all steps at once. Returns u (B, m) after ``lengths`` steps.
    """

    def __init__(self, size: int, memory: int, keep: Layer, write: Layer):
        super().__init__()
        self.size, self.memory = size, memory
        self.keep = MLP(size + memory, keep, memory)
        self.write = MLP(size + memory, write, memory)

    def forward(self, g: Tensor, candidates: Tensor, lengths: Tensor) -> Tensor:
        gates = (self.keep, self.write)
        first = torch.cat([gate.linear_1.weight for gate in gates])
        # (B, T, n)
        of_g = linear(g, first[:, : self.size], torch.cat([gate.linear_1.bias for gate in gates]))
        keep = torch.cat(
            [
                gate.drop(torch.ones_like(part))
                for gate, part in zip(gates, self.halves(of_g), strict=True)
            ],
            -1,
        )
        ended = torch.arange(g.shape[1], device=g.device) >= lengths[:, None]  # (B, T)
        second = [
            parameter for gate in gates for parameter in (gate.linear_2.weight, gate.linear_2.bias)
        ]
        steps = (x.transpose(0, 1) for x in (of_g, keep, candidates, ended))
        return Memory.apply(*steps, first[:, self.size :], *second)

    def halves(self, hidden: Tensor) -> tuple[Tensor, ...]:
        """The parts of both gates' hidden layers, side by side in the last axis."""
        return hidden.split([gate.linear_1.out_features for gate in (self.keep, self.write)], -1)


class Memory(torch.autograd.Function):
    """The recursion of ``GatedMemory``, whose backward pass computes only du step by step: the
    gradients of the weights are products over all steps.

    of_g, keep (T, B, n): what both gates' hidden layers get from g, and their dropout (0 or 1 / (1
    - p)); k (T, B, m); ended (T, B) bool: the memory stays as it is; from_u (n, m); w1 (m, n1), b1
    (m,), w2 (m, n - n1), b2. Returns u (B, m).
    """

    @staticmethod
    def forward(ctx, of_g, keep, k, ended, from_u, w1, b1, w2, b2) -> Tensor:
        steps, clips, memory = k.shape
        cut = w1.shape[1]
        u = k.new_zeros(steps + 1, clips, memory)
        hidden, s = torch.empty_like(keep), k.new_empty(2, steps, clips, memory)
        some_ended = bool(ended.any())
        for t in range(steps):
            torch.addmm(of_g[t], u[t], from_u.T, out=hidden[t]).relu_().mul_(keep[t])
            torch.addmm(b1, hidden[t, :, :cut], w1.T, out=s[0, t]).sigmoid_()
            torch.addmm(b2, hidden[t, :, cut:], w2.T, out=s[1, t]).sigmoid_()
            if some_ended:  # gates of exactly 1 and 0 have no gradient
                s[0, t].masked_fill_(ended[t, :, None], 1.0)
                s[1, t].masked_fill_(ended[t, :, None], 0.0)
            torch.mul(s[0, t], u[t], out=u[t + 1]).addcmul_(s[1, t], k[t])
        ctx.save_for_backward(u, hidden, s, keep, k, from_u, w1, w2)
        return u[-1].clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, du: Tensor) -> tuple[Tensor | None, ...]:
        u, hidden, s, keep, k, from_u, w1, w2 = ctx.saved_tensors
        cut = w1.shape[1]
        d_hidden, d_s, d_k = torch.empty_like(hidden), torch.empty_like(s), torch.empty_like(s[1])
        slope = keep * (hidden > 0)
        for t in reversed(range(len(k))):
            torch.mul(du, s[1, t], out=d_k[t])
            for gate, other in enumerate((u[t], k[t])):
                torch.mul(du, other, out=d_s[gate, t]).mul_(
                    torch.addcmul(s[gate, t], s[gate, t], s[gate, t], value=-1)
                )
            torch.mm(d_s[0, t], w1, out=d_hidden[t, :, :cut])
            torch.mm(d_s[1, t], w2, out=d_hidden[t, :, cut:])
            d_hidden[t].mul_(slope[t])
            du = torch.addmm(du * s[0, t], d_hidden[t], from_u)
        d_hidden_rows, hidden_rows = d_hidden.flatten(0, 1), hidden.flatten(0, 1)
        d_1, d_2 = d_s.flatten(1, 2)
        d_from_u = d_hidden_rows.T @ u[:-1].flatten(0, 1)
        d_w1, d_w2 = d_1.T @ hidden_rows[:, :cut], d_2.T @ hidden_rows[:, cut:]
        return d_hidden, None, d_k, None, d_from_u, d_w1, d_1.sum(0), d_w2, d_2.sum(0)


def before(states: Tensor) -> Tensor:
    """The states (B, T, h) before each step, zero before the first."""
    return pad(states, (0, 0, 1, -1))


def steps_read(text: Tensor, lengths: Tensor, padding: bool) -> Tensor:
    """(B,) steps after which the state is read: with ``padding`` all T, as the reference does
    (D32), else the text's own."""
    return all_as_long(lengths, text.shape[1]) if padding else lengths
