"""A linear layer over the outer product of two vectors, with dropout, that never holds the product
as a whole: compiled C on CPU (``resources/outer.c``).

At TFN's published sizes the product has half a million entries per clip. The C code forms a few
columns of it at a time, small enough for the cache, draws what is dropped from a counter, and forms
them again for the gradient. Without it, or in another precision, PyTorch computes the same in
slices.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import torch
from torch import Tensor

from avmc_core.kernels.compiled import call, takes
from avmc_core.kernels.dropout import dropout

ENTRIES = 2**17  # of the product at a time: half a megabyte
LEAST = 64  # columns at a time


def outer_linear(a: Tensor, pairs: Tensor, weight: Tensor, p: float) -> Tensor:
    """dropout(vec(a pairs^T)) weight^T: a (B, I), pairs (B, K), weight (H, I K), to (B, H).

    Each entry of the product is dropped with probability ``p``, in training.
    """
    if takes(a):
        return OuterLinear.apply(a, pairs, weight, p)
    slices = zip(a.split(1, 1), weight.split(pairs.shape[1], 1), strict=True)
    return sum(part @ dropout(x * pairs, p, True).mT for x, part in slices).mT


class Shape(ctypes.Structure):
    """The C code's struct ``Outer``."""

    _fields_ = (
        *(
            (name, ctypes.c_int64)
            for name in ("clips", "width", "pairs", "begin", "end", "threads", "seed")
        ),
        ("dropout", ctypes.c_double),
    )


class OuterLinear(torch.autograd.Function):
    """``outer_linear`` by the compiled code; the seed of what is dropped comes from PyTorch's
    global generator."""

    @staticmethod
    def forward(ctx, a: Tensor, pairs: Tensor, weight: Tensor, p: float) -> Tensor:
        a, pairs = a.contiguous(), pairs.contiguous()
        ctx.seed = int(torch.empty((), dtype=torch.int64).random_()) if p > 0 else 0
        ctx.p = p
        ctx.save_for_backward(a, pairs, weight)
        out = a.new_zeros(len(a), len(weight))
        for begin, end in _portions(a, pairs):
            z = a.new_empty(len(a), end - begin)
            _call("outer_columns", a, pairs, begin, end, ctx.seed, p, z)
            out.addmm_(z, weight[:, begin:end].mT)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, d_out: Tensor) -> tuple[Tensor | None, ...]:
        a, pairs, weight = ctx.saved_tensors
        da, d_pairs, d_weight = (
            torch.zeros_like(a),
            torch.zeros_like(pairs),
            torch.empty_like(weight),
        )
        for begin, end in _portions(a, pairs):
            z = d_out @ weight[:, begin:end]  # the gradient, and then the product in its place
            _call("outer_gradient", a, pairs, begin, end, ctx.seed, ctx.p, z, da, d_pairs)
            torch.mm(d_out.mT, z, out=d_weight[:, begin:end])
        return da, d_pairs, d_weight, None


def _portions(a: Tensor, pairs: Tensor) -> Iterator[tuple[int, int]]:
    """Begin and end of the columns that are taken at a time."""
    columns, step = a.shape[1] * pairs.shape[1], max(LEAST, ENTRIES // max(1, len(a)))
    for begin in range(0, columns, step):
        yield begin, min(begin + step, columns)


def _call(
    name: str, a: Tensor, pairs: Tensor, begin: int, end: int, seed: int, p: float, *tensors: Tensor
) -> None:
    """Call the C function on contiguous tensors."""
    sizes = *a.shape, pairs.shape[1], begin, end, torch.get_num_threads()
    call(name, Shape(*sizes, seed, p), a, pairs, *tensors)
