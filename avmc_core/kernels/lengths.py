"""Clips of different lengths as frames without padding.

On a CPU the frames of one clip follow those of the other, also from seed to seed. On a GPU seeds
side by side have equally many rows each, as many as the seed with the most frames, so that one
product or one norm takes all of them: (S, R, D), where the rows after a seed's last frame are idle
and zero.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from avmc_core.batch import on_host
from avmc_core.kernels import gpu


def valid_steps(lengths: Tensor, steps: int) -> Tensor:
    """(B, T) bool, True where a step lies before its clip's end."""
    return torch.arange(steps, device=lengths.device) < lengths[..., None]


def frames_of(x: Tensor, lengths: Tensor) -> Tensor:
    """The valid steps of x (B, T, D), one clip after the other: (F, D) with F the sum of the
    lengths. Seeds side by side have x (S, B, T, D) and lengths (S, B); on a GPU their frames are
    (S, R, D)."""
    if gpu.on_gpu(x):
        of_frame, idle, of_step, absent = _places(lengths, x.shape[-2])
        frames = _Gather.apply(x.flatten(0, -2), of_frame, idle, of_step, absent)
        return frames if lengths.dim() == 1 else frames.unflatten(0, (len(lengths), -1))
    return x[valid_steps(lengths, x.shape[-2])]


def frames_of_sets(lengths: Tensor) -> list[int]:
    """The number of frames of each of several seeds side by side, for lengths (S, B); for
    lengths (B,), a list of one number."""
    return on_host(lengths).view(-1, lengths.shape[-1]).sum(1).tolist()


def padded(frames: Tensor, lengths: Tensor, steps: int) -> Tensor:
    """Back from (F, D) to (B, T, D), zero after each clip's end."""
    if gpu.on_gpu(frames):
        of_frame, idle, of_step, absent = _places(lengths, steps)
        return _Gather.apply(frames, of_step, absent, of_frame, idle).unflatten(0, (-1, steps))
    out = frames.new_zeros(len(lengths), steps, frames.shape[1])
    out[valid_steps(lengths, steps)] = frames
    return out


def rows_of_a_set(frames: Tensor, more: int) -> int | None:
    """R, where seeds side by side have equally many rows (S, R, ...); None where the frames (F,
    ...) lie one after the other. ``more``: how many axes come after that of the frames."""
    return frames.shape[1] if frames.dim() == 2 + more else None


def _once(compute: Callable) -> Callable:
    """Of what follows from the lengths alone: on a GPU, where each small tensor is a launch, it is
    computed once for all layers that take the same lengths."""

    @wraps(compute)
    def known(lengths: Tensor, rows: int | None = None) -> Any:
        if not gpu.on_gpu(lengths):
            return compute(lengths, rows)
        layout = lengths.__dict__.setdefault("layout", {})
        if (compute, rows) not in layout:
            layout[compute, rows] = compute(lengths, rows)
        return layout[compute, rows]

    return known


@_once
def starts(lengths: Tensor, rows: int | None = None) -> Tensor:
    """The number of each clip's first frame, in the shape of the lengths, (B,) or (S, B); with
    ``rows``, where each seed has so many."""
    if rows is None:
        own = lengths.flatten()
        return (own.cumsum(0) - own).view_as(lengths)
    own_set = torch.arange(len(lengths), device=lengths.device)[:, None]
    return rows * own_set + lengths.cumsum(-1) - lengths


@_once
def by_length(lengths: Tensor, rows: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """For lengths (S, B): the clips of each set from short to long, numbered through all sets; the
    first frame (``starts``) and the number of frames of each clip. All (S * B,)."""
    sets, clips = lengths.shape
    first = clips * torch.arange(sets, device=lengths.device)[:, None]
    order = lengths.argsort(stable=True) + first
    return order.flatten(), starts(lengths, rows).flatten(), lengths.flatten()


def _places(lengths: Tensor, steps: int) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
    """Where each frame lies among the steps of all padded clips, (F,) or (S * R,) int64, and
    whether that row is idle (None for a single seed); where each step lies among the frames,
    (B * T,) or (S * B * T,), and whether it comes after its clip's end. Idle rows and absent steps
    point to row 0."""
    sets, step = frames_of_sets(lengths), torch.arange(steps, device=lengths.device)
    rows = None if lengths.dim() == 1 else max(sets)
    first, own = starts(lengths, rows), lengths.flatten()
    total, idle = (sum(sets), None) if rows is None else (rows * len(sets), None)
    shift = steps * torch.arange(len(own), device=own.device) - first.flatten()
    if rows is not None and len(sets) > 1:
        # the idle rows of a seed are those of one more clip, of whatever steps
        left = rows - lengths.sum(-1, keepdim=True)
        own = torch.cat([lengths, left], -1).flatten()
        shift = torch.cat([shift.view_as(lengths), torch.zeros_like(left)], -1).flatten()
        idle = (torch.arange(rows, device=own.device) >= rows - left).view(-1, 1)
    # no wait: the size is known
    of_frame = shift.repeat_interleave(own, output_size=total)
    of_frame = of_frame + torch.arange(total, device=own.device)
    if idle is not None:
        of_frame = of_frame.masked_fill(idle[:, 0], 0)
    absent = step >= lengths.unsqueeze(-1)
    of_step = (first.unsqueeze(-1) + step).masked_fill(absent, 0)
    return of_frame, idle, of_step.flatten(), absent.view(-1, 1)


class _Gather(torch.autograd.Function):
    """Rows ``at`` of x (N, D), zero where ``absent``; ``back`` and ``missing`` are the same for the
    way back. PyTorch's own gradient would first sort the places, lest two be the same; here it is a
    gather too."""

    @staticmethod
    def forward(
        ctx, x: Tensor, at: Tensor, absent: Tensor | None, back: Tensor, missing: Tensor | None
    ) -> Tensor:
        ctx.save_for_backward(back, missing, at, absent)
        rows = x.index_select(0, at)
        return rows if absent is None else rows.masked_fill_(absent, 0.0)

    @staticmethod
    def backward(ctx, d_y: Tensor) -> tuple[Tensor | None, ...]:
        return _Gather.apply(d_y, *ctx.saved_tensors), None, None, None, None
