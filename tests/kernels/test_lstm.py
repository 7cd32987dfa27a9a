"""Our LSTM equals PyTorch's packed one in outputs and gradients for all lengths, and never reads
padding."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from avmc_core.kernels import compiled
from avmc_core.kernels.lengths import frames_of, padded
from avmc_core.kernels.lstm import LSTM, last_valid, reverse_within

TOLERANCE = {
    torch.float32: {"rtol": 2e-5, "atol": 2e-5},
    torch.float64: {"rtol": 1e-7, "atol": 1e-9},
}


def packed(lstm: LSTM, x, lengths):
    """The reference: torch.nn.LSTM on the packed sequence."""
    sequence = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    outputs, (final, _) = torch.nn.LSTM.forward(lstm, sequence)
    outputs, _ = pad_packed_sequence(outputs, batch_first=True, total_length=x.shape[1])
    return outputs, final.transpose(0, 1).flatten(1)


@pytest.fixture(params=["compiled", "torch"])
def kernel(request, monkeypatch):
    """Runs a test with the compiled kernel and without it."""
    if request.param == "torch":
        monkeypatch.setattr(compiled, "kernels", lambda: None)
    elif compiled.kernels() is None:
        pytest.skip("no C compiler here")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=35),
    hidden=st.sampled_from([1, 5, 8, 16, 25, 48]),
    both=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 99),
)
def test_equals_packed(kernel, lengths, hidden, both, dtype, seed):
    torch.manual_seed(seed)
    lengths = torch.tensor(lengths)
    lstm = LSTM(3, hidden, bidirectional=both).to(dtype)
    x = torch.randn(len(lengths), int(lengths.max()) + seed % 3, 3, dtype=dtype)
    results = []
    for run in (lstm, lambda *inputs: packed(lstm, *inputs)):
        lstm.zero_grad()
        leaf = x.clone().requires_grad_()
        outputs, final = run(leaf, lengths)
        (outputs.sin().sum() + final.cos().sum()).backward()
        results.append([outputs, final, leaf.grad, *(p.grad for p in lstm.parameters())])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, **TOLERANCE[dtype])


def test_cell_states_against_a_loop():
    """MFN reads the cell states of every step and sends gradients into them."""
    if compiled.kernels() is None:
        pytest.skip("no C compiler here")
    torch.manual_seed(3)
    lstm, lengths = LSTM(3, 5), torch.tensor([4, 6, 1])
    cell = torch.nn.LSTMCell(3, 5)
    cell.load_state_dict({name.removesuffix("_l0"): p for name, p in lstm.state_dict().items()})
    frames = torch.randn(11, 3)
    outputs, cells = lstm.states(lstm.gates(frames), lengths)
    (outputs.sin().sum() + cells.cos().sum()).backward()
    loss, expected = 0.0, []
    for clip in frames.split(lengths.tolist()):
        state = (torch.zeros(5), torch.zeros(5))
        for frame in clip:
            state = cell(frame, state)
            expected.append(state)
            loss = loss + state[0].sin().sum() + state[1].cos().sum()
    loss.backward()
    for ours, theirs in zip((outputs, cells), zip(*expected, strict=True), strict=True):
        torch.testing.assert_close(ours, torch.stack(theirs))
    for (_, ours), (_, theirs) in zip(
        lstm.named_parameters(), cell.named_parameters(), strict=True
    ):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-5)


def test_extreme_inputs_stay_exact(kernel):
    """Saturated gates, and products that would be denormal numbers."""
    torch.manual_seed(1)
    lstm, lengths = LSTM(2, 16, bidirectional=True), torch.tensor([40, 3, 17])
    for scale in (1e-30, 1e-4, 30.0, 1e4):
        x = scale * torch.randn(3, 40, 2)
        for ours, theirs in zip(lstm(x, lengths), packed(lstm, x, lengths), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=2e-6, atol=1e-7 if scale < 1 else 2e-6)


def test_threads_do_not_change_the_compiled_recurrence():
    """The bytes are the same for any number of threads, because clips are independent of each
    other. This holds from the gates on; the matrix product before them is PyTorch's, whose last
    bits depend on the number of threads on some CPUs."""
    if compiled.kernels() is None:
        pytest.skip("no C compiler here")
    torch.manual_seed(2)
    lstm, lengths = LSTM(4, 16, bidirectional=True), torch.randint(1, 30, (40,))
    with torch.no_grad():
        gates = lstm.gates(torch.randn(int(lengths.sum()), 4))
    results = []
    for threads in (1, 2, 3, 1):
        torch.set_num_threads(threads)
        ours = gates.clone().requires_grad_()
        outputs, cells = lstm.states(ours.clone(), lengths)
        (outputs.sin().sum(1).sum() + cells.cos().sum(1).sum()).backward()
        results.append((outputs, cells, ours.grad))
    torch.set_num_threads(1)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_threads_change_no_more_than_rounding(kernel):
    """The whole layer, with its matrix products. Sums of five and of sixteen products are off by a
    few units in the last place of numbers below 4; the gates contract, so that 30 steps do not
    enlarge this."""
    torch.manual_seed(2)
    lstm, lengths = LSTM(4, 16, bidirectional=True), torch.randint(1, 30, (40,))
    x = torch.randn(40, 30, 4)
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        results.append(lstm(x, lengths)[0])
    torch.set_num_threads(1)
    torch.testing.assert_close(*results, rtol=0, atol=2e-5)


def test_only_the_asked_gradients_and_only_once():
    """Frozen weights get no gradient, and evaluation builds no graph."""
    lstm, lengths = LSTM(4, 16), torch.tensor([3, 2])
    lstm.weight_hh_l0.requires_grad_(False)
    x = torch.randn(2, 3, 4, requires_grad=True)
    lstm(x, lengths)[1].sum().backward()
    assert (
        x.grad is not None and lstm.weight_hh_l0.grad is None and lstm.weight_ih_l0.grad is not None
    )
    with torch.no_grad():
        assert not lstm(x, lengths)[0].requires_grad


def test_builds_again_only_for_another_source(tmp_path, monkeypatch):
    """The build is kept in $AVMC_HOME; without a working compiler there is no build and no
    error."""
    monkeypatch.setenv("AVMC_HOME", str(tmp_path))
    monkeypatch.setenv("CC", "false")
    compiled.kernels.cache_clear()
    try:
        assert compiled.kernels() is None and compiled.kernels_identity() == "torch"
        monkeypatch.delenv("CC")
        monkeypatch.setenv("AVMC_CFLAGS", "-O0")  # quick
        compiled.kernels.cache_clear()
        if compiled.kernels() is None:
            pytest.skip("no C compiler here")
        (built,) = (tmp_path / "compiled").iterdir()
        before = built.stat().st_mtime_ns
        compiled.kernels.cache_clear()
        assert compiled.kernels() is not None and built.stat().st_mtime_ns == before
    finally:
        compiled.kernels.cache_clear()


@pytest.mark.parametrize("both", [False, True])
def test_padding_content_does_not_matter(both, kernel):
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


def test_frames_against_a_loop():
    x, lengths = torch.arange(24.0).reshape(2, 6, 2), torch.tensor([4, 1])
    frames = frames_of(x, lengths)
    assert frames.tolist() == [*x[0, :4].tolist(), *x[1, :1].tolist()]
    again = padded(frames, lengths, 5)
    assert (
        torch.equal(again[0, :4], x[0, :4])
        and again[0, 4:].eq(0).all()
        and again[1, 1:].eq(0).all()
    )
