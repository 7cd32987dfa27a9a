"""Our LSTM equals PyTorch's packed one, outputs and gradients, whatever the lengths; padding never enters."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from avmc_core.recurrent import LSTM, last_valid, reverse_within


def packed(lstm: LSTM, x, lengths):
    """The reference: torch.nn.LSTM on the packed sequence."""
    sequence = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    outputs, (final, _) = torch.nn.LSTM.forward(lstm, sequence)
    outputs, _ = pad_packed_sequence(outputs, batch_first=True, total_length=x.shape[1])
    return outputs, final.transpose(0, 1).flatten(1)


lengths_lists = st.lists(st.integers(1, 9), min_size=1, max_size=6)


@settings(max_examples=40, deadline=None)
@given(lengths=lengths_lists, hidden=st.integers(1, 5), both=st.booleans(), seed=st.integers(0, 99))
def test_equals_packed(lengths, hidden, both, seed):
    torch.manual_seed(seed)
    lengths = torch.tensor(lengths)
    lstm = LSTM(3, hidden, bidirectional=both).double()
    x = torch.randn(len(lengths), int(lengths.max()) + seed % 3, 3, dtype=torch.float64)
    results = []
    for run in (lstm, lambda *inputs: packed(lstm, *inputs)):
        lstm.zero_grad()
        leaf = x.clone().requires_grad_()
        outputs, final = run(leaf, lengths)
        (outputs.sin().sum() + final.cos().sum()).backward()
        results.append([outputs, final, leaf.grad, *(p.grad for p in lstm.parameters())])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("both", [False, True])
def test_padding_content_does_not_matter(both):
    torch.manual_seed(0)
    lstm, lengths = LSTM(4, 3, both), torch.tensor([5, 1, 7])
    x = torch.randn(3, 7, 4)
    dirty = x.clone()
    dirty[0, 5:], dirty[1, 1:] = 1e3, -1e3
    for clean, other in zip(lstm(x, lengths), lstm(dirty, lengths), strict=True):
        torch.testing.assert_close(clean, other)


def test_reverse_within_against_a_loop():
    x, lengths = torch.arange(24.0).reshape(2, 6, 2), torch.tensor([4, 1])
    reversed_ = reverse_within(x, lengths)
    for row, length in enumerate(lengths):
        assert reversed_[row, :length].tolist() == x[row, :length].flip(0).tolist()
        assert reversed_[row, length:].tolist() == x[row, length:].tolist()
    assert torch.equal(reverse_within(reversed_, lengths), x)
    assert last_valid(x, lengths).tolist() == [x[0, 3].tolist(), x[1, 0].tolist()]
