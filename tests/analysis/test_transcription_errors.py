"""Simulated recognition errors have the requested rate, and at rate 0 nothing changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from avmc_core.analysis.transcription_errors import (
    KINDS,
    corrupted,
    encoder_of,
    encoding_gap,
    spoken,
    transcribed,
    with_text,
)
from avmc_core.errors import InputError
from avmc_core.simulated.corpus import ensure_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return ensure_corpus("tiny", tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def encoder(corpus):
    return encoder_of(corpus)


def edit_distance(a: str, b: str) -> int:
    """Levenshtein's distance by the textbook recursion, row by row."""
    row = list(range(len(b) + 1))
    for i, char in enumerate(a, start=1):
        before, row[0] = row[0], i
        for j, other in enumerate(b, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (char != other))
    return row[-1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [0.05, 0.2, 0.4])
def test_the_realised_error_rate_is_the_asked_one(kind, rate):
    """The 30 characters of a sentence are distinct, so that the edit distance cannot be smaller
    than the number of errors."""
    rng = np.random.default_rng(7)
    sentences = [
        "".join(map(chr, 0x4E00 + rng.choice(20_000, 30, replace=False))) + "，。"
        for _ in range(100)
    ]
    heard = "".join(map(chr, range(0x3400, 0x3400 + 500)))
    said = [corrupted(text, kind, rate, heard, rng) for text in sentences]
    errors = sum(edit_distance(spoken(a), spoken(b)) for a, b in zip(sentences, said, strict=True))
    n = 30 * len(sentences)
    assert abs(errors / n - rate) < 3 * np.sqrt(rate * (1 - rate) / n)
    assert all(text.endswith("，。") or kind == "insertion" for text in said)


def test_a_substitute_is_another_character():
    said = corrupted("好" * 200, "substitution", 1.0, "好坏", np.random.default_rng(0))
    assert said == "坏" * 200


@pytest.mark.parametrize("kind", KINDS)
def test_errors_of_a_lower_rate_are_among_those_of_a_higher_one(kind):
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 60)))
    heard = "".join(map(chr, range(0x3400, 0x3400 + 9)))
    few, many = (
        corrupted(text, kind, rate, heard, np.random.default_rng(3)) for rate in (0.2, 0.6)
    )
    if kind == "insertion":
        assert len(text) < len(few) < len(many) and edit_distance(few, many) == len(many) - len(few)
    else:
        assert set(text) & set(many) < set(text) & set(few) < set(text)


@pytest.mark.parametrize("kind", KINDS)
def test_rate_0_gives_the_split_back(corpus, encoder, kind):
    """Words, tokens and states are the same: the features of the corpus are what its own encoder
    makes of its transcripts."""
    test = corpus.split("test")
    same = transcribed(test, kind, 0.0, corpus, encoder)
    assert same.clips.equals(test.clips)
    np.testing.assert_array_equal(same.tokens, test.tokens)
    for row in range(len(test)):
        np.testing.assert_allclose(same.text[row], test.text[row], atol=1e-5)
    assert encoding_gap(test, encoder) < 1e-5


def test_errors_change_the_words_alone_and_the_same_way_each_time(corpus, encoder):
    test = corpus.split("test")
    noisy, again = (transcribed(test, "deletion", 0.3, corpus, encoder, seed=2) for _ in range(2))
    assert noisy.clips["text"].equals(again.clips["text"]) and not noisy.clips["text"].equals(
        test.clips["text"]
    )
    assert noisy.audio is test.audio and noisy.vision is test.vision and noisy.labels is test.labels
    np.testing.assert_array_equal(
        noisy.text.lengths, [len(text) + 2 for text in noisy.clips["text"]]
    )
    assert encoding_gap(noisy, encoder) < 1e-5


def test_a_sentence_of_which_nothing_was_heard_can_be_encoded(corpus, encoder):
    silent = with_text(corpus.split("test"), [""] * 16, encoder)
    assert set(silent.text.lengths) == {2}  # [CLS] and [SEP]


def test_transcripts_of_another_length_are_no_match(corpus, encoder):
    test = corpus.split("test")
    assert encoding_gap(replace(test, clips=test.clips.assign(text="好")), encoder) == float("inf")


def test_what_cannot_be_is_one_clear_error():
    rng = np.random.default_rng(0)
    for kind, rate, heard in (
        ("mumbling", 0.1, "好坏"),
        ("deletion", 1.5, "好坏"),
        ("deletion", 0.1, "好好"),
    ):
        with pytest.raises(InputError, match="transcription errors"):
            corrupted("好", kind, rate, heard, rng)
