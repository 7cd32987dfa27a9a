"""LSTMs over sequences of different lengths: exact (padding never enters) and fast on CPU.

PyTorch's packed LSTM fills a whole buffer with zeros at every step of its backward pass on CPU, which makes it quadratic in
time. Here the dense kernel runs on the padded batch instead. Forward in time that is exact as it is, because the steps after a
clip's end come last; backward in time each clip is reversed within its own length first. On a GPU cuDNN's packed kernel is used.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


def valid_steps(lengths: Tensor, steps: int) -> Tensor:
    """(B, T) bool, True where a step lies before its clip's end."""
    return torch.arange(steps, device=lengths.device) < lengths[:, None]


def reverse_within(x: Tensor, lengths: Tensor) -> Tensor:
    """Each row of x (B, T, D) reversed in its first ``lengths`` steps; the steps after them stay. Its own inverse."""
    step = torch.arange(x.shape[1], device=x.device)[None, :]  # (1, T)
    source = torch.where(step < lengths[:, None], lengths[:, None] - 1 - step, step)  # (B, T)
    return x.gather(1, source[..., None].expand_as(x))


def last_valid(x: Tensor, lengths: Tensor) -> Tensor:
    """Step ``lengths - 1`` of each row of x (B, T, D): (B, D)."""
    return x[torch.arange(len(x), device=x.device), lengths - 1]


class LSTM(nn.LSTM):
    """One LSTM layer, one or both directions, batch first, with torch.nn.LSTM's parameters and names.

    ``forward(x, lengths)`` takes x (B, T, D) and lengths (B,) in 1..T and returns the outputs (B, T, directions * h), zero
    after each clip's end, and the final states (B, directions * h): after step ``length`` forward in time, after step 1
    backward. Equal to torch.nn.LSTM on the packed sequence.
    """

    def __init__(self, input_size: int, hidden_size: int, bidirectional: bool = False):
        super().__init__(input_size, hidden_size, batch_first=True, bidirectional=bidirectional)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        if x.is_cuda:
            return self._packed(x, lengths)
        outputs = [self._dense(x, "")]
        finals = [last_valid(outputs[0], lengths)]
        if self.bidirectional:
            backward = self._dense(reverse_within(x, lengths), "_reverse")
            finals.append(last_valid(backward, lengths))
            outputs.append(reverse_within(backward, lengths))
        keep = valid_steps(lengths, x.shape[1])[..., None]  # (B, T, 1)
        return torch.cat(outputs, -1) * keep, torch.cat(finals, -1)

    def _dense(self, x: Tensor, suffix: str) -> Tensor:
        """One direction over all T steps: (B, T, h)."""
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        weights = [getattr(self, name + suffix) for name in names]
        zero = x.new_zeros(1, len(x), self.hidden_size)
        return torch._VF.lstm(x, (zero, zero), weights, True, 1, 0.0, self.training, False, True)[0]

    def _packed(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        outputs, (final, _) = super().forward(packed)
        outputs, _ = pad_packed_sequence(outputs, batch_first=True, total_length=x.shape[1])
        return outputs, final.transpose(0, 1).flatten(1)
