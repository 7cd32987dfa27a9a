"""MulT's convolution computed as matrix products, as on a GPU, equals the convolution."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from avmc_core.models.mult import by_taps


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_the_convolution_by_taps_is_the_convolution(kernel):
    """Values and gradients in double precision, for sequences as short as the kernel."""
    torch.manual_seed(kernel)
    convolution = nn.Conv1d(7, 4, kernel, bias=False).double()
    for steps in (kernel, 9):
        x, found = torch.randn(2, steps, 7, dtype=torch.float64), []
        for compute in (lambda x: convolution(x.mT).mT, lambda x: by_taps(x, convolution.weight)):
            convolution.zero_grad()
            leaf = x.clone().requires_grad_()
            result = compute(leaf)
            result.sin().sum().backward()
            found.append((result, leaf.grad, convolution.weight.grad))
        for plain, ours in zip(*found, strict=True):
            torch.testing.assert_close(ours, plain)
