"""Linear layers of thousands of rows, as frames or tokens are, of one network or of several seeds
side by side.

They are most of the arithmetic of a recurrent model or a transformer. In compiled C
(``resources/frames.c``) each number is one sum in one order, so that a seed computes the same bytes
alone, beside others, and on any number of threads. The C code uses the processor's widest vectors;
MKL, by which PyTorch computes such layers, uses half of them on processors not made by Intel.
"""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from avmc_core.kernels.compiled import call, kernels, takes
from avmc_core.kernels.dense import product


def linear_of_frames(
    x: Tensor, weight: Tensor, bias: Tensor | None, rows: list[int] | None = None
) -> Tensor:
    """torch.nn.functional.linear, (..., D) to (..., H). With the weights (S, H, D) of several seeds
    x holds their frames (F, D), one seed after the other, and ``rows`` says how many each has; or
    x is (S, R, D), which is one batched product."""
    if weight.dim() == 3 and x.dim() == 3:
        return product(x, weight, bias)
    if not able(x, weight):
        if weight.dim() == 2:
            return linear(x, weight, bias)
        own = zip(x.split(rows), weight, [None] * len(rows) if bias is None else bias, strict=True)
        return torch.cat([linear(*parts) for parts in own])
    if weight.dim() == 3:
        return _Linear.apply(x, weight, bias, rows)
    flat = x.reshape(-1, x.shape[-1])
    y = _Linear.apply(flat, weight[None], bias if bias is None else bias[None], [len(flat)])
    return y.view(*x.shape[:-1], len(weight))


class WideLinear(nn.Linear):
    """torch.nn.Linear for inputs of many rows."""

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_autocast_enabled("cpu"):  # another precision is wanted
            return super().forward(x)
        return linear_of_frames(x, self.weight, self.bias)


def able(*tensors: Tensor) -> bool:
    """Whether the compiled layers take these tensors, and are worth it on this processor."""
    return takes(*tensors) and bool(kernels().frames_worthwhile())


def weight_gradient(
    x: Tensor, d_y: Tensor, rows: list[int], biased: bool
) -> tuple[Tensor, Tensor | None]:
    """The gradients of the weights (S, H, D), and of the biases (S, H) if there are some, from x
    (F, D) and d_y (F, H), of which only the last axis needs to be without gaps. Only where they are
    ``able``."""
    d_weight = x.new_empty(len(rows), d_y.shape[1], x.shape[1])
    d_bias = x.new_empty(d_weight.shape[:2]) if biased else None
    shape = _Frames.of(d_weight, rows, x.stride(0), d_y.stride(0))
    call("frames_gradient", shape, x, d_y, d_weight, d_bias)
    return d_weight, d_bias


class _Frames(ctypes.Structure):
    """The C code's struct of that name."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("sets", "inputs", "outputs", "threads")),
        *((name, ctypes.c_int64) for name in ("x_step", "y_step")),
        ("rows", ctypes.c_void_p),
    )

    @classmethod
    def of(cls, weight: Tensor, rows: list[int], *steps: int) -> _Frames:
        """For weights (S, H, D)."""
        sets, outputs, inputs = weight.shape
        array = (ctypes.c_int64 * sets)(*rows)
        sizes = sets, inputs, outputs, torch.get_num_threads(), *(steps or (inputs, outputs))
        shape = cls(*sizes, ctypes.addressof(array))
        shape.kept = array  # as long as the structure that points there
        return shape


class _Linear(torch.autograd.Function):
    """x (F, D), weights (S, H, D), biases (S, H) or None, how many rows of x belong to each set."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None, rows: list[int]) -> Tensor:
        x, weight = x.contiguous(), weight.contiguous()
        y, ctx.rows, ctx.biased = x.new_empty(len(x), weight.shape[1]), rows, bias is not None
        ctx.save_for_backward(x, weight)
        bias = bias.contiguous() if ctx.biased else None
        call("frames_forward", _Frames.of(weight, rows), x, weight, bias, y)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, d_y: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        d_y = d_y.contiguous()
        d_x, of_parameters = None, (None, None)
        if ctx.needs_input_grad[0]:
            d_x = torch.empty_like(x)
            call("frames_backward", _Frames.of(weight, ctx.rows), d_y, weight, d_x)
        if any(ctx.needs_input_grad[1:]):
            of_parameters = weight_gradient(x, d_y, ctx.rows, ctx.biased)
        return d_x, *of_parameters, None
