"""The recurrence on the device, its frames without padding, and the arithmetic that the
documentation promises."""

from __future__ import annotations

import copy

import pytest
import torch
from device import DEVICE, here
from torch.backends import cuda, cudnn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from avmc_core.batch import on_host, with_host
from avmc_core.data.batches import Resident, SplitData
from avmc_core.kernels import gpu, launched
from avmc_core.kernels.lengths import frames_of, padded, valid_steps
from avmc_core.kernels.lstm import LSTM, fused
from avmc_core.runs.execution import deterministic

LENGTHS = [*range(1, 38), 90, 2, 90]  # more than two programs take


@pytest.fixture(autouse=True)
def as_in_a_run():
    with deterministic(1, DEVICE):
        yield


@pytest.mark.parametrize("both", [False, True], ids=["forward", "both directions"])
@pytest.mark.parametrize("hidden", here([1, 16, 25, 32, 64, 128, 177], [25, 32]))
def test_equals_pytorch_in_double_precision(hidden, both):
    """Outputs to 2e-6, gradients to 2e-5 of their largest entry, with whichever code computes on
    this machine."""
    torch.manual_seed(hidden)
    lengths = torch.tensor(LENGTHS)
    lstm, x = LSTM(7, hidden, bidirectional=both), torch.randn(len(LENGTHS), max(LENGTHS), 7)
    exact = copy.deepcopy(lstm).double()
    packed = pack_padded_sequence(x.double(), lengths, batch_first=True, enforce_sorted=False)
    outputs, (final, _) = torch.nn.LSTM.forward(exact, packed)
    expected = pad_packed_sequence(outputs, batch_first=True)[0], final.transpose(0, 1).flatten(1)
    (expected[0].sin().sum() + expected[1].cos().sum()).backward()
    lstm.to(DEVICE)
    found = lstm(x.to(DEVICE), lengths.to(DEVICE))
    (found[0].sin().sum() + found[1].cos().sum()).backward()
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.double().cpu(), theirs, rtol=0, atol=2e-6)
    for ours, theirs in zip(lstm.parameters(), exact.parameters(), strict=True):
        off = (ours.grad.double().cpu() - theirs.grad).abs().max()
        assert off <= 2e-5 * theirs.grad.abs().max()


@pytest.mark.skipif(
    DEVICE == "cpu", reason="the launch is for a GPU; make test-launch interprets it"
)
@pytest.mark.parametrize("hidden", [16, 32, 64, 128])
def test_it_is_launched(hidden):
    pytest.importorskip("triton")
    assert launched.takes(torch.zeros(1, device=DEVICE), hidden), "left to cuDNN: see the warning"


@pytest.mark.parametrize("hidden", here([16, 32, 64, 128], [16]))
def test_sets_of_weights_side_by_side_give_what_each_gives_alone(hidden):
    """Bytes are equal from the gates on; the matrix products before them are the library's."""
    if not fused(torch.zeros(1, device=DEVICE), hidden):
        pytest.skip("neither the compiled nor the launched recurrence is here")
    from avmc_core.kernels.recurrence import recurrence

    torch.manual_seed(3)
    lengths = torch.randint(1, 30, (5, 20)).to(DEVICE)
    rows = lengths.sum(1).tolist()
    gates = torch.randn(sum(rows), 2, 4, hidden).to(DEVICE)
    bias = torch.randn(5, 2, 4, hidden).to(DEVICE)
    weight = (torch.randn(5, 2, 4, hidden, hidden) / hidden**0.5).to(DEVICE)
    beside = recurrence(gates.clone(), bias, weight, lengths)
    for number, own in enumerate(gates.split(rows)):
        one = slice(number, number + 1)
        alone = recurrence(own.clone(), bias[one], weight[one], lengths[one])
        for ours, whole in zip(alone, beside, strict=True):
            assert torch.equal(ours, whole.split(rows)[number])


def test_frames_there_and_back(monkeypatch):
    """Values and gradients, also for seeds side by side, whose frames on a GPU have equally many
    rows each, zero after the last frame."""
    torch.manual_seed(0)
    for shape in ((4,), (1, 3), (3, 2)):
        lengths = torch.randint(1, 6, shape)
        rows = lengths.view(-1, shape[-1]).sum(1).tolist()
        x, weights = torch.randn(*shape, 6, 3), torch.randn(sum(rows), 3)
        results = []
        # as on a GPU, whatever the device is
        for device, there in (("cpu", False), (DEVICE, True)):
            monkeypatch.setattr(gpu, "on_gpu", lambda x, there=there: there)
            leaf = x.clone().to(device).requires_grad_()
            own = with_host(lengths.to(device), lengths)
            found = frames_of(leaf, own)
            frames = found
            if found.dim() == 3:
                assert found.shape[1] == max(rows)
                frames = torch.cat([part[:n] for part, n in zip(found, rows, strict=True)])
                assert all(part[n:].eq(0).all() for part, n in zip(found, rows, strict=True))
            loss = (frames * weights.to(device)).sum()
            (loss + found.sum() - frames.sum()).backward()  # of the idle rows, too
            results.append((frames, leaf.grad))
            if len(shape) == 1:
                again = padded(frames, own, 7)
                assert torch.equal(frames_of(again, own), frames) and again[:, 6:].eq(0).all()
                assert torch.equal(again[:, :6], leaf * valid_steps(own, 6)[..., None])
        for expected, there in zip(*results, strict=True):
            torch.testing.assert_close(there.cpu(), expected)


def test_resident_clips_make_the_same_batches(tiny_store):
    data = SplitData(tiny_store.split("train"))
    rows = torch.tensor([3, 0, 7])
    here, there = data.batch(rows), Resident(data, DEVICE).batch(rows)
    for name, value in vars(here).items():
        assert torch.equal(getattr(there, name).cpu().nan_to_num(9), value.nan_to_num(9)), name
        if name.endswith("_lengths"):
            assert on_host(getattr(there, name)).device.type == "cpu"


def test_products_are_not_rounded_unless_asked(monkeypatch):
    before = cudnn.allow_tf32, cuda.matmul.allow_tf32
    for asked in ("0", "1"):
        monkeypatch.setenv("AVMC_TF32", asked)
        with deterministic(1, "cuda"):
            assert cudnn.allow_tf32 == cuda.matmul.allow_tf32 == (asked == "1")
            assert cuda.math_sdp_enabled() and not cuda.mem_efficient_sdp_enabled()
        assert (cudnn.allow_tf32, cuda.matmul.allow_tf32) == before
