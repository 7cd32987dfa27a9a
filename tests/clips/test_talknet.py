"""TalkNet with generated weights: it has the names, sizes and scores of the public network;
windows, stretches and boxes; unsuitable files are refused."""

from __future__ import annotations

import hashlib
import os

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from talknet_weights import made_clip, made_state

from avmc_core import schema
from avmc_core.clips import active_speaker, talknet
from avmc_core.clips.talknet_network import TalkNet
from avmc_core.errors import InputError

# What the public code's own network, with the weights of ``talknet_weights``, says of its 12
# frames.
PUBLIC = [-1.644389, -1.719787, -1.309975, -1.342960, -1.243357, -1.228659]
PUBLIC += [-1.010777, -1.280544, -1.093728, -1.174539, -1.303515, -1.109368]
NAMES_AND_SHAPES = "58dda4801bcf0594"  # SHA-256 over those of the public network


@pytest.fixture(scope="module")
def state():
    return made_state()


@pytest.fixture(scope="module")
def weights(state, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("talknet") / "made.model"
    torch.save(state, path)
    return str(path)


def test_a_checkpoint_has_the_public_networks_names_and_shapes(state):
    lines = sorted(f"{name} {tuple(tensor.shape)}" for name, tensor in state.items())
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] == NAMES_AND_SHAPES
    numbers = sum(parameter.numel() for parameter in TalkNet().model.parameters())
    assert f"{numbers / 1024**2:.2f}" == "15.01"  # as the public code prints it


def test_its_scores_are_the_public_networks(weights):
    faces, sound = made_clip(12)
    network = talknet.load(weights)
    with torch.no_grad():
        said = network(network.look(torch.from_numpy(faces)), torch.from_numpy(sound))
    np.testing.assert_allclose(said.numpy(), PUBLIC, atol=2e-5)


def test_a_window_sees_and_hears_nothing_outside_it(weights, monkeypatch):
    """Sharing computations between windows does not change the scores of any single window."""
    total = 23
    faces, sound = made_clip(total)
    network = talknet.load(weights)
    monkeypatch.setattr(active_speaker, "SECONDS", (1, 2))
    monkeypatch.setattr(active_speaker, "FPS", 10)
    monkeypatch.setattr(active_speaker, "BLOCK", 8)
    expected = np.zeros((2, total))
    with torch.no_grad():
        for row, width in enumerate((10, 20)):
            for start in range(0, total, width):
                looks = network.look(torch.from_numpy(faces[start : start + width]))
                heard = torch.from_numpy(sound[4 * start : 4 * (start + width)])
                expected[row, start : start + width] = network(looks, heard)
    mean = expected.mean(axis=0)
    smooth = [mean[max(k - 2, 0) : k + 3].mean() for k in range(total)]
    found = active_speaker.judge(network, faces, sound)
    np.testing.assert_allclose(found, smooth, atol=1e-4)
    np.testing.assert_array_equal(found, active_speaker.judge(network, faces, sound))


def test_each_frame_hears_four_steps():
    signal = np.random.default_rng(0).normal(0, 0.1, 640 * 20).astype(np.float32)
    whole = active_speaker.steps_of(signal, 20)
    assert whole.shape == (80, 13) and whole.dtype == np.float32
    np.testing.assert_array_equal(active_speaker.steps_of(signal, 15), whole[:60])
    # the sound ends early: it begins anew, here after its 79 whole steps
    longer = active_speaker.steps_of(signal, 30)
    np.testing.assert_array_equal(longer[79:118], whole[:39])


def test_in_each_frame_the_highest_score_speaks_or_nobody():
    nan = np.nan
    scores = np.array([[1.0, -1.0, nan, 0.0, -2.0], [2.0, -0.5, 0.1, nan, nan]])
    assert active_speaker.speaking(scores).tolist() == [1, -1, 1, 0, -1]
    assert active_speaker.speaking(np.full((2, 3), nan)).tolist() == [-1, -1, -1]
    flicker = np.array([[3.0, 1.0, 3.0, 3.0, nan], [2.0, 2.0, 2.0, 2.0, 2.0]])
    assert active_speaker.speaking(flicker).tolist() == [0, 1, 0, 0, 1]
    assert active_speaker.speaking(flicker, around=3).tolist() == [0, 0, 0, 1, 1]


def test_long_gaps_end_a_stretch_and_short_stretches_are_not_judged():
    found = np.zeros(100, bool)
    found[5:20] = found[29:40] = True  # lost for 9 frames: one stretch
    found[60:70] = True  # ten frames are too few
    found[88:100] = True
    assert list(active_speaker.stretches(found)) == [slice(5, 40), slice(88, 100)]


def test_a_box_goes_from_hairline_to_chin_without_jumps():
    columns = schema.columns("vision")
    track = np.full((30, len(columns)), np.nan, np.float32)
    x, y = ([columns.index(f"{axis}_{point}") for point in range(68)] for axis in "xy")
    for frame in (*range(12), *range(18, 30)):
        track[frame, x] = np.linspace(100, 140, 68) + frame
        track[frame, y] = np.linspace(60, 120, 68)
    track[8, x] += 50  # a slip of the detector
    boxes = active_speaker.boxes_of(track)
    assert boxes.shape == (30, 3) and np.isfinite(boxes).all()
    np.testing.assert_allclose(boxes[6:24, 1], 75)  # from 30, half a face above the brows, to 120
    np.testing.assert_allclose(boxes[6:24, 2], 45)
    assert np.abs(boxes[6:24, 0] - (120 + np.arange(6, 24))).max() <= 1


@pytest.mark.parametrize("form", ["safetensors", "prefixed"])
def test_a_checkpoint_may_be_written_in_other_ways(form, state, weights, tmp_path):
    if form == "safetensors":
        save_file(state, path := tmp_path / "made.safetensors")
    else:
        more = {"model.more": torch.zeros(3)}
        torch.save(
            {f"module.{name}": tensor for name, tensor in (state | more).items()},
            path := tmp_path / "made.pt",
        )
    again, first = talknet.load(str(path)).state_dict(), talknet.load(weights).state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in first.items())
    assert not any(parameter.requires_grad for parameter in talknet.load(weights).parameters())


@pytest.mark.parametrize(
    "change, words",
    [
        ({"lossAV.FC.weight": None}, "no lossAV.FC.weight; expected"),
        ({"lossAV.FC.bias": torch.zeros(3)}, r"lossAV.FC.bias of \(3,\), not \(2,\)"),
        (
            {"model.visualTCN.net.0.net.4.gamma": torch.full((1, 512, 1), torch.nan)},
            "gamma not finite",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_named(change, words, state, tmp_path):
    changed = {name: tensor for name, tensor in (state | change).items() if tensor is not None}
    torch.save(changed, tmp_path / "wrong.model")
    with pytest.raises(InputError, match=words):
        talknet.load(str(tmp_path / "wrong.model"))


def test_the_weights_of_another_model_are_one_error(tmp_path):
    torch.save({"encoder.weight": torch.zeros(2)}, tmp_path / "other.model")
    with pytest.raises(
        InputError, match=r"no model.visualFrontend.frontend3D.0.weight; .* and 484 more; expected"
    ):
        talknet.load(str(tmp_path / "other.model"))


class Spy:
    """What a hostile checkpoint could contain: a call in the place of a tensor."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("content", ["text", "empty", "list", "code", "nothing"])
def test_a_file_that_is_no_checkpoint_is_one_error_and_runs_nothing(content, tmp_path):
    path, done = tmp_path / "wrong.model", tmp_path / "done"
    if content == "text":
        path.write_text("not a checkpoint")
    elif content == "empty":
        path.write_bytes(b"")
    elif content != "nothing":
        torch.save([1, 2] if content == "list" else {"model.x": Spy(done)}, path)
    with pytest.raises(InputError, match=r"wrong.model.*expected a checkpoint of TalkNet"):
        talknet.load(str(path))
    assert not done.exists()
