"""Dropout that is fast on CPU: 16 random bits per element instead of a Bernoulli number.

PyTorch's Bernoulli numbers cost some 15 ns each on CPU, which is most of a training step where
activations are large. The probability is rounded to a multiple of 2^-16.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from avmc_core.draws import bits


def dropout(x: Tensor, p: float, training: bool, rows: Sequence[int] | None = None) -> Tensor:
    """torch.nn.functional.dropout: in training each element is zero with probability p, else
    divided by 1 - p.

    ``rows``: where several seeds are computed side by side and share the first axis, how many of
    its rows belong to each seed.
    """
    if not training or p == 0:
        return x
    if x.is_cuda:
        return nn.functional.dropout(x, p)
    keep = bits(x.shape, rows) >= least(p)
    return x * (keep * (1 / (1 - p)))


def least(p: float) -> int:
    """The least of 16 random bits, as an int16, that keeps its element."""
    return round(p * 2**16) - 2**15


class Dropout(nn.Dropout):
    """As torch.nn.Dropout, computed by ``dropout``."""

    def forward(self, x: Tensor, rows: Sequence[int] | None = None) -> Tensor:
        return dropout(x, self.p, self.training, rows)
