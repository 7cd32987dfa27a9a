"""Clips of different lengths as frames without padding, one clip after the other."""

from __future__ import annotations

import torch
from torch import Tensor

from avmc_core.batch import on_host


def valid_steps(lengths: Tensor, steps: int) -> Tensor:
    """(B, T) bool, True where a step lies before its clip's end."""
    return torch.arange(steps, device=lengths.device) < lengths[..., None]


def frames_of(x: Tensor, lengths: Tensor) -> Tensor:
    """The valid steps of x (B, T, D), one clip after the other: (F, D) with F the sum of the
    lengths. Seeds side by side have x (S, B, T, D) and lengths (S, B)."""
    if x.is_cuda:
        return _Pick.apply(x.flatten(0, -2), *_places(lengths, x.shape[-2]))
    return x[valid_steps(lengths, x.shape[-2])]


def frames_of_sets(lengths: Tensor) -> list[int]:
    """The number of frames of each of several seeds side by side, for lengths (S, B); a single
    number for lengths (B,)."""
    return on_host(lengths).view(-1, lengths.shape[-1]).sum(1).tolist()


def padded(frames: Tensor, lengths: Tensor, steps: int) -> Tensor:
    """Back to (B, T, D), zero after each clip's end."""
    if frames.is_cuda:
        return _Put.apply(frames, *_places(lengths, steps)).unflatten(0, (-1, steps))
    out = frames.new_zeros(len(lengths), steps, frames.shape[1])
    out[valid_steps(lengths, steps)] = frames
    return out


def by_length(lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For lengths (S, B): the clips of each set from short to long, numbered through all sets; the
    first frame and the number of frames of each clip. All (S * B,)."""
    sets, clips = lengths.shape
    own = lengths.flatten()
    first = clips * torch.arange(sets, device=lengths.device)[:, None]
    order = lengths.argsort(stable=True) + first
    return order.flatten(), own.cumsum(0) - own, own


def _places(lengths: Tensor, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Where each frame lies among the B * T steps of padded clips, (F,) int64; where each step lies
    among the frames, (B * T,), 0 after its clip's end, and whether it is there."""
    own, step = lengths.flatten(), torch.arange(steps, device=lengths.device)
    first = own.cumsum(0) - own
    shift = steps * torch.arange(len(own), device=own.device) - first
    total = int(on_host(lengths).sum())
    of_frame = shift.repeat_interleave(own, output_size=total)  # no wait: the size is known
    absent = step >= own[:, None]
    of_step = (first[:, None] + step).masked_fill(absent, 0)
    return (
        of_frame + torch.arange(total, device=own.device),
        of_step.flatten(),
        absent.view(-1, 1),
    )


class _Pick(torch.autograd.Function):
    """The frames (F, D) of padded clips (B * T, D). PyTorch's own gradient would first sort their
    places, lest two be the same; here it is a gather too."""

    @staticmethod
    def forward(ctx, x: Tensor, *places: Tensor) -> Tensor:
        ctx.save_for_backward(*places)
        return x.index_select(0, places[0])

    @staticmethod
    def backward(ctx, d_frames: Tensor) -> tuple[Tensor | None, ...]:
        return _Put.apply(d_frames, *ctx.saved_tensors), None, None, None


class _Put(torch.autograd.Function):
    """Padded clips (B * T, D) of frames (F, D), zero after each clip's end."""

    @staticmethod
    def forward(ctx, frames: Tensor, *places: Tensor) -> Tensor:
        ctx.save_for_backward(*places)
        _, of_step, absent = places
        return frames.index_select(0, of_step).masked_fill_(absent, 0.0)

    @staticmethod
    def backward(ctx, d_x: Tensor) -> tuple[Tensor | None, ...]:
        return _Pick.apply(d_x, *ctx.saved_tensors), None, None, None
