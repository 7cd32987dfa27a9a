"""Batches hold what the store holds, clip by clip, in every view."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from avmc_core.batch import Inputs
from avmc_core.data.batches import Resident, SplitData
from avmc_core.data.splits import PUBLISHED, SplitProtocol
from avmc_core.errors import InputError


def test_views_against_a_loop(tiny_store):
    split = tiny_store.split("train_mix")
    rows = torch.tensor([5, 0, len(split.mask) - 1, 2])
    frames = SplitData(split, Inputs("states", "frames", "padded")).batch(rows)
    dense = SplitData(split, Inputs("cls", "mean", "padded_mean")).batch(rows)
    for at, row in enumerate(rows.tolist()):
        text, audio, vision = split.text[row], split.audio[row], split.vision[row]
        for x, padded in ((text, frames.text), (audio, frames.audio), (vision, frames.vision)):
            np.testing.assert_array_equal(padded[at, : len(x)], x)
            assert not padded[at, len(x) :].any()
        np.testing.assert_array_equal(dense.text[at], text[0])
        np.testing.assert_allclose(dense.audio[at], audio.mean(0), rtol=1e-5, atol=1e-5)
        # D20
        np.testing.assert_allclose(
            dense.vision[at], frames.vision[at].mean(0), rtol=1e-5, atol=1e-5
        )
        assert frames.audio_lengths[at] == len(audio)
        np.testing.assert_array_equal(frames.tokens[at], split.tokens[row])
    assert frames.audio.shape[1] == int(frames.audio_lengths.max())
    assert frames.vision.shape[1] == split.vision.steps
    assert frames.mask.tolist() == [True, True, False, True]
    assert torch.isnan(frames.labels[2]).all() and not torch.isnan(frames.labels[0]).any()


@pytest.mark.parametrize(
    "views",
    [
        ("states", "frames", "padded"),
        ("cls", "mean", "padded_mean"),
        ("states", "padded", "frames"),
    ],
)
@pytest.mark.parametrize("protocol", [PUBLISHED, SplitProtocol(labelled=0.5)], ids=["all", "half"])
def test_resident_batches_are_the_same(tiny_store, views, protocol):
    """A GPU gathers its batches from the whole split; the test forces this on the CPU, which has
    the same operations."""
    store = protocol.of(tiny_store, seed=1)
    for name in ("train", "train_mix", "valid"):
        data = SplitData(store.split(name), Inputs(*views))
        resident = Resident(data, "cpu")
        assert len(resident) == len(data)
        for rows in (*data.shuffled(7, torch.Generator().manual_seed(3)), torch.tensor([2, 2, 0])):
            one, other = vars(data.batch(rows)), vars(resident.batch(rows))
            assert one.keys() == other.keys()
            for field, expected in one.items():
                assert expected.dtype == other[field].dtype
                assert torch.equal(expected.nan_to_num(9.0), other[field].nan_to_num(9.0)), field
        held = [*resident._dense.values(), *resident._frames.values(), resident._ids]
        zeros = sum(frames[-1].nbytes for frames in resident._frames.values())
        assert data.nbytes == sum(x.nbytes for x in held) - zeros


def test_an_epoch_holds_every_clip_once(tiny_store):
    data = SplitData(tiny_store.split("train"), Inputs("cls", "mean", "mean"))
    for batches in (
        data.shuffled(7, torch.Generator().manual_seed(3)),
        [b.index for b in data.in_order(7)],
    ):
        assert sorted(torch.cat(batches).tolist()) == list(range(len(data)))
        assert {len(rows) for rows in batches[:-1]} == {7}
    assert [len(rows) for rows in data.shuffled(23, torch.Generator())] == [24], (
        "batch norm needs two clips"
    )
    first, second = (
        torch.cat(data.shuffled(7, torch.Generator().manual_seed(3))).tolist() for _ in range(2)
    )
    assert first == second


def test_unknown_view_is_an_error():
    with pytest.raises(InputError, match=r"Inputs.audio: found 'fames'"):
        Inputs(audio="fames")
