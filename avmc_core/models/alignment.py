"""Audio and vision brought to the number of text steps, for models that want all three step by
step."""

from __future__ import annotations

import torch
from torch import Tensor


def pool(x: Tensor, steps: int) -> Tensor:
    """The reference's "alignment" (D33): x (B, T, D) in equal chunks, averaged, padding included:
    (B, steps, D).

    If ``steps`` does not divide T, copies of the last step are appended until it does.
    """
    clips, length, size = x.shape
    if length % steps:
        copies = steps - length % steps
        x = torch.cat([x, x[:, -1:].expand(clips, copies, size)], 1)
    return x.unflatten(1, (steps, -1)).mean(2)


def spread(x: Tensor, lengths: Tensor, chunks: Tensor, steps: int) -> Tensor:
    """Each clip's valid frames spread over its own number of chunks and averaged: (B, T, D) to (B,
    steps, D).

    With L = ``lengths[b]`` and C = ``chunks[b]``, both (B,), step k < C is the mean of the frames
    floor(k L / C) up to ceil((k + 1) L / C) - 1, so every frame counts and no step is empty; steps
    from C on are zero.
    """
    length, count = lengths[:, None], chunks[:, None]  # (B, 1)
    step = torch.arange(steps, device=x.device)  # (K,)
    first, end = step * length // count, -(-(step + 1) * length // count)  # (B, K)
    frame = torch.arange(x.shape[1], device=x.device)  # (T,)
    # (B, K, T)
    member = (frame >= first[..., None]) & (frame < end[..., None]) & (step < count)[..., None]
    return (member / member.sum(-1, keepdim=True).clamp(min=1)).to(x.dtype) @ x
