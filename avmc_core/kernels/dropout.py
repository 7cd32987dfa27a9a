"""Dropout that is fast on CPU: 16 random bits per element instead of a Bernoulli number.

PyTorch's Bernoulli numbers cost some 15 ns each on CPU, which is most of a training step where
activations are large. On a CPU the probability is rounded to a multiple of 2^-16.

On a GPU it is PyTorch's, or, for seeds side by side, one launch (``launched_dropout``) in which
each seed draws what it draws alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor, nn

from avmc_core import draws
from avmc_core.draws import bits
from avmc_core.kernels import gpu


def dropout(x: Tensor, p: float, training: bool, rows: Sequence[int] | None = None) -> Tensor:
    """torch.nn.functional.dropout: in training each element is zero with probability p, else
    divided by 1 - p.

    ``rows``: where several seeds are computed side by side and share the first axis, how many of
    its rows belong to each seed.
    """
    if not training or p == 0:
        return x
    if gpu.on_gpu(x):
        keys = draws.keys()
        if keys is None:
            return nn.functional.dropout(x, p)
        return Launched.apply(x, p, keys.values, keys.take())
    keep = bits(x.shape, rows) >= least(p)
    return x * (keep * (1 / (1 - p)))


def least(p: float) -> int:
    """The least of 16 random bits, as an int16, that keeps its element."""
    return round(p * 2**16) - 2**15


class Launched(torch.autograd.Function):
    """``dropout`` of x (S, ...) in Triton, with the key of each of the S seeds and the number of
    the dropout within the step. No mask is kept: the gradient draws the same numbers again from
    the keys, and so must be computed before the keys of the next step are made."""

    @staticmethod
    def forward(ctx, x: Tensor, p: float, keys: Tensor, number: int) -> Tensor:
        ctx.save_for_backward(keys)
        ctx.drawn = p, number
        return _launch(x, p, keys, number)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, d_y: Tensor) -> tuple[Tensor | None, ...]:
        p, number = ctx.drawn
        return _launch(d_y, p, *ctx.saved_tensors, number), None, None, None


def _launch(x: Tensor, p: float, keys: Tensor, number: int) -> Tensor:
    from avmc_core.kernels import launched_dropout

    x = x.contiguous()
    out, elements = torch.empty_like(x), x.numel() // len(keys)
    grid = (-(-elements // launched_dropout.ELEMENTS.value), len(keys))
    launched_dropout.drop[grid](x, out, keys, elements, number, p, 1 / (1 - p))
    return out


@cache
def launches() -> bool:
    """Whether the launch works on this GPU, which is found out by doing it, once; a failure is
    reported once."""
    try:
        one = torch.zeros(1, 1, device="cuda")
        _launch(one, 0.5, torch.zeros(1, dtype=torch.int64, device="cuda"), 0)
        torch.cuda.synchronize()
        return True
    except Exception as error:  # whatever a compiler or its driver may raise
        warnings.warn(
            f"seeds are trained one by one: Triton does not run here "
            f"({type(error).__name__}: {error})",
            stacklevel=2,
        )
        return False


class Dropout(nn.Dropout):
    """As torch.nn.Dropout, computed by ``dropout``."""

    def forward(self, x: Tensor, rows: Sequence[int] | None = None) -> Tensor:
        return dropout(x, self.p, self.training, rows)
