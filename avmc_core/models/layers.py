"""Blocks that AV-MC and several baselines share."""

from __future__ import annotations

from torch import Tensor, nn

from avmc_core.kernels.dense import BatchNorm, chain
from avmc_core.kernels.dropout import Dropout


class AveragedEncoder(nn.Module):
    """Batch norm, dropout and a three-layer MLP on a clip's averaged frames: (B, D) to (B, h)."""

    def __init__(self, size: int, hidden: int, dropout: float):
        super().__init__()
        self.norm = BatchNorm(size)
        self.drop = Dropout(dropout)
        self.linear_1 = nn.Linear(size, hidden)
        self.linear_2 = nn.Linear(hidden, hidden)
        self.linear_3 = nn.Linear(hidden, hidden)

    def forward(self, x: Tensor) -> Tensor:
        layers = [self.linear_1, self.linear_2, self.linear_3]
        return chain(self.norm(x), layers, [True] * 3, self.drop)[-1]


class Head(nn.Module):
    """Dropout and a three-layer MLP: a representation (B, D) to a prediction (B,), with both hidden
    layers (B, h)."""

    def __init__(self, size: int, hidden: int, dropout: float):
        super().__init__()
        self.drop = Dropout(dropout)
        self.layer_1 = nn.Linear(size, hidden)
        self.layer_2 = nn.Linear(hidden, hidden)
        self.layer_3 = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        layers = [self.layer_1, self.layer_2, self.layer_3]
        first, second, prediction = chain(x, layers, [True, True, False], self.drop)
        return prediction.squeeze(-1), first, second

    def predict(self, x: Tensor) -> Tensor:
        """The prediction (B,) for representations (B, D), without the hidden layers."""
        return self(x)[0]

    def hidden(self, x: Tensor) -> Tensor:
        """The first hidden layer: (B, D) to (B, h)."""
        return chain(x, [self.layer_1], [True], self.drop)[0]

    def from_hidden(self, first: Tensor) -> Tensor:
        """The prediction (B,) from the first hidden layer (B, h)."""
        return chain(first, [self.layer_2, self.layer_3], [True, False])[-1].squeeze(-1)
