"""The bounds of MMIM agree with loops; its two passes, its memory, and what D27 and D38 mend."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from bert_cases import Clips, alternating, epochs, small_mmim

from avmc_core.batch import Batch
from avmc_core.models import mmim
from avmc_core.models.base import Sizes
from avmc_core.models.bert_text import outside_bert
from avmc_core.runs import training


def test_contrast_equals_a_loop():
    x, p = torch.randn(5, 3).double().numpy(), torch.randn(5, 3).double().numpy()

    def similarity(i, j):
        return x[i] @ p[j] / np.linalg.norm(x[i]) / np.linalg.norm(p[j])

    expected = np.mean(
        [
            np.log(sum(np.exp(similarity(i, j)) for j in range(5))) - similarity(i, i)
            for i in range(5)
        ]
    )
    assert mmim.contrast(torch.tensor(x), torch.tensor(p)).item() == pytest.approx(expected)


def test_entropy_equals_numpy_covariances():
    new, *old = [tuple(torch.randn(n, 3, dtype=torch.float64) for n in (6, 4)) for _ in range(3)]
    expected = 0.0
    for sign in (0, 1):
        rows = np.concatenate([new[sign], *(batch[sign] for batch in old)])
        expected += 0.25 * np.linalg.slogdet(np.cov(rows.T, bias=True))[1]
    assert mmim.entropy(new, old).item() == pytest.approx(expected)


def test_lower_bound_equals_a_loop():
    bound = mmim.LowerBound(4, 8, "ReLU")
    x, y = torch.randn(5, 4), torch.randn(5, 8)
    mean, log_variance = bound.mean(x), bound.log_variance(x)
    expected = 0.0
    for b in range(5):
        expected -= (
            sum((mean[b, d] - y[b, d]) ** 2 / (2 * log_variance[b, d].exp()) for d in range(8)) / 5
        )
    torch.testing.assert_close(bound(x, y), expected)
    labels = torch.tensor([0.2, -0.4, 0.0, 1.0, -1.0])
    positive, negative = bound.signed(y, labels)
    projected = torch.tanh(y @ bound.entropy_map.weight.T + bound.entropy_map.bias)
    torch.testing.assert_close(positive, projected[[0, 3]])
    torch.testing.assert_close(negative, projected[[1, 4]])  # label 0 is in neither


@pytest.mark.parametrize("memory", [1, 2])
def test_mmim_entropy_enters_after_the_memory_is_full(memory):
    """Batches 0 to ``memory`` have no entropy term; from then on it is computed with the latest
    ``memory`` batches; each pass starts with an empty memory."""
    model, batch = small_mmim(memory=memory), alternating()
    parts = [Batch(**{n: t[i : i + 4] for n, t in vars(batch).items()}) for i in range(0, 24, 4)]
    seen = []
    for number, part in enumerate(parts):
        model.eval()
        losses = model.loss(part, "main")
        output = model(part)
        seen.append(
            {
                m: b.signed(output[f"Feature_{m[0]}"], part.label("M"))
                for m, b in model.bounds.items()
            }
        )
        expected = 0.0
        if number > memory:
            expected = sum(
                mmim.entropy(seen[-1][m], [old[m] for old in seen[-1 - memory : -1]])
                for m in seen[-1]
            )
            assert losses["H"] != 0
        torch.testing.assert_close(losses["H"], torch.as_tensor(expected))
        total = losses["l1"] + 0.1 * losses["nce"] - 0.1 * losses["lld"] - 0.1 * losses["H"]
        torch.testing.assert_close(losses["total"], total)
    assert not any(
        rows.requires_grad for batch in model.memory for pair in batch.values() for rows in pair
    )
    model.begin_pass(model.passes(2)[1], 2)
    assert model.loss(parts[0], "main")["H"] == 0


def test_mmim_passes_train_their_own_weights():
    """The first pass changes only the bounds, the second everything else."""
    model, batch = small_mmim(), alternating()
    optimizers, order = model.optimizers(), torch.Generator().manual_seed(0)
    for single, moved in zip(model.passes(1), (True, False), strict=True):
        before = {n: p.detach().clone() for n, p in model.named_parameters()}
        training._one_pass(model, Clips(batch), single, optimizers, order, 1, "cpu")
        for name, parameter in model.named_parameters():
            if "entropy_map" not in name:
                assert torch.equal(parameter, before[name]) != (
                    name.startswith("bounds.") == moved
                ), name


@pytest.mark.parametrize("mended", [(), ("D38",)])
def test_mmim_entropy_maps_are_trained_only_when_mended(mended):
    """D38: as run, they keep their initial values."""
    model = small_mmim(mended=mended)
    before = {n: p.detach().clone() for n, p in model.named_parameters() if "entropy_map" in n}
    list(epochs(model, alternating(), 2))
    for name, start in before.items():
        assert torch.equal(model.get_parameter(name), start) == (not mended), name


def test_mmim_redraws_its_weights_until_mended():
    """D27: Xavier normal for all matrices outside BERT, those of the LSTMs included; biases are
    left unchanged."""
    torch.manual_seed(0)
    redrawn = mmim.MMIM(mmim.MMIMSettings(text="frozen"), Sizes())
    for name, weight in outside_bert(redrawn).items():
        if weight.numel() > 2000:
            assert weight.std().item() == pytest.approx((2 / sum(weight.shape)) ** 0.5, rel=0.1), (
                name
            )
    torch.manual_seed(0)
    kept = mmim.MMIM(mmim.MMIMSettings(text="frozen", mended=("D27",)), Sizes())
    assert kept.audio_encoder.rnn.weight_ih_l0.abs().max() <= 0.25  # 1 / sqrt(16)
    assert redrawn.audio_encoder.rnn.weight_ih_l0.abs().max() > 0.25
