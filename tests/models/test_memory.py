"""The hand-written gradient of the gated memory equals autograd through a loop over the steps."""

from __future__ import annotations

import torch

from avmc_core.models.gated_memory import GatedMemory, Layer


def stepwise(gated, g, candidates, lengths):
    """The recursion as the equation states it, one clip and one step at a time."""
    finals = []
    for clip, length in enumerate(lengths.tolist()):
        u = torch.zeros(1, candidates.shape[-1], dtype=g.dtype)
        for step in range(length):
            both = torch.cat([g[clip, step][None], u], -1)
            keep, write = (torch.sigmoid(gate(both)) for gate in (gated.keep, gated.write))
            u = keep * u + write * candidates[clip, step]
        finals.append(u)
    return torch.cat(finals)


def test_equals_a_loop():
    torch.manual_seed(0)
    gated = GatedMemory(4, 6, Layer(3, 0.5), Layer(5, 0.2)).double().eval()
    lengths = torch.tensor([7, 1, 4])
    inputs = [torch.randn(3, 7, size, dtype=torch.float64, requires_grad=True) for size in (4, 6)]
    found = []
    for function in (gated, lambda *x: stepwise(gated, *x)):
        out = function(*inputs, lengths)
        found.append([out, *torch.autograd.grad(out.sin().sum(), [*inputs, *gated.parameters()])])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_dropout_is_part_of_the_gradient():
    """For a fixed draw the gradient is the slope of the function."""
    torch.manual_seed(1)
    gated = GatedMemory(4, 6, Layer(3, 0.5), Layer(5, 0.2)).double()
    inputs = [torch.randn(2, 5, size, dtype=torch.float64, requires_grad=True) for size in (4, 6)]

    def same_draw(*x):
        torch.manual_seed(2)
        return gated(*x, torch.tensor([5, 3]))

    assert torch.autograd.gradcheck(same_draw, inputs)
    first = same_draw(*inputs)
    assert (gated(*inputs, torch.tensor([5, 3])) != first).any()
