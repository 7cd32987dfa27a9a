"""Large products of float32 on a CPU by oneDNN, which PyTorch has on board but uses for other
precisions only.

PyTorch computes these products with MKL, which on processors not made by Intel uses vectors of only
half the possible width. Where this was measured, oneDNN took 40 % of MKL's time. oneDNN compiles a
kernel for each new shape. That pays where a few shapes recur, as in a text encoder, but not for the
frames of a batch, whose number changes every time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn

LEAST = 2**24  # multiplications, from which on a product is worth the call


class WideLinear(nn.Linear):
    """torch.nn.Linear, large products on a CPU by oneDNN."""

    def forward(self, x: Tensor) -> Tensor:
        if _takes(x, self.weight):
            return _Product.apply(x, self.weight, self.bias)
        return super().forward(x)


def widened(network: nn.Module) -> nn.Module:
    """The network itself, each of whose linear layers (of that very type) is a ``WideLinear`` now,
    with the same parameters."""
    for module in network.modules():
        if type(module) is nn.Linear:
            module.__class__ = WideLinear
    return network


@cache
def _onednn() -> Callable[..., Tensor] | None:
    """x (..., D), weight (H, D) and bias or None to (..., H), with a nonlinearity, here none."""
    if not torch.backends.mkldnn.is_available():
        return None
    try:
        return torch.ops.mkldnn._linear_pointwise
    except AttributeError:  # another version of PyTorch
        return None


def _takes(x: Tensor, weight: Tensor) -> bool:
    on_cpu = x.device.type == "cpu" and x.dtype == weight.dtype == torch.float32
    large = x.numel() * len(weight) >= LEAST
    return on_cpu and large and not torch.is_autocast_enabled("cpu") and _onednn() is not None


class _Product(torch.autograd.Function):
    """torch.nn.functional.linear."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _of(x, weight, bias)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, d_y: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        rows = d_y.reshape(-1, d_y.shape[-1])
        d_x = _of(d_y, weight.t()) if of_x else None
        # oneDNN reads its second factor by rows or by columns, its first by rows only
        turned = x.reshape(-1, x.shape[-1]).t().contiguous() if of_weight else None
        d_weight = _of(turned, rows.t()).t() if of_weight else None
        return d_x, d_weight, rows.sum(0) if of_bias else None


def _of(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if weight.stride(0) != 1 and weight.stride(1) != 1:
        weight = weight.contiguous()
    return _onednn()(x, weight, bias, "none", [], "")
