"""Batch norm of several sets of weights and passes over a batch, as a GPU computes it in one call:
equal to torch.nn.BatchNorm1d on each pass, one after the other."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from avmc_core.kernels import gpu
from avmc_core.kernels.dense import BatchNorm


@pytest.mark.parametrize("sets", [0, 1, 3])
@pytest.mark.parametrize("passes", [(), (2,)])
def test_all_columns_at_once(sets, passes, monkeypatch):
    """Outputs, gradients and running statistics, in training and afterwards in evaluation. Without
    sets the parameters have no axis of them, as those of a network alone."""
    monkeypatch.setattr(gpu, "on_gpu", lambda x: True)
    torch.manual_seed(sets)
    norm, axes = BatchNorm(4), (sets,) if sets else ()
    singles = [nn.BatchNorm1d(4) for _ in range(max(1, sets))]
    for number, single in enumerate(singles):
        nn.init.normal_(single.weight)
        nn.init.normal_(single.bias)
        single.running_mean += number
    for name in ("weight", "bias"):
        values = torch.stack([getattr(single, name).detach() for single in singles])
        setattr(norm, name, nn.Parameter(values.view(*axes, 4).clone()))
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        values = torch.stack([getattr(single, name) for single in singles])
        setattr(norm, name, values.view((*axes, *values.shape[1:])).clone())
    for training in (True, True, False):
        norm.train(training)
        x = (3 * torch.randn(*axes, *passes, 5, 4) + 2).requires_grad_()
        own = x.detach().clone().requires_grad_()
        groups = own.view(len(singles), -1, 5, 4)
        expected = torch.stack(
            [
                torch.stack([single.train(training)(clips) for clips in part])
                for single, part in zip(singles, groups, strict=True)
            ]
        ).view_as(x)
        found = norm(x)
        torch.testing.assert_close(found, expected)
        for values in (norm, *singles):
            values.zero_grad()
        found.sin().sum().backward()
        expected.sin().sum().backward()
        torch.testing.assert_close(x.grad, own.grad, rtol=1e-5, atol=1e-5)
        for name in ("weight", "bias"):
            wanted = torch.stack([getattr(single, name).grad for single in singles])
            torch.testing.assert_close(
                getattr(norm, name).grad, wanted.view(*axes, 4), rtol=1e-5, atol=1e-5
            )
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        wanted = torch.stack([getattr(single, name) for single in singles])
        torch.testing.assert_close(getattr(norm, name).view_as(wanted), wanted)
