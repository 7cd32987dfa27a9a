"""D16: a frozen encoder that uses dropout during training. Switched off, it leaves no trace;
switched on, it affects training only."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from bert_cases import SIZES, WITH_STATES, clips, epochs, make, tiny_bert

from avmc_core.batch import Inputs
from avmc_core.errors import InputError
from avmc_core.models import avmc_networks
from avmc_core.models.avmc import SEMI, SUPERVISED
from avmc_core.models.bert_text import Text
from avmc_core.models.registry import builder, settings_of
from avmc_core.runs.execution import StoreData, network

ON = "frozen_dropout"


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return tiny_bert(pooler=False)


def test_off_is_the_stored_features_bit_for_bit(encoder):
    batch = clips()
    for text in (
        Text("frozen", "cls", SIZES.text, None),
        Text("frozen", "states", SIZES.text, encoder),
    ):
        assert text.train()(batch) is batch.text and text.eval()(batch) is batch.text


@pytest.mark.parametrize("view", ["cls", "states"])
def test_on_is_the_encoder_with_its_dropout_in_training_only(view, encoder):
    batch, text = clips(), Text(ON, view, SIZES.text, encoder)
    torch.manual_seed(5)
    one, two = text.train()(batch), text(batch)
    assert not torch.equal(one, two), (
        "each call draws again, as within one step of the released code"
    )
    torch.manual_seed(5)
    longest = int(batch.text_lengths.max())
    ids, mask, segments = batch.tokens[:, :, :longest].unbind(1)
    states = encoder(input_ids=ids, attention_mask=mask, token_type_ids=segments).last_hidden_state
    torch.testing.assert_close(one, states[:, 0] if view == "cls" else states)
    assert text.eval()(batch) is batch.text and encoder.training
    assert not one.requires_grad and not list(text.parameters()) and not text.state_dict()


def train(settings, batch, encoder=None):
    """Two epochs of the released supervised AV-MC on clips whose audio and vision are averaged."""
    torch.manual_seed(0)
    model = avmc_networks.build(settings, SIZES, encoder)
    seen = []
    model.text_encoder.register_forward_hook(
        lambda layer, given, output: seen.append(given[0].detach().clone())
    )
    list(epochs(model, batch, 2))
    return model, seen


def test_training_inputs_differ_between_epochs_and_the_encoder_stays(encoder):
    batch = clips()
    batch = replace(batch, audio=batch.audio.mean(1), vision=batch.vision.mean(1))
    before = {name: p.clone() for name, p in encoder.named_parameters()}
    plain, stored = train(SUPERVISED, batch)
    noisy, drawn = train(replace(SUPERVISED, text=ON), batch, encoder)
    # the same for all three passes of a step, or drawn for each
    assert (len(stored), len(drawn)) == (2, 2 * 3)
    assert all(torch.equal(one.sort(0).values, batch.text.sort(0).values) for one in stored)
    assert not any(
        torch.equal(a.sort(0).values, b.sort(0).values) for a in drawn[:3] for b in drawn[3:]
    )
    assert all(
        torch.equal(p, before[name]) and p.grad is None for name, p in encoder.named_parameters()
    )
    assert plain.state_dict().keys() == noisy.state_dict().keys()
    noisy.load_state_dict(plain.state_dict())
    assert torch.equal(noisy.eval()(batch)["M"], plain.eval()(batch)["M"]), (
        "evaluation reads the stored features"
    )


@pytest.mark.parametrize("name", WITH_STATES)
def test_the_baselines_that_read_frozen_text_have_the_switch(name, encoder):
    batch, model = clips(), make(name, encoder, text=ON)
    assert model.inputs.text == make(name).inputs.text
    if name == "MISA":
        batch = replace(batch, text=torch.randn(12, int(batch.text_lengths.max()), SIZES.text))
    list(epochs(model, batch))
    assert not any(n.startswith("text.") for n in model.state_dict())


@pytest.mark.parametrize("settings", [SUPERVISED, SEMI, replace(SUPERVISED, variant="paper")])
def test_a_run_gets_the_encoder_of_its_store(settings, tiny_store):
    settings = replace(settings, text=ON)
    data = StoreData(tiny_store)
    model = network(builder("AV-MC"), settings, tiny_store)()
    batch = data("train", model.inputs).batch(torch.arange(6))
    assert model.text.train()(batch).shape == (6, 768)
    assert torch.equal(
        model.text.eval()(batch), data("train", Inputs()).batch(torch.arange(6)).text
    )
    with pytest.raises(InputError, match="no encoder"):
        avmc_networks.build(settings_of("AV-MC", {"text": ON}), SIZES)
