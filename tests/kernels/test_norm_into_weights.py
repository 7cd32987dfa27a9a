"""Batch norm over the frames of several seeds, its gain and shift inside an LSTM's weights, and
products that skip padding, against PyTorch's own layers."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from avmc_core.kernels.lstm import LSTM, normalised_by_set

LENGTHS = torch.tensor([[2, 1, 4], [3, 3, 3]])  # of two seeds: 7 and 9 frames


def norms():
    torch.manual_seed(3)
    own = [nn.BatchNorm1d(5, affine=False) for _ in LENGTHS]
    for norm in own:
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2.0)
    both = copy.deepcopy(own[0])
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        setattr(both, name, torch.stack([getattr(norm, name) for norm in own]))
    return own, both


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("idle", [False, True], ids=["one after the other", "idle rows"])
def test_each_seed_is_normalised_by_its_own_frames(training, idle):
    """In training the running statistics are updated, too. Rows that only fill up a seed's number,
    which are zero, must not count."""
    own, both = norms()
    frames = [3 * torch.randn(n, 5) + 1 for n in LENGTHS.sum(1).tolist()]
    for norm in (*own, both):
        norm.train(training)
    expected = [norm(x) for norm, x in zip(own, frames, strict=True)]
    x = nn.utils.rnn.pad_sequence(frames, batch_first=True) if idle else torch.cat(frames)
    found = normalised_by_set(both, x, LENGTHS)
    for place, (norm, theirs) in enumerate(zip(own, expected, strict=True)):
        ours = found[place, : len(theirs)] if idle else found.split([7, 9])[place]
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
        for name, value in norm.state_dict().items():
            torch.testing.assert_close(both.state_dict()[name][place], value)


def test_gain_and_shift_in_the_weights_are_those_of_the_frames():
    """Outputs and all gradients, those of gain and shift included."""
    torch.manual_seed(0)
    rnn, lengths = LSTM(5, 4), torch.tensor([3, 1, 2])
    frames, gain, shift = torch.randn(6, 5), torch.randn(5), torch.randn(5)
    found = []
    for inside in (True, False):
        scale = gain.clone().requires_grad_(), shift.clone().requires_grad_()
        rnn.zero_grad()
        if inside:
            outputs, final = rnn.over_frames(frames, lengths, scale)
        else:
            outputs, final = rnn.over_frames(frames * scale[0] + scale[1], lengths)
        (outputs.square().sum() + final.sum()).backward()
        gradients = [p.grad.clone() for p in (*rnn.parameters(), *scale)]
        found.append([outputs.detach(), final.detach(), *gradients])
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-5)


def test_steps_of_zeros_need_no_product():
    """One clip is nothing but zeros, one has a step of zeros between others."""
    torch.manual_seed(0)
    rnn, x = LSTM(5, 4), torch.randn(3, 4, 5)
    x[0], x[1, 1], x[2, 2:] = 0.0, 0.0, 0.0
    found = []
    for compute in (rnn.gates_of_steps, lambda x: rnn.gates(x.flatten(0, 1))):
        rnn.zero_grad()
        gates = compute(x)
        gates.square().sum().backward()
        found.append((gates.detach(), rnn.weight_ih_l0.grad.clone()))
    torch.testing.assert_close(*found)
