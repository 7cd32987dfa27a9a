"""MISA's lengths (D24), losses against loops, and weight decay (D27)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from bert_cases import make, misa_batch

from avmc_core.kernels.lengths import valid_steps
from avmc_core.models import misa


@pytest.mark.parametrize("modality", ["audio", "vision"])
def test_mended_misa_reads_frames_beyond_the_text_length(modality):
    """D24: as run, it reads as many frames as the text has tokens; mended, it reads all frames of a
    clip and no padding."""
    torch.manual_seed(0)
    batch = misa_batch()
    frames, lengths = getattr(batch, modality), getattr(batch, f"{modality}_lengths")
    own, read = (valid_steps(n, frames.shape[1])[..., None] for n in (lengths, batch.text_lengths))
    beyond_text = replace(batch, **{modality: torch.where(own & ~read, frames + 3, frames)})
    padding = replace(batch, **{modality: torch.where(own, frames, 5.0)})
    affected = lengths > batch.text_lengths
    assert affected.any()
    model = make("MISA").eval()
    torch.testing.assert_close(model(beyond_text)["M"], model(batch)["M"], rtol=0, atol=0)
    mended = make("MISA", mended=("D24",)).eval()
    changed = (mended(beyond_text)["M"] - mended(batch)["M"]).abs() > 1e-6
    assert torch.equal(changed, affected)
    torch.testing.assert_close(mended(padding)["M"], mended(batch)["M"], rtol=0, atol=0)


def test_misa_reads_past_the_end_of_clips_shorter_than_their_text():
    """As run, the missing frames are zeros, also where no clip of the batch is as long as the
    longest text."""
    model = make("MISA").eval()
    batch = misa_batch()
    batch = replace(batch, audio=batch.audio * valid_steps(torch.full((12,), 2), 40)[..., None])
    cut = replace(batch, audio=batch.audio[:, :2])
    torch.testing.assert_close(model(cut)["M"], model(batch)["M"], rtol=0, atol=0)


def test_misa_ignores_states_after_the_text():
    model, batch = make("MISA").eval(), misa_batch()
    keep = valid_steps(batch.text_lengths, batch.text.shape[1])[..., None]
    other = replace(batch, text=torch.where(keep, batch.text, 9.0))
    torch.testing.assert_close(model(other)["M"], model(batch)["M"], rtol=0, atol=0)


def test_misa_weight_decay_is_ignored_until_mended():
    """D27: as run, the configured weight decay has no effect."""
    assert make("MISA").optimizers()[0].param_groups[0]["weight_decay"] == 0
    assert make("MISA", mended=("D27",)).optimizers()[0].param_groups[0]["weight_decay"] == 5e-5


def test_misa_validates_on_the_squared_error():
    model, batch = make("MISA").eval(), misa_batch()
    output = model(batch)
    errors = (output["M"] - batch.labels[:, 0]) ** 2
    torch.testing.assert_close(model.validation_loss(output, batch), errors)


def test_difference_loss_equals_a_loop():
    x, y = torch.randn(5, 3).numpy(), torch.randn(5, 3).numpy()
    u, w = ([row / (np.linalg.norm(row) + 1e-6) for row in z - z.mean(0)] for z in (x, y))
    total = 0.0
    for i in range(3):
        for j in range(3):
            total += sum(u[b][i] * w[b][j] for b in range(5)) ** 2
    assert misa.difference(torch.tensor(x), torch.tensor(y)).item() == pytest.approx(
        total / 9, rel=1e-5
    )


def test_difference_loss_takes_norms_as_constants():
    """Its gradient is that of the loss in which the norms are fixed numbers."""
    x, y = torch.randn(5, 3, requires_grad=True), torch.randn(5, 3)
    (gradient,) = torch.autograd.grad(misa.difference(x, y), x)
    norms = (x - x.mean(0)).norm(dim=1, keepdim=True).detach() + 1e-6
    centred = y - y.mean(0)
    scaled = centred / (centred.norm(dim=1, keepdim=True) + 1e-6)
    by_hand = ((((x - x.mean(0)) / norms).T @ scaled) ** 2).mean()
    torch.testing.assert_close(gradient, torch.autograd.grad(by_hand, x)[0])


def test_moment_discrepancy_equals_a_loop():
    x = torch.randn(6, 3).numpy().astype(np.float64)
    y = torch.randn(7, 3).numpy().astype(np.float64)

    def moment(z, k, feature):
        values = [row[feature] for row in z]
        mean = sum(values) / len(values)
        return mean if k == 1 else sum((v - mean) ** k for v in values) / len(values)

    expected = sum(
        np.sqrt(sum((moment(x, k, f) - moment(y, k, f)) ** 2 for f in range(3)))
        for k in range(1, 6)
    )
    assert misa.moment_discrepancy(torch.tensor(x), torch.tensor(y)).item() == pytest.approx(
        expected
    )
