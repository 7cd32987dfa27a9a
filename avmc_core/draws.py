"""Random numbers of a training step: from PyTorch's global generator, or, for seeds side by side,
from one generator per seed.

On a CPU a seed draws the same numbers beside others as alone with the global generator. On a GPU
even a single seed of a model whose seeds can be trained side by side has its own generator. These
generators are on the host: partners and lambdas are drawn here and moved, and what is dropped
follows from one key per seed and pass (``Keys``). Other models drop out as PyTorch does there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

_streams: tuple[torch.Generator, ...] = ()


@dataclass
class Keys:
    """What decides on a GPU which elements are dropped: the key of each seed, (S,) int64 on the
    device, always at the same place, and how many dropouts the step has had before."""

    values: Tensor
    used: int = 0

    @classmethod
    def on(cls, device: torch.device | str, seeds: int) -> Keys:
        """Not drawn yet: ``streams`` draws them."""
        return cls(torch.zeros(seeds, dtype=torch.int64, device=device))

    def draw(self, generators: Sequence[torch.Generator]) -> None:
        """A key for each seed from its generator."""
        drawn = torch.empty(len(generators), dtype=torch.int64)
        for key, generator in zip(drawn, generators, strict=True):
            key.random_(-(2**63), None, generator=generator)
        self.values.copy_(drawn, non_blocking=True)

    def take(self) -> int:
        """The number of the next dropout within the step."""
        self.used += 1
        return self.used - 1

    def next_step(self) -> None:
        """Another key for each seed. It is made on the device, without the host, so that a
        recorded step can be repeated with it."""
        self.values.add_(1)
        self.used = 0


_keys: Keys | None = None


@contextmanager
def streams(generators: Sequence[torch.Generator], keys: Keys | None = None) -> Iterator[None]:
    """A context in which whatever is drawn has a leading axis of seeds, each entry of which
    comes from that seed's generator. On a GPU with ``keys``, which are drawn first, and from which
    dropout then draws."""
    global _streams, _keys
    before = _streams, _keys
    _streams, _keys = tuple(generators), keys
    if keys is not None:
        keys.draw(_streams)
    try:
        yield
    finally:
        _streams, _keys = before


def keys() -> Keys | None:
    """The keys of the seeds side by side on a GPU; None elsewhere."""
    return _keys


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
    """A random order of n things, (n,) or (S, n) int64, drawn on the host."""
    if not _streams:
        return _moved(torch.randperm(n, device="cpu"), device)
    return _moved(torch.stack([torch.randperm(n, generator=g) for g in _streams]), device)


def beta(first: float, second: float, n: int, device: torch.device | str = "cpu") -> Tensor:
    """n draws from Beta(first, second), (n,) or (S, n) float32, drawn on the host."""
    both = torch.tensor([first, second]).expand(n, 2).contiguous()
    if not _streams:
        return _moved(torch._sample_dirichlet(both)[:, 0], device)
    drawn = [torch._sample_dirichlet(both, generator=g)[:, 0] for g in _streams]
    return _moved(torch.stack(drawn), device)


def _moved(x: Tensor, device: torch.device | str) -> Tensor:
    """On the device, without a wait for what it still has to do; remembered on the host
    (``batch.on_host``)."""
    there = x.to(device, non_blocking=True)
    if there is not x:
        there.on_host = x
    return there
