"""Light-ASD: outputs equal those of the public code with the public weights, also with the shipped
half of the weights; pauses; and the choice of a face."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from avmc_core import schema
from avmc_core.clips import light_asd, who_speaks
from avmc_core.clips.light_asd_network import LightASD
from avmc_core.errors import InputError
from avmc_core.home import resource

# Inputs, and what the public code makes of them with the public weights in single precision.
GOLDEN = load_file(Path(__file__).parents[1] / "golden" / "light_asd.safetensors")
# finetuning_TalkSet.safetensors, in single precision
WEIGHTS = os.environ.get("AVMC_LIGHT_ASD", "")
RUNS = sorted({name.split(".")[0] for name in GOLDEN})


def outputs(network: LightASD, run: str) -> dict[str, torch.Tensor]:
    sound = GOLDEN[f"{run}.mfcc"][0]
    with torch.no_grad():
        looks = network.look(GOLDEN[f"{run}.faces"][0])
        return {
            "visual": looks[None],
            "audio": network.hear(sound)[None],
            "scores": network(looks, sound),
        }


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.skipif(
    not WEIGHTS,
    reason="the weights in single precision are not shipped: AVMC_LIGHT_ASD names the file",
)
def test_outputs_are_the_public_codes(run):
    network = LightASD().eval()
    missing, unknown = network.load_state_dict(load_file(WEIGHTS), strict=False)
    assert not unknown and not [name for name in missing if "num_batches" not in name]
    for name, found in outputs(network, run).items():
        torch.testing.assert_close(found, GOLDEN[f"{run}.{name}"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("run", RUNS)
def test_the_shipped_weights_say_the_same_to_a_hundredth(run):
    for name, found in outputs(light_asd.load(), run).items():
        torch.testing.assert_close(found, GOLDEN[f"{run}.{name}"], atol=0.01, rtol=0)


def test_the_shipped_file_holds_every_weight_with_its_licence():
    path = resource(light_asd.RESOURCE)
    state = load_file(path)
    names = [name for name in LightASD().state_dict() if "num_batches" not in name]
    assert sorted(state) == sorted(names) and all(
        torch.isfinite(tensor).all() for tensor in state.values()
    )
    assert sum(tensor.numel() for tensor in state.values()) == 1_025_858
    licence = path.with_name("light_asd.LICENSE.txt").read_text(encoding="utf-8")
    assert "MIT License" in licence and "Liao Junhua" in licence and "half precision" in licence


def test_features_of_a_frame_depend_on_no_more_than_the_context():
    """Windows of different lengths may share computations only if this holds."""
    network, faces = light_asd.load(), GOLDEN["2.faces"][0]
    other = faces.clone()
    other[30] = 255 - other[30]
    with torch.no_grad():
        changed = (network.look(faces) != network.look(other)).any(dim=1).nonzero()[:, 0]
    assert changed.min() >= 30 - network.context and changed.max() <= 30 + network.context


def test_damaged_weights_are_one_error(tmp_path, monkeypatch):
    (tmp_path / light_asd.RESOURCE).write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    monkeypatch.setattr(light_asd, "resource", tmp_path.joinpath)
    with pytest.raises(InputError, match=r"43 bytes with digest .*install the package again"):
        light_asd.load.__wrapped__()


def test_the_speaker_stays_through_pauses_of_a_second():
    faces = np.full(300, -1)
    faces[30:60] = 1
    faces[80:110] = 0  # a pause of 20 frames, shared between its two ends
    faces[200:230] = 1  # one of 90, of which a second at either end is theirs
    faces[280:284] = 0  # too short to reach farther than it is long
    expected = np.full(300, -1)
    expected[5:70], expected[70:135], expected[175:255], expected[276:288] = 1, 0, 1, 0
    np.testing.assert_array_equal(who_speaks.through_pauses(faces), expected)
    turns = np.array([-1, 1, 1, 0, 0, -1, -1, -1])
    np.testing.assert_array_equal(who_speaks.through_pauses(turns), [1, 1, 1, 0, 0, 0, 0, -1])
    nobody = np.full(10, -1)
    np.testing.assert_array_equal(who_speaks.through_pauses(nobody), nobody)


def test_of_faces_that_all_speak_the_one_in_time_with_the_sound_is_heard(monkeypatch):
    """The network's scores do not say whose voice it is: of two talkers beside each other it found
    the one that is heard in 16 of 33 clips."""
    synchrony = {0: 0.2, 1: 0.6, 2: 0.9}
    monkeypatch.setattr(who_speaks.speaker, "synchrony", lambda track, signal: synchrony[track])
    scores = np.ones((3, 40))
    scores[2] = -1  # a silent mouth, whatever it does

    def heard():
        return who_speaks.in_time(scores, [0, 1, 2], np.zeros(0))

    assert heard() == 1
    synchrony[0] = 0.55  # as good as equal
    assert heard() == -1
    synchrony[0] = 0.2
    scores[0, 20:] = np.nan  # seen and speaking in half of the frames only
    assert heard() == -1


def test_faces_count_from_the_left():
    nose = schema.columns("vision").index("x_30")
    tracks = [np.full((4, 177), np.nan) for _ in range(3)]
    for track, x in zip(tracks, (200, 100, 300), strict=True):
        track[:, nose] = x
    words = who_speaks._in_words
    assert words(np.array([0, 0, 0, -1]), tracks) == "2 of 3 from the left"
    assert (
        words(np.array([2, 2, 2, 1]), tracks)
        == "1 and 3 of 3 from the left (25%, 75% of the frames)"
    )
    assert words(np.full(4, -1), tracks) == "none of 3"
