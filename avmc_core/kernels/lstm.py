"""LSTMs over sequences of different lengths: exact (padding never enters) and fast on CPU.

PyTorch's packed LSTM fills a whole buffer with zeros at every step of its backward pass on CPU,
which makes it quadratic in time. Here only the frames of the clips are kept, one clip after the
other; what does not depend on the step before is a matrix product over all of them, and the
recurrence is compiled C (``resources/lstm.c``). Without a compiler, or in another precision,
PyTorch's dense kernel runs on padded groups of clips of similar length: forward in time that is
exact as it is, because the steps after a clip's end come last; backward in time each clip is
reversed within its own length first. On a GPU the recurrence is one launch (``launched``), or where
that is not to be had cuDNN's packed kernel.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, layer_norm
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from avmc_core.batch import on_host
from avmc_core.kernels import compiled, gpu, launched
from avmc_core.kernels.frames import linear_of_frames
from avmc_core.kernels.lengths import (
    frames_of,
    frames_of_sets,
    padded,
    rows_of_a_set,
    starts,
    valid_steps,
)
from avmc_core.kernels.recurrence import recurrence

GROUP = 16  # clips that the dense kernel pads to the same length


def reverse_within(x: Tensor, lengths: Tensor) -> Tensor:
    """Each row of x (B, T, D) reversed in its first ``lengths`` steps; the steps after them stay.
    Its own inverse."""
    step = torch.arange(x.shape[1], device=x.device)[None, :]  # (1, T)
    source = torch.where(step < lengths[:, None], lengths[:, None] - 1 - step, step)  # (B, T)
    return x.gather(1, source[..., None].expand_as(x))


def last_valid(x: Tensor, lengths: Tensor) -> Tensor:
    """Step ``lengths - 1`` of each row of x (B, T, D): (B, D)."""
    return x[torch.arange(len(x), device=x.device), lengths - 1]


class LSTM(nn.LSTM):
    """One LSTM layer, one or both directions, batch first, with torch.nn.LSTM's parameters and
    names.

    ``forward(x, lengths)`` takes x (B, T, D) and lengths (B,) in 1..T and returns the outputs (B,
    T, directions * h), zero after each clip's end, and the final states (B, directions * h): after
    step ``length`` forward in time, after step 1 backward. Equal to torch.nn.LSTM on the packed
    sequence. ``over_frames`` is the same on frames without padding, and takes seeds side by side:
    weights and lengths with a leading axis S, frames of one seed after the other (F, D), or equally
    many rows for each (S, R, D), final states (S, B, directions * h).
    """

    def __init__(self, input_size: int, hidden_size: int, bidirectional: bool = False):
        super().__init__(input_size, hidden_size, batch_first=True, bidirectional=bidirectional)
        self.suffixes = ("", "_reverse") if bidirectional else ("",)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        if gpu.on_gpu(x) and not fused(x, self.hidden_size):
            return self._packed(x, lengths)
        outputs, finals = self.over_frames(frames_of(x, lengths), lengths)
        return padded(outputs, lengths, x.shape[1]), finals

    def final(self, x: Tensor, lengths: Tensor) -> Tensor:
        """The final states of ``forward`` alone; also of seeds side by side, x (S, B, T, D)."""
        if gpu.on_gpu(x) and not fused(x, self.hidden_size):
            return self._packed(x, lengths)[1]
        return self.over_frames(frames_of(x, lengths), lengths)[1]

    def over_frames(
        self, frames: Tensor, lengths: Tensor, scale: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Frames (F, D) to outputs (F, directions * h) and final states (B, directions * h); idle
        rows have outputs of zero.

        ``scale``, a gain and a shift (D,) of the frames, goes into the weights: frames that need no
        gradient then have none computed, although gain and shift have theirs."""
        if fused(frames, self.hidden_size):
            gates = self.gates(frames, frames_of_sets(lengths), scale and scale[0])
            outputs = self.states(gates, lengths, scale and scale[1])[0]
            return outputs, self._finals(outputs, lengths)
        if scale is not None:
            frames = torch.addcmul(scale[1], frames, scale[0])
        if gpu.on_gpu(frames):
            x = padded(frames, lengths, int(on_host(lengths).max()))
            outputs, finals = self._packed(x, lengths)
            return frames_of(outputs, lengths), finals
        outputs = self._dense(frames, lengths)
        return outputs, self._finals(outputs, lengths)

    def _finals(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        first = starts(lengths, rows_of_a_set(outputs, 1))
        ends = [first + lengths - 1, first][: len(self.suffixes)]
        last = torch.stack(ends, -1)  # (B, directions)
        by_direction = outputs.flatten(0, -2).unflatten(1, (len(self.suffixes), -1))
        direction = torch.arange(len(self.suffixes), device=last.device)
        return by_direction[last, direction].flatten(-2)

    def gates(
        self, x: Tensor, rows: Sequence[int] | None = None, gain: Tensor | None = None
    ) -> Tensor:
        """What all gates make of the input alone, without biases: (..., D) to (..., directions *
        4h). With seeds side by side, ``rows`` says how many rows of x (F, D) belong to each. With a
        gain (D,), of gain * x."""
        weight = torch.cat([getattr(self, "weight_ih_l0" + suffix) for suffix in self.suffixes], -2)
        weight = weight if gain is None else weight * gain.unsqueeze(-2)
        return linear_of_frames(x, weight, None, rows)

    def gates_of_steps(self, x: Tensor) -> Tensor:
        """``gates`` of all steps of x (B, T, D), on a CPU also (S, B, T, D): (B * T, directions *
        4h) or (S * B * T, ...). Steps of zeros, which padding is made of, need no product."""
        some = x.any(-1)
        at = some.flatten().nonzero().squeeze(1)
        rows = some.flatten(1).sum(1).tolist() if x.dim() == 4 else None
        gates = self.gates(x[some], rows)
        return gates.new_zeros(some.numel(), gates.shape[-1]).index_copy_(0, at, gates)

    def states(
        self, gates: Tensor, lengths: Tensor, shift: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """From ``gates`` (F, directions * 4h), overwritten, the outputs and cell states of every
        frame, (F, directions * h) both; or (S, R, ...) all. Only where ``fused``. With a shift (D,)
        that the frames have beside what the gates were made of."""
        h, directions = self.hidden_size, len(self.suffixes)
        w_ih, recurrent, b_ih, b_hh = zip(*map(self._weights, self.suffixes), strict=True)
        if shift is not None:
            b_ih = [b + (w * shift.unsqueeze(-2)).sum(-1) for b, w in zip(b_ih, w_ih, strict=True)]
        weight = torch.stack(recurrent, -3).view(-1, directions, 4, h, h)
        bias = torch.stack([*map(torch.add, b_ih, b_hh)], -2).view(-1, directions, 4, h)
        states = recurrence(
            gates.unflatten(-1, (directions, 4, h)),
            bias,
            weight,
            lengths if lengths.dim() == 2 else lengths[None],  # those that know their layout
        )
        return tuple(state.flatten(-2) for state in states)

    def _weights(self, suffix: str) -> list[Tensor]:
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        return [getattr(self, name + suffix) for name in names]

    def _dense(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """PyTorch's kernel on padded groups of clips of similar length."""
        starts, outputs = lengths.cumsum(0) - lengths, []
        order = lengths.argsort()
        groups = order.split(GROUP)
        rows = [
            torch.cat([torch.arange(starts[i], starts[i] + lengths[i]) for i in group])
            for group in groups
        ]
        for group, row in zip(groups, rows, strict=True):
            own = lengths[group]
            x = padded(frames[row], own, int(own[-1]))
            both = [self._dense_direction(x, "")]
            if self.bidirectional:
                both.append(
                    reverse_within(self._dense_direction(reverse_within(x, own), "_reverse"), own)
                )
            outputs.append(frames_of(torch.cat(both, -1), own))
        return torch.cat(outputs)[torch.cat(rows).argsort()]

    def _dense_direction(self, x: Tensor, suffix: str) -> Tensor:
        """One direction over all T steps: (B, T, h)."""
        zero = x.new_zeros(1, len(x), self.hidden_size)
        return torch._VF.lstm(
            x, (zero, zero), self._weights(suffix), True, 1, 0.0, self.training, False, True
        )[0]

    def _packed(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        packed = pack_padded_sequence(x, on_host(lengths), batch_first=True, enforce_sorted=False)
        outputs, (final, _) = super().forward(packed)
        outputs, _ = pad_packed_sequence(outputs, batch_first=True, total_length=x.shape[1])
        return outputs, final.transpose(0, 1).flatten(1)


def norm_by_set(norm: nn.LayerNorm, x: Tensor, rows: list[int]) -> Tensor:
    """A layer norm of frames of several seeds, each with its own gain and shift: x (F, D), one seed
    after the other, or (S, R, D)."""
    if norm.weight.dim() == 1:
        return norm(x)
    if x.dim() == 3:
        normed = layer_norm(x, x.shape[-1:], eps=norm.eps)
        return torch.addcmul(norm.bias[:, None], normed, norm.weight[:, None])
    parts = zip(x.split(rows), norm.weight, norm.bias, strict=True)
    return torch.cat(
        [layer_norm(own, own.shape[-1:], gain, shift, norm.eps) for own, gain, shift in parts]
    )


def normalised_by_set(norm: nn.BatchNorm1d, x: Tensor, lengths: Tensor) -> Tensor:
    """What a batch norm makes of frames (F, D) before its gain and shift; or of those of several
    seeds, each with its own statistics, for lengths (S, B): x (F, D), one seed after the other, or
    (S, R, D), whose idle rows do not count. In training the running statistics are updated."""
    running = norm.running_mean, norm.running_var
    constants = (None, None, norm.training, norm.momentum, norm.eps)
    if norm.training:
        norm.num_batches_tracked.add_(1)
    if running[0].dim() == 1:
        return batch_norm(x, *running, *constants)
    if x.dim() == 2:
        own = zip(x.split(frames_of_sets(lengths)), *running, strict=True)
        return torch.cat([batch_norm(*values, *constants) for values in own])
    mean, variance = (value[:, None] for value in running)  # (S, 1, D)
    if norm.training:
        frames = lengths.sum(-1)
        idle, count = ~valid_steps(frames, x.shape[1])[..., None], frames.view(-1, 1, 1)
        mean = x.sum(1, keepdim=True) / count  # idle rows are zero
        variance = (x - mean).square().masked_fill(idle, 0.0).sum(1, keepdim=True) / count
        with torch.no_grad():
            latest = [mean[:, 0], (variance * (count / (count - 1)))[:, 0]]
            torch._foreach_lerp_(running, latest, norm.momentum)
    return (x - mean) * (variance + norm.eps).rsqrt()


def fused(x: Tensor, hidden: int) -> bool:
    """Whether the compiled recurrence can compute it, or on a GPU the launched one."""
    return launched.takes(x, hidden) if gpu.on_gpu(x) else compiled.takes(x)
