"""Multi-head attention whose weights are never held as a whole: compiled C on CPU
(``resources/attention.c``).

At the released lengths the weights of one layer of MulT are up to 82 million numbers, which plain
PyTorch writes and reads some ten times in a training step. The C code holds those of four queries
at a time and computes them again for the gradient. Without it, or in another precision, PyTorch
computes the same with the whole weights.
"""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from avmc_core.kernels.compiled import call, takes
from avmc_core.kernels.dropout import dropout

LARGEST = 64  # the most features per head that the compiled code takes


def attend(q: Tensor, k: Tensor, v: Tensor, seen: Tensor, heads: int, p: float = 0.0) -> Tensor:
    """softmax(q k^T / sqrt(w / heads)) v in each head, where query i sees the first ``seen[:, i]``
    keys and each weight is dropped with probability p.

    q (B, L, w), k and v (B, S, w), seen (B or 1, L) int64 in 1..S; returns (B, L, w).
    """
    if compiles(q, heads):
        return Attention.apply(q, k, v, seen, heads, p)
    # (B, heads, L or S, w / heads)
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    # PyTorch's kernel misreads another precision, silently
    mask = additive_mask(seen, k.shape[2]).to(q.dtype)
    if p > 0 and not q.is_cuda:  # the fused kernels of CPU have no dropout
        weights = torch.softmax(q @ k.mT * q.shape[-1] ** -0.5 + mask, -1)  # (B, heads, L, S)
        mixed = dropout(weights, p, True) @ v
    else:
        mixed = scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=p)
    return mixed.transpose(1, 2).flatten(2)


def additive_mask(seen: Tensor, keys: int) -> Tensor:
    """(B or 1, 1, L, S), 0 where a query sees a key, else -inf."""
    unseen = torch.arange(keys, device=seen.device) >= seen[..., None]
    return torch.zeros(unseen.shape, device=seen.device).masked_fill(unseen, -torch.inf)[:, None]


def compiles(x: Tensor, heads: int) -> bool:
    """Whether the compiled code can compute it."""
    return x.shape[-1] <= LARGEST * heads and takes(x)


class Shape(ctypes.Structure):
    """The C code's struct ``Attention``."""

    _fields_ = (
        *(
            (name, ctypes.c_int64)
            for name in ("clips", "heads", "size", "queries", "keys", "threads")
        ),
        ("seen", ctypes.c_void_p),
        ("seed", ctypes.c_int64),
        ("dropout", ctypes.c_double),
    )


class Attention(torch.autograd.Function):
    """``attend`` by the compiled code; the seed of what is dropped comes from PyTorch's global
    generator."""

    @staticmethod
    def forward(ctx, q: Tensor, k: Tensor, v: Tensor, seen: Tensor, heads: int, p: float) -> Tensor:
        q, k, v = (x.contiguous() for x in (q, k, v))
        seen = seen.expand(len(q), -1).contiguous()
        seed = int(torch.empty((), dtype=torch.int64).random_()) if p > 0 else 0
        out, stats = torch.empty_like(q), q.new_empty(len(q), heads, q.shape[1], 2)
        ctx.call = heads, seed, p
        _call("attention_forward", *ctx.call, seen, q, k, v, out, stats)
        ctx.save_for_backward(seen, q, k, v, out, stats)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, d_out: Tensor) -> tuple[Tensor | None, ...]:
        seen, *saved = ctx.saved_tensors
        gradients = [torch.empty_like(x) for x in saved[:3]]
        _call("attention_backward", *ctx.call, seen, *saved, d_out.contiguous(), *gradients)
        return *gradients, None, None, None


def _call(
    name: str, heads: int, seed: int, p: float, seen: Tensor, q: Tensor, k: Tensor, *tensors: Tensor
) -> None:
    """Call the C function on contiguous tensors."""
    clips, queries, width = q.shape
    sizes = clips, heads, width // heads, queries, k.shape[1], torch.get_num_threads()
    call(name, Shape(*sizes, seen.data_ptr(), seed, p), q, k, *tensors)
