"""Recombined clips carry exactly the words, voice and face of the clips that they were made
from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from avmc_core import schema
from avmc_core.analysis.recombination import crossed
from avmc_core.batch import Inputs
from avmc_core.data.batches import SplitData
from avmc_core.errors import InputError

ROWS = {"text": [3, 3, 0, 15], "audio": [7, 1, 1, 2], "vision": [5, 0, 11, 11]}


@pytest.fixture(scope="module")
def sources(tiny_store):
    return {
        "text": tiny_store.split("test"),
        "audio": tiny_store.split("valid"),
        "vision": tiny_store.split("train_mix"),
    }


@pytest.fixture(scope="module")
def made(sources):
    return crossed(*(item for name in schema.MODALITIES for item in (sources[name], ROWS[name])))


@pytest.mark.parametrize("view", ["frames", "padded", "mean", "padded_mean", "cls"])
def test_every_view_equals_that_of_the_donors_one_by_one(sources, made, view):
    batch = SplitData(made, Inputs(view, view, view)).batch(torch.arange(4))
    for name in schema.MODALITIES:
        donors = SplitData(sources[name], Inputs(view, view, view))
        for b, row in enumerate(ROWS[name]):
            one = getattr(donors.batch(torch.tensor([row])), name)[0]
            ours = getattr(batch, name)[b]
            assert torch.equal(ours[: len(one)], one) and not ours[len(one) :].any()
            assert (
                getattr(batch, f"{name}_lengths")[b]
                == sources[name].clips[f"{name}_length"].iloc[row]
            )


def test_labels_tokens_and_names_come_from_who_gave_the_modality(sources, made):
    for b in range(4):
        text, audio, vision = (
            sources[name].clips.iloc[ROWS[name][b]] for name in schema.MODALITIES
        )
        np.testing.assert_allclose(
            made.labels[b], [np.nan, text["T"], audio["A"], vision["V"]], rtol=1e-6
        )
        assert made.clips["id"][b] == f"{text['id']} + {audio['id']} + {vision['id']}"
        assert (
            made.clips["text"][b] == text["text"]
            and made.clips["vision_video"][b] == vision["video_id"]
        )
        assert made.clips["audio_id"][b] == audio["id"]
        np.testing.assert_array_equal(made.tokens[b], sources["text"].tokens[ROWS["text"][b]])
    assert not made.mask.any() and len(made) == 4


def test_made_clips_can_be_crossed_again(sources, made):
    again = crossed(made, [2], sources["audio"], [4], made, [1])
    np.testing.assert_array_equal(again.vision[0], sources["vision"].vision[ROWS["vision"][1]])
    np.testing.assert_array_equal(again.text.padded(np.array([0]))[0], sources["text"].text[0])


def test_features_are_views(sources, made):
    assert np.shares_memory(made.audio[0], sources["audio"].audio.parts[0][0])


@pytest.mark.parametrize("rows", [[-1], [12], [[1]]])
def test_rows_that_are_not_there_are_refused(sources, rows):
    with pytest.raises(InputError, match="rows of audio"):
        crossed(sources["text"], [0], sources["audio"], rows, sources["vision"], [0])


def test_different_numbers_of_rows_are_refused(sources):
    with pytest.raises(InputError, match="2 of text"):
        crossed(sources["text"], [0, 1], sources["audio"], [1], sources["vision"], [0])
