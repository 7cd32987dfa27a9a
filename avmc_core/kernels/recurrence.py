"""The recurrence of an LSTM over frames without padding: compiled C (``resources/lstm.c``) on a
CPU, one launch in Triton (``launched_lstm``) on a GPU.

Both take what the gates make of the input alone, and give the outputs and cell states of every
frame, with gradients, for both directions and for several sets of weights (seeds side by side).
"""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor
from torch.nn.functional import pad

from avmc_core.kernels import launched
from avmc_core.kernels.compiled import call
from avmc_core.kernels.frames import able, weight_gradient
from avmc_core.kernels.lengths import by_length, frames_of_sets, rows_of_a_set, starts

LANES = 16  # hidden units that the compiled kernel takes at once


def recurrence(gates: Tensor, bias: Tensor, weight: Tensor, lengths: Tensor) -> list[Tensor]:
    """From the input's part of the gates (F, directions, 4, h), which is overwritten, the sum of
    both biases (S, directions, 4, h) and W_hh (S, directions, 4, h, h), the outputs and cell states
    (F, directions, h), for lengths (S, B). Each of the S sets has its own frames and clips, and the
    bytes that it would have alone. Only where the compiled or the launched recurrence can compute
    it. The launched one also takes gates (S, R, directions, 4, h), equally many rows for each set,
    and gives states (S, R, directions, h), zero in idle rows."""
    h = weight.shape[-1]
    if launched.takes(gates, h):
        return list(Launched.apply(gates.contiguous(), bias, weight, lengths))
    if idle := -h % LANES:
        gates, bias, weight = (
            pad(gates, (0, idle)),
            pad(bias, (0, idle)),
            pad(weight, (0, idle, 0, idle)),
        )
    states = Compiled.apply(gates.contiguous(), bias, weight.flatten(2, 3), lengths)
    return [state[..., :h] for state in states]


class Shape(ctypes.Structure):
    """The C code's struct of that name."""

    _fields_ = tuple(
        (name, ctypes.c_int64) for name in ("sets", "clips", "directions", "hidden", "threads")
    ) + tuple((name, ctypes.c_void_p) for name in ("order", "start", "length"))


class Compiled(torch.autograd.Function):
    """``recurrence`` in C, with weights (S, directions, 4h, h) and h a multiple of LANES: a layer
    with fewer units is filled up with idle ones, whose weights and states are zero."""

    @staticmethod
    def forward(
        ctx, gates: Tensor, bias: Tensor, weight: Tensor, lengths: Tensor
    ) -> tuple[Tensor, Tensor]:
        cell, out = (
            gates.new_empty(len(gates), weight.shape[1], weight.shape[3]) for _ in range(2)
        )
        turned = weight.transpose(2, 3).contiguous()
        _call("lstm_forward", lengths, weight, gates, bias, cell, out, turned)
        ctx.save_for_backward(gates, cell, out, weight, lengths)
        ctx.set_materialize_grads(False)
        return out, cell

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, d_out: Tensor | None, d_cell: Tensor | None) -> tuple[Tensor | None, ...]:
        gates, cell, out, weight, lengths = ctx.saved_tensors
        d_out = torch.zeros_like(out) if d_out is None else d_out.contiguous()
        d_cell = None if d_cell is None else d_cell.contiguous()
        d_gates = torch.empty_like(gates)
        _call("lstm_backward", lengths, weight, gates, cell, d_out, d_cell, d_gates, weight)
        return d_gates, *of_parameters(d_gates, out, weight, lengths), None


class Launched(torch.autograd.Function):
    """``recurrence`` in Triton."""

    @staticmethod
    def forward(
        ctx, gates: Tensor, bias: Tensor, weight: Tensor, lengths: Tensor
    ) -> tuple[Tensor, Tensor]:
        out, cell = launched.forward(gates, bias, weight, lengths)
        ctx.save_for_backward(gates, cell, out, weight, lengths)
        ctx.set_materialize_grads(False)
        return out, cell

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, d_out: Tensor | None, d_cell: Tensor | None) -> tuple[Tensor | None, ...]:
        gates, cell, out, weight, lengths = ctx.saved_tensors
        d_out = torch.zeros_like(out) if d_out is None else d_out.contiguous()
        d_cell = None if d_cell is None else d_cell.contiguous()
        d_gates = launched.backward(gates, weight, cell, d_out, d_cell, lengths)
        d_bias, d_weight = of_parameters(d_gates, out, weight.flatten(2, 3), lengths)
        return d_gates, d_bias, d_weight.view_as(weight), None


def of_parameters(
    d_gates: Tensor, out: Tensor, weight: Tensor, lengths: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradients of the biases (S, directions, 4, h) and of W_hh (S, directions, 4h, h), from
    that of the gates (F, directions, 4, h), or (S, R, directions, 4, h), zero in idle rows: sums
    and products over all frames of a set."""
    rows = rows_of_a_set(d_gates, 3)
    first, states = starts(lengths, rows).flatten(), out.flatten(0, -3)
    previous = torch.zeros_like(states)  # the state that each frame starts from
    previous[1:, 0] = states[:-1, 0]
    previous[:, 0].index_fill_(0, first, 0.0)
    if weight.shape[1] == 2:
        previous[:-1, 1] = states[1:, 1]
        previous[:, 1].index_fill_(0, first + lengths.flatten() - 1, 0.0)
    if rows is not None:
        previous = previous.view_as(out)
        directions = range(weight.shape[1])
        products = [d_gates[:, :, d].flatten(2).mT.bmm(previous[:, :, d]) for d in directions]
        return d_gates.sum(1), torch.stack(products, 1)
    own_rows = frames_of_sets(lengths) if len(weight) > 1 else [len(out)]
    if able(d_gates, out):
        flat, directions = d_gates.flatten(2), range(weight.shape[1])
        both = [weight_gradient(previous[:, d], flat[:, d], own_rows, True) for d in directions]
        d_weight, d_bias = (torch.stack(parts, 1) for parts in zip(*both, strict=True))
        return d_bias.unflatten(2, d_gates.shape[2:]), d_weight
    d_bias, d_weight = (
        weight.new_empty(*weight.shape[:2], *d_gates.shape[2:]),
        torch.empty_like(weight),
    )
    for own, before, b, w in zip(
        d_gates.split(own_rows), previous.split(own_rows), d_bias, d_weight, strict=True
    ):
        torch.sum(own, 0, out=b)
        torch.bmm(own.flatten(2).permute(1, 2, 0), before.transpose(0, 1), out=w)
    return d_bias, d_weight


def _call(name: str, lengths: Tensor, weight: Tensor, *tensors: Tensor | None) -> None:
    """Call the C function on contiguous tensors."""
    sets, directions, _, h = weight.shape
    rows = torch.stack(by_length(lengths))
    sizes = sets, lengths.shape[1], directions, h, torch.get_num_threads()
    call(name, Shape(*sizes, *(row.data_ptr() for row in rows)), *tensors)
