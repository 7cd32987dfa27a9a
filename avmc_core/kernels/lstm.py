"""LSTMs over sequences of different lengths: exact (padding never enters) and fast on CPU.

PyTorch's packed LSTM fills a whole buffer with zeros at every step of its backward pass on CPU, which makes it quadratic in
time. Here only the frames of the clips are kept, one clip after the other; what does not depend on the step before is a
matrix product over all of them, and the recurrence is compiled C (``resources/lstm.c``). Without a compiler, or in another
precision, PyTorch's dense kernel runs on padded groups of clips of similar length: forward in time that is exact as it is,
because the steps after a clip's end come last; backward in time each clip is reversed within its own length first. On a GPU
cuDNN's packed kernel is used.
"""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from avmc_core.kernels.compiled import kernels

LANES = 16  # hidden units that the compiled kernel takes at once
GROUP = 16  # clips that the dense kernel pads to the same length


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


def frames_of(x: Tensor, lengths: Tensor) -> Tensor:
    """The valid steps of x (B, T, D), one clip after the other: (F, D) with F the sum of the lengths."""
    return x[valid_steps(lengths, x.shape[1])]


def padded(frames: Tensor, lengths: Tensor, steps: int) -> Tensor:
    """Back to (B, T, D), zero after each clip's end."""
    out = frames.new_zeros(len(lengths), steps, frames.shape[1])
    out[valid_steps(lengths, steps)] = frames
    return out


class LSTM(nn.LSTM):
    """One LSTM layer, one or both directions, batch first, with torch.nn.LSTM's parameters and names.

    ``forward(x, lengths)`` takes x (B, T, D) and lengths (B,) in 1..T and returns the outputs (B, T, directions * h), zero
    after each clip's end, and the final states (B, directions * h): after step ``length`` forward in time, after step 1
    backward. Equal to torch.nn.LSTM on the packed sequence. ``over_frames`` is the same on frames without padding.
    """

    def __init__(self, input_size: int, hidden_size: int, bidirectional: bool = False):
        super().__init__(input_size, hidden_size, batch_first=True, bidirectional=bidirectional)
        self.suffixes = ("", "_reverse") if bidirectional else ("",)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        if x.is_cuda:
            return self._packed(x, lengths)
        outputs, finals = self.over_frames(frames_of(x, lengths), lengths)
        return padded(outputs, lengths, x.shape[1]), finals

    def over_frames(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (F, D) to outputs (F, directions * h) and final states (B, directions * h)."""
        if frames.is_cuda:
            steps = int(lengths.max())
            outputs, finals = self._packed(padded(frames, lengths, steps), lengths)
            return frames_of(outputs, lengths), finals
        outputs = self.states(self.gates(frames), lengths)[0] if fused(frames) else self._dense(frames, lengths)
        ends = lengths.cumsum(0)
        last = torch.stack([ends - 1, ends - lengths][: len(self.suffixes)], 1)  # (B, directions)
        by_direction = outputs.unflatten(1, (len(self.suffixes), -1))
        return outputs, by_direction[last, torch.arange(len(self.suffixes))].flatten(1)

    def gates(self, x: Tensor) -> Tensor:
        """What all gates make of the input alone, without biases: (..., D) to (..., directions * 4h)."""
        return linear(x, torch.cat([getattr(self, "weight_ih_l0" + suffix) for suffix in self.suffixes]))

    def states(self, gates: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """From ``gates`` (F, directions * 4h), overwritten, the outputs and cell states of every frame, (F, directions * h)
        both. Only where ``fused``."""
        h, directions, idle = self.hidden_size, len(self.suffixes), -self.hidden_size % LANES
        _, recurrent, b_ih, b_hh = zip(*map(self._weights, self.suffixes), strict=True)
        weight = torch.stack(recurrent).unflatten(1, (4, h))  # (directions, 4, h, h)
        bias = torch.cat([*map(torch.add, b_ih, b_hh)]).view(directions, 4, h)
        gates = gates.unflatten(1, (directions, 4, h))
        if idle:
            gates, bias, weight = pad(gates, (0, idle)), pad(bias, (0, idle)), pad(weight, (0, idle, 0, idle))
        states = Recurrence.apply(gates.contiguous(), bias, weight.flatten(1, 2), lengths)
        return tuple(state[..., :h].flatten(1) for state in states)

    def _weights(self, suffix: str) -> list[Tensor]:
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        return [getattr(self, name + suffix) for name in names]

    def _dense(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """PyTorch's kernel on padded groups of clips of similar length."""
        starts, outputs = lengths.cumsum(0) - lengths, []
        order = lengths.argsort()
        groups = order.split(GROUP)
        rows = [torch.cat([torch.arange(starts[i], starts[i] + lengths[i]) for i in group]) for group in groups]
        for group, row in zip(groups, rows, strict=True):
            own = lengths[group]
            x = padded(frames[row], own, int(own[-1]))
            both = [self._dense_direction(x, "")]
            if self.bidirectional:
                both.append(reverse_within(self._dense_direction(reverse_within(x, own), "_reverse"), own))
            outputs.append(frames_of(torch.cat(both, -1), own))
        return torch.cat(outputs)[torch.cat(rows).argsort()]

    def _dense_direction(self, x: Tensor, suffix: str) -> Tensor:
        """One direction over all T steps: (B, T, h)."""
        zero = x.new_zeros(1, len(x), self.hidden_size)
        return torch._VF.lstm(x, (zero, zero), self._weights(suffix), True, 1, 0.0, self.training, False, True)[0]

    def _packed(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        outputs, (final, _) = super().forward(packed)
        outputs, _ = pad_packed_sequence(outputs, batch_first=True, total_length=x.shape[1])
        return outputs, final.transpose(0, 1).flatten(1)


class Shape(ctypes.Structure):
    """The C code's struct of that name."""

    _fields_ = tuple((name, ctypes.c_int64) for name in ("clips", "directions", "hidden", "threads")) + tuple(
        (name, ctypes.c_void_p) for name in ("order", "start", "length")
    )


class Recurrence(torch.autograd.Function):
    """From the input's part of the gates (F, directions, 4, h), which is overwritten, the sum of both biases (directions, 4, h)
    and W_hh (directions, 4h, h), the outputs and cell states (F, directions, h). h is a multiple of LANES: units that a layer
    has not are idle ones, whose weights and states are zero."""

    @staticmethod
    def forward(ctx, gates: Tensor, bias: Tensor, weight: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        cell, out = (gates.new_empty(len(gates), len(weight), weight.shape[2]) for _ in range(2))
        _call("lstm_forward", lengths, weight, gates, bias, cell, out, weight.transpose(1, 2).contiguous())
        ctx.save_for_backward(gates, cell, out, weight, lengths)
        ctx.set_materialize_grads(False)
        return out, cell

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, d_out: Tensor | None, d_cell: Tensor | None) -> tuple[Tensor | None, ...]:
        gates, cell, out, weight, lengths = ctx.saved_tensors
        d_out = torch.zeros_like(out) if d_out is None else d_out.contiguous()
        d_cell = None if d_cell is None else d_cell.contiguous()
        d_gates = torch.empty_like(gates)
        _call("lstm_backward", lengths, weight, gates, cell, d_out, d_cell, d_gates, weight)
        ends = lengths.cumsum(0)
        previous = torch.zeros_like(out)  # the state that each frame starts from
        previous[1:, 0] = out[:-1, 0]
        previous[ends - lengths, 0] = 0.0
        if len(weight) == 2:
            previous[:-1, 1] = out[1:, 1]
            previous[ends - 1, 1] = 0.0
        d_weight = torch.bmm(d_gates.flatten(2).permute(1, 2, 0), previous.transpose(0, 1))
        return d_gates, d_gates.sum(0), d_weight, None


def fused(x: Tensor) -> bool:
    """Whether the compiled recurrence takes it."""
    return x.dtype == torch.float32 and not x.is_cuda and kernels() is not None


def _call(name: str, lengths: Tensor, weight: Tensor, *tensors: Tensor | None) -> None:
    """Call the C function on contiguous float32 tensors."""
    directions, _, h = weight.shape
    rows = torch.stack([lengths.argsort(stable=True), lengths.cumsum(0) - lengths, lengths])
    shape = Shape(len(lengths), directions, h, torch.get_num_threads(), *(row.data_ptr() for row in rows))
    getattr(kernels(), name)(
        ctypes.byref(shape), *(ctypes.c_void_p(None if t is None else t.data_ptr()) for t in tensors)
    )
