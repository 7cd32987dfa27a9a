"""Our dropout drops each entry independently with the stated probability."""

from __future__ import annotations

import pytest
import torch

from avmc_core.kernels.dropout import Dropout, dropout


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.7])
def test_share_scale_and_gradient(p):
    torch.manual_seed(0)
    x = torch.rand(400, 501).add(1).requires_grad_()
    y = dropout(x, p, training=True)
    dropped = y == 0
    assert float(dropped.double().mean()) == pytest.approx(p, abs=5e-3)  # 5 standard deviations
    assert float(dropped[:, 1:].logical_and(dropped[:, :-1]).double().mean()) == pytest.approx(
        p * p, abs=5e-3
    )
    torch.testing.assert_close(y, torch.where(dropped, 0.0, x / (1 - p)))
    y.sum().backward()
    torch.testing.assert_close(x.grad, torch.where(dropped, 0.0, 1 / (1 - p)))


def test_off_in_evaluation_and_without_probability():
    x = torch.ones(5)
    assert Dropout(0.9).eval()(x) is x and dropout(x, 0.0, True) is x


def test_follows_the_seed():
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(dropout(torch.ones(1001), 0.5, True))
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
