"""What Bert_MAG, MISA, MMIM and Self_MM have in common: sizes, settings, frozen or fine-tuned text,
and training."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from bert_cases import (
    MODELS,
    WITH_STATES,
    Clips,
    alternating,
    clips,
    epochs,
    make,
    misa_batch,
    short,
    small_mmim,
    tiny_bert,
)
from transformers import BertConfig, BertModel

from avmc_core.errors import InputError
from avmc_core.models import bert_mag
from avmc_core.models.base import Sizes
from avmc_core.runs import training


@pytest.mark.parametrize(
    ("name", "expected"), [("MISA", 1_774_589 - 3_332), ("MMIM", 304_329), ("Self_MM", 245_748)]
)
def test_parameters_at_the_dataset_sizes(name, expected):
    """Equal to the reference's, without BERT. MISA's layer norm of text (2 x 1536) and
    discriminator (64 x 4 + 4) are in none of its losses and not built here."""
    model, settings = MODELS[name]
    assert settings.text == "finetune", "as the reference"
    assert (
        sum(p.numel() for p in model(replace(settings, text="frozen"), Sizes()).parameters())
        == expected
    )


def test_parameters_of_bert_mag():
    width = Sizes().text
    config = BertConfig(
        hidden_size=width,
        num_hidden_layers=1,
        num_attention_heads=12,
        intermediate_size=8,
        vocab_size=9,
    )
    model = bert_mag.BertMAG(bert_mag.SETTINGS, Sizes(), BertModel(config))
    counts = {
        name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()
    }
    assert counts["gate"] == 1_494_528 and counts["regress"] == 769


@pytest.mark.parametrize("name", MODELS)
def test_unknown_differences_and_missing_encoders_are_errors(name):
    with pytest.raises(InputError, match="mended"):
        replace(MODELS[name][1], mended=("D22",))
    with pytest.raises(InputError, match="encoder"):
        make(name, text="finetune")
    with pytest.raises(InputError, match="hidden size 24"):
        MODELS[name][0](replace(MODELS[name][1], text="finetune"), Sizes(), tiny_bert())
    with pytest.raises(InputError, match="'finetune'"):
        make(name, text="finetuned")


@pytest.mark.parametrize("name", WITH_STATES)
def test_fine_tuned_bert_starts_as_frozen_states(name):
    """The encoder's own states, used as frozen text, give the same prediction, and fine-tuning
    reaches every weight of the encoder that affects them."""
    torch.manual_seed(0)
    bert, batch = tiny_bert(pooler=False), clips()
    tuned = make(name, bert, text="finetune").eval()
    frozen = make(name).eval()
    frozen.load_state_dict(
        {n: t for n, t in tuned.state_dict().items() if not n.startswith("text.")}
    )
    assert tuned.inputs.text == "cls"
    ids, mask, segments = batch.tokens.unbind(1)
    states = bert(input_ids=ids, attention_mask=mask, token_type_ids=segments).last_hidden_state
    given = replace(batch, text=states if frozen.inputs.text == "states" else states[:, 0])
    torch.testing.assert_close(tuned(batch)["M"], frozen(given)["M"], rtol=1e-5, atol=1e-5)
    tuned.loss(batch, "main")["total"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in bert.parameters())


@pytest.mark.parametrize("name", MODELS)
def test_training_lowers_the_error_and_moves_every_weight(name):
    """Several epochs of the real trainer; only the entropy maps of MMIM do not move (D38)."""
    torch.manual_seed(0)
    encoder = tiny_bert(pooler=False) if name == "Bert_MAG" else None
    model = (
        small_mmim()
        if name == "MMIM"
        else make(name, encoder, training=short(name, drop_partial_group=False), lr=1e-2)
    )
    batch = alternating() if name == "MMIM" else misa_batch() if name == "MISA" else clips()
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    first = training.validation_loss(model, Clips(batch), model.training_settings)
    list(epochs(model, batch, 8))
    assert training.validation_loss(model, Clips(batch), model.training_settings) < first
    still = {n for n, p in model.named_parameters() if torch.equal(p, before[n])}
    assert still == {n for n in before if "entropy_map" in n}


@pytest.mark.parametrize("name", MODELS)
def test_interrupted_training_goes_on_as_if_nothing_had_happened(name, tmp_path):
    """This includes two optimisers, the memory of MMIM and the label tables of Self_MM."""
    batch = alternating() if name == "MMIM" else misa_batch() if name == "MISA" else clips()

    def fit(folder, stop=lambda progress: False):
        folder.mkdir(exist_ok=True)
        return training.train(build, lambda split, inputs: Clips(batch), 1, folder, stop=stop)

    def build():
        if name == "MMIM":
            return small_mmim(max_epochs=4)
        return make(
            name,
            tiny_bert() if name == "Bert_MAG" else None,
            training=short(name, accumulate=1, max_epochs=4),
        )

    straight, whole = fit(tmp_path / "straight")
    fit(tmp_path / "resumed", stop=lambda progress: progress.epoch == 2)
    resumed, again = fit(tmp_path / "resumed")
    assert again == whole and again.epoch == 4
    assert all(torch.equal(t, straight.state_dict()[n]) for n, t in resumed.state_dict().items())
