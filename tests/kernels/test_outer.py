"""The compiled outer product computes what PyTorch does with the whole of it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avmc_core.kernels import compiled, outer

pytestmark = pytest.mark.skipif(compiled.kernels() is None, reason="the compiled kernels are off")


def made(clips: int, width: int, pairs: int, hidden: int) -> list[torch.Tensor]:
    torch.manual_seed(0)
    shapes = (clips, width), (clips, pairs), (hidden, width * pairs)
    return [torch.randn(shape).requires_grad_() for shape in shapes]


def gradients(out: torch.Tensor, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
    return list(
        torch.autograd.grad((out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum(), inputs)
    )


@settings(deadline=None)
@given(
    clips=st.integers(1, 5),
    width=st.integers(1, 4),
    pairs=st.integers(1, 40),
    entries=st.integers(1, 400),
)
def test_without_dropout_it_is_the_product_with_the_whole(clips, width, pairs, entries):
    """In portions of any size, also those that end within a row of the product."""
    a, p, weight = inputs = made(clips, width, pairs, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outer, "ENTRIES", entries)
        patch.setattr(outer, "LEAST", 1)
        out = outer.outer_linear(*inputs, 0.0)
        ours = gradients(out, inputs)
    whole = (
        torch.einsum("bi,bk->bik", *(x.double() for x in (a, p))).flatten(1) @ weight.double().mT
    )
    torch.testing.assert_close(out.double(), whole, rtol=1e-5, atol=1e-5)
    for mine, theirs in zip(ours, gradients(whole, inputs), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


def test_each_entry_is_dropped_or_divided_by_what_is_kept():
    """Read off by a weight that is the unit matrix; of 60,000 entries .3 are dropped, within five
    standard deviations."""
    clips, width, pairs, p = 200, 3, 100, 0.3
    a, b, _ = made(clips, width, pairs, 1)
    unit = torch.eye(width * pairs, requires_grad=True)
    torch.manual_seed(1)
    out = outer.outer_linear(a, b, unit, p)
    whole = torch.einsum("bi,bk->bik", a, b).flatten(1)
    kept = out != 0
    torch.testing.assert_close(out[kept], (whole / (1 - p))[kept])
    n = kept.numel()
    assert abs(float((~kept).sum()) / n - p) < 5 * (p * (1 - p) / n) ** 0.5
    # neighbours, and the same place of two clips, are dropped independently of each other
    for first, second in ((kept[:, :-1], kept[:, 1:]), (kept[:-1], kept[1:])):
        both = float((first & second).double().mean())
        assert abs(both - (1 - p) ** 2) < 5 * (0.25 / first.numel()) ** 0.5
    expected = gradients((whole * kept / (1 - p)) @ unit.mT, [a, b, unit])
    for mine, theirs in zip(gradients(out, [a, b, unit]), expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


def test_the_same_seed_drops_the_same_for_any_portions_and_threads(monkeypatch):
    inputs, before = made(7, 3, 50, 4), torch.get_num_threads()
    found = []
    try:
        for entries, threads in ((10_000, 1), (90, 1), (90, 2)):
            monkeypatch.setattr(outer, "ENTRIES", entries)
            monkeypatch.setattr(outer, "LEAST", 1)
            torch.set_num_threads(threads)
            torch.manual_seed(5)
            out = outer.outer_linear(*inputs, 0.5)
            found.append([out, *gradients(out, inputs)])
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        for mine, theirs in zip(found[0], other, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)
