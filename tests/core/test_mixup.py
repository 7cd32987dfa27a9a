"""Modality mixup: Equations 1 to 4 and their limits."""

from __future__ import annotations

import numpy as np
import scipy.stats
import torch

from avmc_core.mixup import Draw, MixupSettings, draw


def test_lambda_one_is_the_identity_and_zero_the_partner():
    x, partner = torch.randn(6, 3), torch.randperm(6)
    assert torch.equal(Draw(partner, torch.ones(1)).mix(x), x)
    assert torch.equal(Draw(partner, torch.zeros(1)).mix(x), x[partner])


def test_equals_a_loop_over_clips():
    x, labels = torch.randn(5, 4, 2), torch.randn(5)
    for weight in (torch.tensor([0.3]), torch.rand(5)):
        one = Draw(torch.tensor([4, 2, 0, 1, 3]), weight)
        lam = weight.expand(5)
        for i, j in enumerate(one.partner):
            torch.testing.assert_close(one.mix(x)[i], lam[i] * x[i] + (1 - lam[i]) * x[j])
            torch.testing.assert_close(
                one.mix(labels)[i], lam[i] * labels[i] + (1 - lam[i]) * labels[j]
            )


def test_draws_a_permutation_and_beta_weights():
    """D07: lambda follows Beta(a, b) (Kolmogorov-Smirnov), one for the batch unless asked; every
    clip is partner exactly once."""
    torch.manual_seed(1)
    settings = MixupSettings(alpha=0.4, beta=2.0, per_clip=True)
    one = draw(2000, settings)
    assert sorted(one.partner.tolist()) == list(range(2000))
    assert scipy.stats.kstest(one.lam.numpy(), scipy.stats.beta(0.4, 2.0).cdf).pvalue > 0.01
    assert draw(7, MixupSettings()).lam.shape == (1,)


def test_mixing_preserves_the_mean_with_one_lambda():
    """A permutation with a single weight preserves the mean of the batch."""
    x = torch.randn(50, 3, dtype=torch.float64)
    np.testing.assert_allclose(draw(50, MixupSettings()).mix(x).mean(0), x.mean(0))
