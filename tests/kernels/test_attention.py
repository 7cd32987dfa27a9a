"""Compiled attention is softmax attention with dropout on its weights: outputs and gradients agree
for all sizes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avmc_core.kernels import attention, compiled
from avmc_core.kernels.attention import attend

if compiled.kernels() is None:
    pytest.skip("no C compiler here", allow_module_level=True)


def by_definition(q, k, v, seen, heads, keep=1.0):
    """One query of one head of one clip at a time; ``keep`` (B, heads, L, S) multiplies the
    weights."""
    q, k, v = (x.unflatten(-1, (heads, -1)).double() for x in (q, k, v))
    keep = torch.as_tensor(keep).expand(len(q), heads, q.shape[1], k.shape[1])
    rows = []
    for clip, head, query in torch.cartesian_prod(*map(torch.arange, keep.shape[:3])).tolist():
        sees = int(seen.expand(len(q), -1)[clip, query])
        scores = k[clip, :sees, head] @ q[clip, query, head] / q.shape[-1] ** 0.5
        rows.append(
            (torch.softmax(scores, 0) * keep[clip, head, query, :sees]) @ v[clip, :sees, head]
        )
    out = torch.stack(rows).view(len(q), heads, q.shape[1], -1)
    return out.transpose(1, 2).flatten(2).float()


def with_gradients(function, *inputs):
    leaves = [x.clone().requires_grad_() for x in inputs]
    out = function(*leaves)
    return [
        out,
        *torch.autograd.grad(
            (out * torch.linspace(-1, 1, out[0].numel()).view(out[0].shape)).sum(), leaves
        ),
    ]


@settings(max_examples=40, deadline=None)
@given(
    clips=st.integers(1, 3),
    heads=st.integers(1, 3),
    size=st.sampled_from([1, 4, 5, 10, 13, 64]),
    queries=st.integers(1, 9),
    keys=st.integers(1, 37),
    scale=st.sampled_from([0.0, 1.0, 20.0]),
    seed=st.integers(0, 99),
)
def test_equals_its_definition(clips, heads, size, queries, keys, scale, seed):
    torch.manual_seed(seed)
    q, k, v = (scale * torch.randn(clips, n, heads * size) for n in (queries, keys, keys))
    seen = torch.randint(1, keys + 1, (1 + (clips - 1) * (seed % 2), queries))
    assert attention.compiles(q, heads)
    ours, theirs = (
        with_gradients(lambda *x, f=f: f(*x, seen, heads), q, k, v) for f in (attend, by_definition)
    )
    # In single precision a score is rounded by the size of its products, and a weight, which is the
    # exponential of a score, relatively by as much.
    q, k = (x.abs().unflatten(-1, (heads, -1)) for x in (q, k))
    products = torch.einsum("blhd,bshd->blsh", q, k).max() / size**0.5
    rounding = 2e-5 + torch.finfo(torch.float32).eps * float(products)
    for found, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=rounding * max(scale, 1) ** 2)


@pytest.mark.parametrize(
    "seen", [torch.tensor([[1, 30, 9]]), torch.tensor([[1, 30, 9], [4, 1, 33]])]
)
def test_double_precision_equals_its_definition(seen):
    """Compared with PyTorch's own kernel, which would misread a mask of another precision."""
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, steps, 6, dtype=torch.float64) for steps in (3, 33, 33))
    ours, theirs = (
        with_gradients(lambda *x, f=f: f(*x, seen, 2), q, k, v) for f in (attend, by_definition)
    )
    for found, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(found, expected.double(), rtol=1e-6, atol=1e-6)


def kept(p, clips, heads, steps, seed):
    """Which weights are kept, (B, heads, L, S) bool: with equal weights and unit vectors as values,
    each output shows them one by one."""
    torch.manual_seed(seed)
    unit, zero = torch.eye(steps).repeat(clips, 1, heads), torch.zeros(clips, steps, heads * steps)
    weights = attend(zero, zero, unit, torch.full((1, steps), steps), heads, p)
    return weights.unflatten(-1, (heads, steps)).transpose(1, 2) * (1 - p) * steps


def test_gradient_with_dropout():
    """What is dropped depends on the seed and the position only, so it can be read from the output
    and passed to the definition."""
    torch.manual_seed(0)
    keep = kept(0.3, 2, 3, 20, seed=7) / 0.7
    q, k, v = (torch.randn(2, 20, 60) for _ in range(3))
    seen = torch.arange(1, 21)[None]

    def ours(*x):
        torch.manual_seed(7)
        return attend(*x, seen, 3, 0.3)

    expected = with_gradients(lambda *x: by_definition(*x, seen, 3, keep), q, k, v)
    for found, theirs in zip(with_gradients(ours, q, k, v), expected, strict=True):
        torch.testing.assert_close(found, theirs, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_dropout_is_dropout(p):
    """Each weight is dropped independently with probability p, along keys, queries, heads and
    clips, and anew at each call."""
    found = kept(p, 4, 6, 64, seed=1).round(decimals=5)
    assert set(found.unique().tolist()) == {0.0, 1.0}
    dropped = found == 0
    deviation = (p * (1 - p) / dropped.numel()) ** 0.5
    assert float(dropped.double().mean()) == pytest.approx(p, abs=5 * deviation)
    together = (p * p * (1 - p * p) / dropped.numel()) ** 0.5
    again = kept(p, 4, 6, 64, seed=2).round() == 0
    neighbours = [dropped.roll(1, axis) for axis in range(4)] + [dropped.roll(16, 3), again]
    for other in neighbours:
        assert float((dropped & other).double().mean()) == pytest.approx(p * p, abs=6 * together)


def test_neither_threads_nor_chance_change_the_bytes():
    torch.manual_seed(3)
    q, k, v = (torch.randn(3, n, 20) for n in (50, 70, 70))
    results = []
    for threads in (1, 2, 1):
        torch.set_num_threads(threads)
        torch.manual_seed(4)
        results.append(
            with_gradients(lambda *x: attend(*x, torch.full((1, 50), 70), 2, 0.2), q, k, v)
        )
    for first, *others in zip(*results, strict=True):
        assert all(torch.equal(first, other) for other in others)


def test_without_the_compiled_code(monkeypatch):
    torch.manual_seed(5)
    q, k, v = (torch.randn(2, n, 20) for n in (6, 9, 9))
    seen = torch.randint(1, 10, (2, 6))
    expected = attend(q, k, v, seen, 2)
    monkeypatch.setattr(compiled, "kernels", lambda: None)
    torch.testing.assert_close(attend(q, k, v, seen, 2), expected, rtol=1e-5, atol=1e-6)
    assert (attend(q, k, v, seen, 2, 0.5) != expected).any()
