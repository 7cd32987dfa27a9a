"""Dropout on a GPU: each seed draws from its own key, alone as in company, and its gradient drops
what was dropped."""

from __future__ import annotations

import pytest
import torch

from avmc_core.draws import Keys, streams
from avmc_core.kernels.dropout import dropout

MASK = 2**32 - 1


def philox(key: int, counter: list[int]) -> list[int]:
    """Philox4x32 with ten rounds (Salmon et al., SC 2011), written from the paper."""
    low, high = key & MASK, key >> 32 & MASK
    a, b, c, d = counter
    for _ in range(10):
        first, second = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = second >> 32 ^ b ^ low, second & MASK, first >> 32 ^ d ^ high, first & MASK
        low, high = low + 0x9E3779B9 & MASK, high + 0xBB67AE85 & MASK
    return [a, b, c, d]


def test_the_generator_written_here_is_philox():
    """The published answer for a key and a counter of zeros."""
    assert philox(0, [0] * 4) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def drawn(seeds: tuple[int, ...], steps: int = 2) -> list[torch.Tensor]:
    """Two dropouts of ones in each step, (S, 3, 401) and (S, 7)."""
    keys, found = Keys.on("cpu", len(seeds)), []
    with streams(generators(*seeds), keys):
        for _ in range(steps):
            keys.next_step()
            found += [dropout(torch.ones(len(seeds), *n), 0.3, True) for n in ((3, 401), (7,))]
    return found


def test_a_seed_draws_alone_what_it_draws_in_company(as_on_gpu):
    as_on_gpu(True)
    both, last = drawn((5, 6)), drawn((6,))
    assert all(torch.equal(two[1:], one) for two, one in zip(both, last, strict=True))
    assert not torch.equal(both[0][0], both[0][1]), "seeds draw differently"
    assert not torch.equal(both[0], both[2]), "steps draw differently"
    assert not torch.equal(both[0].flatten(1)[:, :7], both[1]), "the dropouts of a step, too"


def test_what_is_dropped_is_what_philox_says(as_on_gpu):
    as_on_gpu(True)
    key = torch.empty(1, dtype=torch.int64)
    key.random_(-(2**63), None, generator=generators(8)[0])
    keys = Keys.on("cpu", 1)
    with streams(generators(8), keys):
        keys.next_step()
        dropout(torch.ones(1, 4), 0.3, True)
        second = dropout(torch.ones(1, 1500), 0.3, True)[0]
    for element in (0, 1, 255, 256, 700, 1023, 1024, 1499):
        block, within = divmod(element, 1024)
        word, lane = divmod(within, 256)
        bits = philox((int(key) + 1) % 2**64, [256 * block + lane, 1, 0, 0])[word]
        bits = bits - 2**32 if bits >= 2**31 else bits  # as a signed number
        uniform = (bits if bits >= 0 else -bits - 1) / 2**31
        assert (second[element] == 0) == (uniform < 0.3), element


def test_share_scale_and_gradient(as_on_gpu):
    as_on_gpu(True)
    x = torch.rand(2, 100, 501).add(1).requires_grad_()
    with streams(generators(1, 2), Keys.on("cpu", 2)):
        y = dropout(x, 0.3, True)
        dropped = y == 0
        assert float(dropped.double().mean()) == pytest.approx(0.3, abs=8e-3)  # 5 deviations
        torch.testing.assert_close(y, torch.where(dropped, 0.0, x / 0.7))
        y.sum().backward()
    torch.testing.assert_close(x.grad, torch.where(dropped, 0.0, 1 / 0.7))


def test_a_gradient_after_the_next_step_is_an_error(as_on_gpu):
    """It would drop other elements."""
    as_on_gpu(True)
    x = torch.ones(1, 9, requires_grad=True)
    keys = Keys.on("cpu", 1)
    with streams(generators(1), keys):
        y = dropout(x, 0.5, True)
        keys.next_step()
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()
