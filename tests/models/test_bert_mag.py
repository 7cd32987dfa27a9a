"""Bert_MAG as a whole on a tiny BERT; the golden files cover its gate only."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from bert_cases import SIZES, clips, make, tiny_bert
from torch import nn
from transformers import BertConfig, BertModel

from avmc_core.batch import Batch
from avmc_core.models import bert_mag
from avmc_core.models.base import Sizes


@pytest.fixture
def mag() -> bert_mag.BertMAG:
    torch.manual_seed(0)
    model = make("Bert_MAG", tiny_bert())
    for linear in (m for m in model.gate.modules() if isinstance(m, nn.Linear)):
        # the published start, .02, hardly opens the gate at this width
        nn.init.normal_(linear.weight)
    return model.eval()


def test_bert_mag_shapes_and_gradients(mag):
    batch = clips()
    assert mag(batch)["M"].shape == (12,)
    mag.loss(batch, "train")["total"].backward()
    dead = {
        n
        for n, p in mag.named_parameters()
        if p.grad is None or not p.grad.isfinite().all() or p.grad.abs().sum() == 0
    }
    assert dead == set()


def test_bert_mag_ignores_what_masked_tokens_are(mag):
    batch = clips()
    ids, mask, segments = batch.tokens.unbind(1)
    other = replace(batch, tokens=torch.stack([torch.where(mask == 1, ids, 7), mask, segments], 1))
    torch.testing.assert_close(mag(other)["M"], mag(batch)["M"], rtol=0, atol=0)


def test_bert_mag_predicts_each_clip_by_itself(mag):
    """The other clips of a batch, and with them the padding of its text, change nothing."""
    batch = clips()
    alone = [
        mag(Batch(**{n: t[row : row + 1] for n, t in vars(batch).items()}))["M"]
        for row in range(len(batch))
    ]
    torch.testing.assert_close(torch.cat(alone), mag(batch)["M"], rtol=1e-5, atol=1e-5)


def test_bert_mag_with_a_closed_gate_is_plain_bert(mag):
    batch = clips()
    for gate in (mag.gate.gate_audio, mag.gate.gate_vision):
        nn.init.zeros_(gate.weight)
        nn.init.constant_(gate.bias, -1.0)
    opened = mag(batch)["M"]
    mag.gate.norm = nn.Identity()  # the gate's own norm stays when it is closed
    ids, mask, segments = batch.tokens.unbind(1)
    pooled = mag.encoder(input_ids=ids, attention_mask=mask, token_type_ids=segments).pooler_output
    plain = mag.regress(pooled).squeeze(-1)
    torch.testing.assert_close(mag(batch)["M"], plain, rtol=1e-5, atol=1e-5)
    # BERT's embeddings are normed already, eps apart
    torch.testing.assert_close(opened, plain, rtol=1e-3, atol=1e-4)


def test_bert_mag_shift_is_at_most_as_long_as_the_embedding(mag):
    """The alpha of the gate: the shift of a token is at most beta_shift times as long as the
    token's embedding."""
    mag.gate.norm = nn.Identity()
    text, audio, vision = (
        10 * torch.randn(3, 4, getattr(SIZES, m)) for m in ("text", "audio", "vision")
    )
    moved = (mag.gate(text, audio, vision) - text).norm(dim=-1)
    assert (moved <= text.norm(dim=-1) * (1 + 1e-5)).all() and (moved > 0).all()


def test_bert_mag_new_maps_start_like_berts():
    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=768,
        num_hidden_layers=1,
        num_attention_heads=12,
        intermediate_size=8,
        vocab_size=9,
    )
    model = bert_mag.BertMAG(bert_mag.SETTINGS, Sizes(), BertModel(config, add_pooling_layer=False))
    for linear in (model.gate.audio, model.gate.gate_vision, model.encoder.pooler.dense):
        assert (
            linear.weight.std().item() == pytest.approx(0.02, rel=0.05)
            and linear.bias.abs().max() == 0
        )


def test_mended_bert_mag_sees_no_padding(mag):
    """D33: as run, the caps of audio and vision decide which frames belong to a token."""
    batch = clips()
    longer = replace(batch, audio=nn.functional.pad(batch.audio, (0, 0, 0, 30)))
    assert (mag(longer)["M"] - mag(batch)["M"]).abs().max() > 1e-3
    mended = bert_mag.BertMAG(replace(mag.settings, mended=("D33",)), SIZES, mag.encoder).eval()
    mended.load_state_dict(mag.state_dict())
    assert mended.inputs.audio == "frames"
    torch.testing.assert_close(mended(longer)["M"], mended(batch)["M"], rtol=1e-5, atol=1e-5)
