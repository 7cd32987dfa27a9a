"""The encoder that the released AV-MC takes over from MISA: two BiLSTMs, one on top of the
other."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from avmc_core.kernels.lengths import frames_of, frames_of_sets
from avmc_core.kernels.lstm import LSTM, norm_by_set


class StackedBiLSTM(nn.Module):
    """BiLSTM, layer norm, BiLSTM: (B, T, D) to the final states of both layers and directions (B,
    4h)."""

    def __init__(self, size: int, hidden: int):
        super().__init__()
        self.rnn_1 = LSTM(size, hidden, bidirectional=True)
        self.norm = nn.LayerNorm(2 * hidden)
        self.rnn_2 = LSTM(2 * hidden, hidden, bidirectional=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        return self.over_frames(frames_of(x, lengths), lengths)

    def over_frames(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """``forward`` on frames (F, D), which have no padding."""
        outputs, first = self.rnn_1.over_frames(frames, lengths)  # (F, 2h), (B, 2h)
        normed = norm_by_set(self.norm, outputs, frames_of_sets(lengths))
        _, second = self.rnn_2.over_frames(normed, lengths)
        # forward states of both layers, then backward ones
        return torch.stack((first, second), -2).unflatten(-1, (2, -1)).transpose(-3, -2).flatten(-3)
