"""Random numbers of a training step: from PyTorch's global generator, or, for seeds side by side,
from one generator per seed.

A seed then draws the same numbers as when it is trained alone, with the global generator.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

_streams: tuple[torch.Generator, ...] = ()


@contextmanager
def streams(generators: Sequence[torch.Generator]) -> Iterator[None]:
    """A context in which whatever is drawn has a leading axis of seeds, each entry of which
    comes from that seed's generator."""
    global _streams
    before, _streams = _streams, tuple(generators)
    try:
        yield
    finally:
        _streams = before


def bits(shape: Sequence[int], rows: Sequence[int] | None = None) -> Tensor:
    """16 random bits per element, int16. Seeds side by side have a leading axis of ``shape``, or
    ``rows`` rows each of the first axis."""
    if not _streams:
        return _words(torch.Size(shape).numel(), None).view(shape)
    if rows is not None:
        row = torch.Size(shape[1:]).numel()
        return torch.cat([_words(n * row, g) for n, g in zip(rows, _streams, strict=True)]).view(
            shape
        )
    each = torch.Size(shape[1:]).numel()
    words = torch.empty(len(_streams), -(-each // 4), dtype=torch.int64)
    for row, generator in zip(words, _streams, strict=True):
        row.random_(-(2**63), None, generator=generator)
    return words.view(torch.int16)[:, :each].contiguous().view(shape)


def _words(count: int, generator: torch.Generator | None) -> Tensor:
    words = torch.empty(-(-count // 4), dtype=torch.int64).random_(
        -(2**63), None, generator=generator
    )
    return words.view(torch.int16)[:count]


def permutation(n: int, device: torch.device | str = "cpu") -> Tensor:
    """A random order of n things, (n,) or (S, n) int64."""
    if not _streams:
        return torch.randperm(n, device=device)
    return torch.stack([torch.randperm(n, generator=g, device=device) for g in _streams])


def beta(first: float, second: float, n: int) -> Tensor:
    """n draws from Beta(first, second), (n,) or (S, n) float32."""
    both = torch.tensor([first, second]).expand(n, 2).contiguous()
    if not _streams:
        return torch._sample_dirichlet(both)[:, 0]
    return torch.stack([torch._sample_dirichlet(both, generator=g)[:, 0] for g in _streams])
