"""Sentences, voices, faces and the text encoder of the embedded corpus, each on its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from saved_encoder import save_encoder
from transformers import BertModel

from avmc_core import schema
from avmc_core.simulated.face import TRAITS, neutral_face, visual
from avmc_core.simulated.sentences import (
    characters,
    expressing,
    misheard,
    neutral_sentence,
    polarity,
    sentence,
)
from avmc_core.simulated.signals import acoustic, autoregressive, egemaps_stats
from avmc_core.simulated.text_encoder import build_encoder
from avmc_core.text_encoder import encode, load_encoder

SENTENCES = [expressing(degree, np.random.default_rng(degree + 5)) for degree in range(-5, 6)]


def column(modality: str, name: str) -> int:
    return schema.columns(modality).index(name)


# Sentences


def test_equal_label_and_generator_give_an_equal_sentence():
    first, second = (sentence(0.4, np.random.default_rng(3)) for _ in range(2))
    assert first == second and first != sentence(0.4, np.random.default_rng(4))


def test_words_carry_the_label():
    """Without looseness the words express the label exactly; with it they correlate with the label;
    neutral words express nothing."""
    rng = np.random.default_rng(0)
    labels = rng.choice(schema.GRID, 2000)
    exact = [sentence(label, rng, looseness=0).degree for label in labels[:200]]
    np.testing.assert_array_equal(exact, np.rint(labels[:200] * 5))
    loose = [sentence(label, rng).degree for label in labels]
    assert 0.75 < np.corrcoef(loose, labels)[0, 1] < 0.95
    assert all(neutral_sentence(rng).degree == 0 for _ in range(20))


def test_positive_and_negative_sentences_use_different_characters():
    balance = [np.mean([polarity()[char] for char in s.text]) for s in SENTENCES]
    assert max(balance[:4]) < 0 < min(balance[-4:])


def test_sentences_are_short_chinese_with_an_english_gloss():
    rng = np.random.default_rng(0)
    for s in [sentence(label, rng) for label in rng.choice(schema.GRID, 500)]:
        assert 3 <= len(s.text) <= schema.STEPS["text"] - 2 and set(s.text) <= set(characters())
        assert s.gloss.isascii() and s.gloss[0].isupper() and s.gloss[-1] in ".!?"


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.4])
def test_misheard_characters_have_the_asked_rate(rate):
    """Measured by the edit distance per character: each error of the recogniser is one
    substitution, deletion or insertion."""
    rng = np.random.default_rng(0)
    text = "".join(s.text for s in SENTENCES) * 12

    def distance(a: str, b: str) -> int:
        row = list(range(len(b) + 1))
        for i, x in enumerate(a, 1):
            last, row[0] = row[0], i
            for j, y in enumerate(b, 1):
                last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
        return row[-1]

    assert distance(text, misheard(text, rate, rng)) / len(text) == pytest.approx(rate, abs=0.05)
    assert misheard("好", 1.0, rng) != ""


# Text encoder


def test_tokenizer_knows_every_character_and_tokens_are_as_released():
    _, lengths, tokens = encode([s.text for s in SENTENCES], build_encoder())
    ids, mask, segments = tokens[:, 0], tokens[:, 1], tokens[:, 2]
    assert tokens.shape == (11, 3, 50) and tokens.dtype == np.int64 and not segments.any()
    assert (ids != 1).all() and (ids[:, 0] == 2).all()  # no [UNK]; [CLS] first
    np.testing.assert_array_equal(lengths, [len(s.text) + 2 for s in SENTENCES])
    np.testing.assert_array_equal(mask, np.arange(50) < lengths[:, None])


def test_states_do_not_depend_on_the_other_sentences():
    texts = [s.text for s in SENTENCES]
    states, lengths, _ = encode(texts, build_encoder())
    alone, length, _ = encode(texts[4:5], build_encoder())
    start = lengths[:4].sum()
    np.testing.assert_allclose(states[start : start + length[0]], alone, atol=1e-5)
    assert states.shape == (lengths.sum(), 768)


def test_longer_sentences_are_cut():
    _, lengths, tokens = encode(["好" * 80], build_encoder())
    assert lengths[0] == 50 and tokens[0, 0, -1] == 3  # [SEP]


def test_saved_encoder_is_the_same_and_building_leaves_the_seed_alone(tmp_path):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    encoder = load_encoder(save_encoder(tmp_path / "encoder"))
    assert torch.equal(torch.rand(3), expected)
    texts = [s.text for s in SENTENCES]
    for found, wanted in zip(encode(texts, encoder), encode(texts, build_encoder()), strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert not encoder[1].training


def test_a_pretrained_pooler_comes_along_when_it_is_asked_for(tmp_path):
    """Bert_MAG reads it. For a folder without a pooler there is none, rather than one with random
    weights."""
    folder = save_encoder(tmp_path / "encoder")
    assert (
        load_encoder(folder)[1].pooler is None
        and load_encoder(folder, pooling=True)[1].pooler is None
    )
    pooled = BertModel(load_encoder(folder)[1].config, add_pooling_layer=True)
    pooled.save_pretrained(folder)
    assert load_encoder(folder)[1].pooler is None
    assert torch.equal(
        load_encoder(folder, pooling=True)[1].pooler.dense.weight, pooled.pooler.dense.weight
    )


# Voice and face


def test_autoregressive_noise_is_stationary_with_the_asked_correlation():
    x = autoregressive(np.random.default_rng(0), 4000, 30, 0.9)
    np.testing.assert_allclose(x.std(axis=0), 1, atol=0.06)  # from the first step on
    assert np.corrcoef(x[:, :-1].ravel(), x[:, 1:].ravel())[0, 1] == pytest.approx(0.9, abs=0.01)


def test_long_voices_have_the_statistics_of_real_frames():
    rng, n, steps = np.random.default_rng(0), 150, 400
    frames = acoustic(rng.standard_normal(n), rng.standard_normal((n, 25)), np.full(n, steps), rng)
    clips = frames.reshape(n, steps, 25).astype(np.float64)
    for k, (name, real) in enumerate(egemaps_stats().items()):
        x = clips[:, :, k]
        centred = x - x.mean()
        assert abs(x.mean() - real["mean"]) < 0.15 * real["sd"], name
        assert x.std() == pytest.approx(real["sd"], rel=0.2), name
        assert (centred[:, 1:] * centred[:, :-1]).mean() / x.var() == pytest.approx(
            real["ac1"], abs=0.17
        ), name
    unvoiced = clips[:, :, column("audio", "F0semitoneFrom27.5Hz_sma3nz")] == 0
    floor = clips[:, :, column("audio", "F2amplitudeLogRelF0_sma3nz")] == -201
    assert unvoiced.mean() == pytest.approx(0.323, abs=0.03)
    assert floor.any() and not (floor & ~unvoiced).any()


def test_lively_voices_are_louder_and_higher():
    lengths, traits = np.full(100, 60), np.zeros((100, 25))
    high, low = (
        acoustic(np.full(100, e), traits, lengths, np.random.default_rng(0)) for e in (2.0, -2.0)
    )
    for name in ("Loudness_sma3", "spectralFlux_sma3", "F0semitoneFrom27.5Hz_sma3nz"):
        assert high[:, column("audio", name)].mean() > low[:, column("audio", name)].mean(), name


@pytest.mark.parametrize("expressed", [-2.0, 2.0])
def test_landmarks_show_a_smile_or_a_frown(expressed):
    """Compared with the face at rest, a smile raises the corners of the mouth against its middle; a
    frown lowers them and the brows."""
    n = 200
    frames = visual(
        np.full(n, expressed), np.zeros((n, TRAITS)), np.full(n, 10), np.random.default_rng(0)
    )
    assert frames.shape == (n * 10, 177) and np.abs(frames).max() < 2
    y = frames[:, column("vision", "y_0") :][:, :68].mean(axis=0)
    rest = neutral_face()[:, 1]
    size = (y[8] - y[27]) / (rest[8] - rest[27])  # of the drawn face
    lift = ((y[51] - y[[48, 54]].mean()) / size) - (rest[51] - rest[[48, 54]].mean())
    brow = ((y[[36, 45]].mean() - y[[20, 23]].mean()) / size) - (
        rest[[36, 45]].mean() - rest[[20, 23]].mean()
    )
    assert np.sign(lift) == np.sign(expressed)
    assert expressed > 0 or brow < -0.02
    smile, frown = (frames[:, column("vision", name)].mean() for name in ("AU12_r", "AU04_r"))
    assert np.sign(smile - frown) == np.sign(expressed)


def test_signals_keep_clips_apart():
    """Each clip has its own length and position, and a single clip is possible."""
    rng = np.random.default_rng(0)
    assert acoustic(np.zeros(1), np.zeros((1, 25)), np.array([1]), rng).shape == (1, 25)
    frames = visual(np.array([2.0, -2.0]), np.zeros((2, TRAITS)), np.array([3, 50]), rng)
    smile = frames[:, column("vision", "AU12_r")]
    assert len(frames) == 53 and smile[:3].mean() > smile[3:].mean()
