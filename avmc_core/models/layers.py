"""Blocks that AV-MC and several baselines share."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import relu


class AveragedEncoder(nn.Module):
    """Batch norm, dropout and a three-layer MLP on a clip's averaged frames: (B, D) to (B, h)."""

    def __init__(self, size: int, hidden: int, dropout: float):
        super().__init__()
        self.norm = nn.BatchNorm1d(size)
        self.drop = nn.Dropout(dropout)
        self.linear_1 = nn.Linear(size, hidden)
        self.linear_2 = nn.Linear(hidden, hidden)
        self.linear_3 = nn.Linear(hidden, hidden)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(self.norm(x))
        for layer in (self.linear_1, self.linear_2, self.linear_3):
            x = relu(layer(x))
        return x


class Head(nn.Module):
    """Dropout and a three-layer MLP: a representation (B, D) to a prediction (B,), with both hidden layers (B, h)."""

    def __init__(self, size: int, hidden: int, dropout: float):
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.layer_1 = nn.Linear(size, hidden)
        self.layer_2 = nn.Linear(hidden, hidden)
        self.layer_3 = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        first = self.hidden(x)
        second = relu(self.layer_2(first))
        return self.layer_3(second).squeeze(-1), first, second

    def hidden(self, x: Tensor) -> Tensor:
        """The first hidden layer: (B, D) to (B, h)."""
        return relu(self.layer_1(self.drop(x)))

    def from_hidden(self, first: Tensor) -> Tensor:
        """The prediction (B,) from the first hidden layer (B, h)."""
        return self.layer_3(relu(self.layer_2(first))).squeeze(-1)
