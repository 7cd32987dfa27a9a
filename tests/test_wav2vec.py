"""wav2vec 2.0 features of a network with random weights: the mean of its layers, and one error for whatever is missing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2Config, Wav2Vec2Model

from avmc_core import wav2vec
from avmc_core.errors import InputError

SIZES = {"hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The published strides (20 ms), everything else tiny."""
    path = tmp_path_factory.mktemp("wav2vec")
    torch.manual_seed(0)
    tiny = Wav2Vec2Config(**SIZES, conv_dim=(8,) * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4)
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
    assert len(wav2vec.hidden_states(noise, folder)) == wav2vec.steps(folder) == 462  # 9.25 s
    np.testing.assert_array_equal(wav2vec.hidden_states(noise, folder), wav2vec.hidden_states(noise[:148000], folder))
    with pytest.raises(InputError, match="enough for a step"):
        wav2vec.hidden_states(noise[:100], folder)


def test_what_is_missing_is_one_error(folder, tmp_path):
    with pytest.raises(InputError, match=r"no config\.json; expected a folder with config.json and the weights"):
        wav2vec.load(tmp_path)
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    with pytest.raises(InputError, match="downloaded beforehand"):
        wav2vec.load(str(tmp_path))


def test_the_manifest_says_what_made_the_features(folder):
    assert "plain mean of 3 hidden states, weights " in wav2vec.version(folder)
