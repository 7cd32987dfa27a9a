"""Compiled linear layers of many rows are torch.nn.functional.linear's in values and gradients, and
the same bytes in any company and on any number of threads."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import linear

from avmc_core.kernels import frames
from avmc_core.kernels.frames import WideLinear, linear_of_frames, weight_gradient
from avmc_core.models.bert_text import widened

needed = pytest.mark.skipif(not frames.able(), reason="no compiled layers for this processor")
# rows of each seed, columns, outputs: fewer and more than a tile, a panel, a block, with remainders
SHAPES = [
    ([1], 1, 1),
    ([7, 0, 9], 3, 5),
    ([255, 513], 25, 33),
    ([300, 1, 257], 64, 128),
    ([1030], 177, 70),
]


def made(rows, columns, outputs, seed=0):
    torch.manual_seed(seed)
    x = torch.randn(sum(rows), columns)
    return x, torch.randn(len(rows), outputs, columns), torch.randn(len(rows), outputs)


def results(x, weight, bias, rows, of=linear_of_frames):
    """The values, and the gradients of all that is given."""
    inputs = [t.clone().requires_grad_() for t in (x, weight, bias) if t is not None]
    x, weight, *rest = inputs
    y = of(x, weight, rest[0] if rest else None, rows)
    y.sin().sum().backward()
    return [y.detach(), *(t.grad for t in inputs)]


def seed_by_seed(x, weight, bias, rows):
    """In double precision."""
    own = zip(x.double().split(rows), weight.double(), strict=True)
    ys = [
        linear(part, w, None if bias is None else bias[i].double())
        for i, (part, w) in enumerate(own)
    ]
    return torch.cat(ys)


@needed
@pytest.mark.parametrize(("rows", "columns", "outputs"), SHAPES)
@pytest.mark.parametrize("biased", [True, False])
def test_equals_pytorchs_in_double_precision(rows, columns, outputs, biased):
    x, weight, bias = made(rows, columns, outputs)
    bias = bias if biased else None
    exact = results(x, weight, bias, rows, seed_by_seed)
    for ours, theirs in zip(results(x, weight, bias, rows), exact, strict=True):
        torch.testing.assert_close(ours.double(), theirs.double(), rtol=1e-5, atol=1e-3)


@needed
@pytest.mark.parametrize(("rows", "columns", "outputs"), SHAPES)
def test_the_same_bytes_on_any_number_of_threads_and_in_any_company(rows, columns, outputs):
    x, weight, bias = made(rows, columns, outputs)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3, 16):
            torch.set_num_threads(threads)
            found.append(results(x, weight, bias, rows))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(map(torch.equal, other, found[0]))
    alone = [
        results(part, w, b, [len(part)], lambda x, w, b, _: linear_of_frames(x, w, b))
        for part, w, b in zip(x.split(rows), weight, bias, strict=True)
    ]
    y, d_x, d_weight, d_bias = zip(*alone, strict=True)
    joined = [torch.cat(y), torch.cat(d_x), torch.stack(d_weight), torch.stack(d_bias)]
    assert all(map(torch.equal, joined, found[0]))


@needed
def test_a_product_with_gaps_between_the_rows():
    """As the recurrence of two directions leaves them."""
    torch.manual_seed(0)
    x, d_y, rows = torch.randn(600, 2, 16), torch.randn(600, 2, 64), [250, 350]
    for d in (0, 1):
        parts = zip(x[:, d].split(rows), d_y[:, d].split(rows), strict=True)
        exact = [(g.double().t() @ own.double(), g.double().sum(0)) for own, g in parts]
        found = weight_gradient(x[:, d], d_y[:, d], rows, True)
        for ours, theirs in zip(found, map(torch.stack, zip(*exact, strict=True)), strict=True):
            torch.testing.assert_close(ours.double(), theirs, rtol=1e-5, atol=1e-3)


def test_what_is_not_finite_stays_where_it_belongs():
    x, weight, bias = made([40, 20], 30, 50)
    x[3, 4], x[45, 0] = torch.nan, torch.inf
    y = linear_of_frames(x, weight, bias, [40, 20])
    rows = torch.arange(60)
    assert y[3].isnan().all() and y[45].isinf().all()
    assert y[(rows != 3) & (rows != 45)].isfinite().all()


@needed
def test_only_the_gradients_that_are_wanted(monkeypatch):
    called, call = [], frames.call
    monkeypatch.setattr(
        frames, "call", lambda name, *rest: called.append(name) or call(name, *rest)
    )
    x, weight, bias = made([30], 8, 8)
    linear_of_frames(x, weight.requires_grad_(), bias, [30]).sum().backward()
    linear_of_frames(x.requires_grad_(), weight.detach(), bias, [30]).sum().backward()
    assert called == ["frames_forward", "frames_gradient", "frames_forward", "frames_backward"]


def test_what_it_does_not_take_is_pytorchs(monkeypatch):
    layer, x = WideLinear(6, 5), torch.randn(2, 3, 6)
    exact = linear(x.double(), layer.weight.double(), layer.bias.double())
    assert torch.equal(layer.double()(x.double()), exact)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer.float()(x).dtype == torch.bfloat16
    monkeypatch.setattr(frames, "able", lambda *tensors: False)
    assert torch.equal(layer(x), linear(x, layer.weight, layer.bias))
    x, weight, bias = made([7, 9], 6, 5)
    exact = results(x, weight, bias, [7, 9], seed_by_seed)
    for ours, theirs in zip(results(x, weight, bias, [7, 9]), exact, strict=True):
        torch.testing.assert_close(ours.double(), theirs.double(), rtol=1e-5, atol=1e-5)


def test_only_plain_linear_layers_are_widened():
    class Own(nn.Linear):
        pass

    network = nn.Sequential(nn.Linear(2, 3), nn.Sequential(Own(3, 3), nn.Linear(3, 1)), nn.Tanh())
    plain, x = copy.deepcopy(network), torch.randn(4, 5, 2)
    before, names = network.state_dict(), [type(m).__name__ for m in widened(network).modules()]
    assert names.count("WideLinear") == 2 and "Own" in names
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    torch.testing.assert_close(network(x), plain(x))
