"""wav2vec 2.0 features of a network with random weights: the mean of its layers, or all of them for
a model that learns their weights; and one error for whatever is missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from extra_features import with_random_wav2vec
from transformers import Wav2Vec2Config, Wav2Vec2Model

from avmc_core.clips import wav2vec
from avmc_core.data.batches import SplitData
from avmc_core.data.splits import SplitProtocol
from avmc_core.errors import InputError
from avmc_core.files.sealed import read_sealed
from avmc_core.models.layered_lstm import LayeredLSTM
from avmc_core.models.registry import settings_of
from avmc_core.models.unimodal_lstm import UnimodalLSTM
from avmc_core.runs.computing import run_one
from avmc_core.runs.execution import StoreData, sizes_of
from avmc_core.runs.experiments import EXPERIMENTS
from avmc_core.runs.store import WEIGHTS, RunStore

SIZES = {
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The published strides (20 ms); everything else is tiny."""
    path = tmp_path_factory.mktemp("wav2vec")
    torch.manual_seed(0)
    tiny = Wav2Vec2Config(
        **SIZES, conv_dim=(8,) * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4
    )
    Wav2Vec2Model(tiny).save_pretrained(path)
    return path


def test_features_are_the_mean_of_all_layers_of_the_standardised_signal(folder):
    signal = np.random.default_rng(0).normal(0.1, 0.2, 16000).astype(np.float32)
    network = Wav2Vec2Model.from_pretrained(folder).eval()
    with torch.no_grad():
        ready = torch.from_numpy((signal - signal.mean()) / np.sqrt(signal.var() + 1e-7))[None]
        layers = network(ready, output_hidden_states=True).hidden_states
    found = wav2vec.hidden_states(signal, folder)
    assert found.shape == (49, 12) and found.dtype == np.float32 and len(layers) == 3
    np.testing.assert_allclose(found, sum(layers)[0] / 3, atol=1e-5)


def test_long_sound_is_cut_where_the_other_acoustic_features_are(folder):
    noise = np.random.default_rng(0).normal(size=12 * 16000).astype(np.float32)
    assert len(wav2vec.hidden_states(noise, folder)) == wav2vec.shape(folder)[0] == 462  # 9.25 s
    np.testing.assert_array_equal(
        wav2vec.hidden_states(noise, folder), wav2vec.hidden_states(noise[:148000], folder)
    )
    with pytest.raises(InputError, match="enough for a step"):
        wav2vec.hidden_states(noise[:100], folder)


def test_what_is_missing_is_one_error(folder, tmp_path):
    with pytest.raises(
        InputError, match=r"no config\.json; expected a folder with config.json and the weights"
    ):
        wav2vec.load(tmp_path)
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    with pytest.raises(InputError, match="downloaded beforehand"):
        wav2vec.load(str(tmp_path))


def test_the_manifest_says_what_made_the_features(folder):
    assert "plain mean of 3 hidden states, weights " in wav2vec.version(folder)
    assert "means over 0.1 s of each of 3 hidden states, weights " in wav2vec.version(
        folder, every_layer=True
    )


def test_all_layers_are_kept_in_means_of_five_steps(folder):
    """The mean over the kept layers is the mean over five steps of the features of the other
    kind."""
    signal = np.random.default_rng(1).normal(0, 0.2, 16000).astype(np.float32)
    plain = wav2vec.hidden_states(signal, folder)
    whole = wav2vec.hidden_states(signal, folder, every_layer=True)
    assert (
        whole.shape == (10, 36)
        and whole.dtype == np.float32
        and wav2vec.shape(folder, every_layer=True) == (93, 36)
    )
    means = [plain[start : start + 5].mean(axis=0) for start in range(0, 49, 5)]
    np.testing.assert_allclose(whole.reshape(10, 3, 12).mean(axis=1), means, atol=1e-5)
    with torch.no_grad():
        ready = torch.from_numpy((signal - signal.mean()) / np.sqrt(signal.var() + 1e-7))[None]
        states = (
            Wav2Vec2Model.from_pretrained(folder)
            .eval()(ready, output_hidden_states=True)
            .hidden_states
        )
    # the last step, the last layer
    np.testing.assert_allclose(whole[9, 24:], states[2][0, 45:].mean(dim=0), atol=1e-5)


LAYERS, WIDTH = 3, 4


@pytest.fixture(scope="module")
def layered(tiny_store, tmp_path_factory):
    """The tiny store with random states of three layers beside it."""
    source = {"extraction": {"approximation": "", "wav2vec_layers": LAYERS}}
    return with_random_wav2vec(
        tiny_store, tmp_path_factory.mktemp("layered") / "store", LAYERS * WIDTH, source
    )


def built(store):
    """The model and a batch for it."""
    torch.manual_seed(0)
    seen = SplitProtocol(audio=wav2vec.NAME).of(store, 1)
    model = LayeredLSTM(
        settings_of("Layered LSTM", {"task": "A", "layers": LAYERS}), sizes_of(seen)
    ).eval()
    return model, SplitData(seen.split("train"), model.inputs).batch(torch.arange(8))


def test_untrained_weights_are_the_plain_mean_of_the_layers(layered):
    model, batch = built(layered)
    settings = settings_of("Unimodal LSTM", {"modality": "audio", "task": "A"})
    plain = UnimodalLSTM(settings, replace(sizes_of(layered), audio=WIDTH))
    plain.load_state_dict(
        {name: tensor for name, tensor in model.state_dict().items() if name != "layers"}
    )
    parts = batch.audio.split(WIDTH, dim=-1)
    mean = replace(batch, audio=sum(parts) / LAYERS)
    torch.testing.assert_close(model(batch)["A"], plain.eval()(mean)["A"])
    with torch.no_grad():
        model.layers.copy_(torch.tensor([0.0, 50.0, 0.0]))  # the second layer alone
    torch.testing.assert_close(model(batch)["A"], plain(replace(batch, audio=parts[1]))["A"])


def test_gradients_reach_the_layers_weights(layered):
    model, batch = built(layered)
    model.loss(batch, "train")["total"].backward()
    assert (model.layers.grad != 0).all() and float(model.layers.grad.sum()) == pytest.approx(
        0, abs=1e-6
    )


def test_table_3_learns_the_weights_where_a_store_has_the_layers(layered, tiny_store, tmp_path):
    runs = [run for run in EXPERIMENTS["table3"].runs("ci", (1,), layered) if "wav2vec" in run.name]
    assert [(run.model, dict(run.changes)["layers"]) for run in runs] == [
        ("Layered LSTM", LAYERS)
    ] * 2
    assert len(EXPERIMENTS["table3"].runs("ci", (1,), tiny_store)) == 6
    run = replace(runs[0], changes=(*runs[0].changes, ("training.max_epochs", 2)))
    record = run_one(run, StoreData(layered), RunStore(tmp_path))
    assert record.status == "done" and record.epochs == 2, record.reason
    learnt = read_sealed(record.folder / WEIGHTS)[0]["layers"]
    assert learnt.shape == (LAYERS,) and np.abs(learnt).min() > 0


def test_features_that_hold_other_layers_are_refused(layered):
    sizes = sizes_of(SplitProtocol(audio=wav2vec.NAME).of(layered, 1))
    with pytest.raises(InputError, match="12 acoustic columns; expected a multiple of 5"):
        LayeredLSTM(settings_of("Layered LSTM", {"layers": 5}), sizes)
    for change, words in (
        ({"modality": "text"}, "expected one of audio"),
        ({"layers": 0}, "1 or more"),
    ):
        with pytest.raises(InputError, match=words):
            settings_of("Layered LSTM", change)
