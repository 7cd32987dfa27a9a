"""Products by oneDNN are torch.nn.Linear's, in values, gradients and what they leave alone."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from avmc_core.kernels import products
from avmc_core.kernels.products import WideLinear, widened

needed = pytest.mark.skipif(products._onednn() is None, reason="PyTorch without oneDNN here")


def results(layer, x):
    x = x.clone().requires_grad_()
    y = layer(x)
    y.sin().sum().backward()
    return [y, x.grad, *(p.grad for p in layer.parameters())]


@needed
@pytest.mark.parametrize("shape", [(40, 60), (5, 8, 60), (1, 1, 60)])
@pytest.mark.parametrize("bias", [True, False])
def test_equals_the_layer_in_double_precision(shape, bias, monkeypatch):
    monkeypatch.setattr(products, "LEAST", 0)
    torch.manual_seed(0)
    layer, x = nn.Linear(60, 70, bias=bias), torch.randn(shape)
    exact = results(copy.deepcopy(layer).double(), x.double())
    assert products._takes(x, layer.weight)
    for ours, theirs in zip(results(widened(layer), x), exact, strict=True):
        torch.testing.assert_close(ours.double(), theirs, rtol=1e-5, atol=1e-5)


@needed
def test_a_weight_that_is_a_part_of_another(monkeypatch):
    """Neither of its axes is contiguous then; oneDNN alone would be a thousand times slower."""
    whole, x = torch.randn(30, 80), torch.randn(20, 25)
    torch.testing.assert_close(products._of(x, whole[:, 10:60:2]), x @ whole[:, 10:60:2].t())


def test_what_it_does_not_take_is_pytorchs():
    layer, x = WideLinear(6, 5), torch.randn(3, 6)
    assert not products._takes(x, layer.weight), "too small"
    assert torch.equal(layer(x), nn.functional.linear(x, layer.weight, layer.bias))
    assert layer.double()(x.double()).dtype == torch.float64


def test_only_plain_linear_layers_are_widened():
    class Own(nn.Linear):
        pass

    network = nn.Sequential(nn.Linear(2, 3), nn.Sequential(Own(3, 3), nn.Linear(3, 1)), nn.Tanh())
    before, names = network.state_dict(), [type(m).__name__ for m in widened(network).modules()]
    assert names.count("WideLinear") == 2 and "Own" in names
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
