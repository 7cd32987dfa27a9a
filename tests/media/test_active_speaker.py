"""Networks that find the speaker, within an extraction: what they are shown, and what follows from
their scores. TalkNet has generated weights here, Light-ASD its own."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from made_clips import make_clip
from media_tools import TEXTS, avmc, talking, two_talking
from talknet_weights import made_state

from avmc_core import schema
from avmc_core.clips import active_speaker, clip_features, light_asd, speaker, talknet
from avmc_core.clips.clip_features import ExtractionSettings, extract_clip
from avmc_core.clips.landmarks import Landmarks
from avmc_core.clips.media import read_clip
from avmc_core.errors import InputError

NOSE = schema.columns("vision").index("x_30")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Two faces, one voice."""
    return make_clip(tmp_path_factory.mktemp("two") / "two.mp4", *two_talking(0))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Two generated checkpoints by name: one for which everybody speaks, and one for which nobody
    does."""
    folder, state = tmp_path_factory.mktemp("talknet"), made_state()
    for name, bias in (("everybody", 1000.0), ("nobody", -1000.0)):
        torch.save(state | {"lossAV.FC.bias": torch.tensor([0.0, bias])}, folder / f"{name}.model")
    return folder


def test_a_crop_is_the_middle_of_the_public_window():
    """On a picture whose grey level is its column, or its row: 0.7 half sizes to each side, and
    from 0.3 above to 1.1 below."""
    column = np.tile(np.arange(200, dtype=np.uint8), (200, 1))
    for picture, low, high in ((column, 100 - 14, 100 + 14), (column.T, 80 - 6, 80 + 22)):
        seen = active_speaker.crop(picture, 100.0, 80.0, 20.0)
        assert seen.shape == (112, 112) and seen.dtype == np.uint8
        assert abs(int(seen.min()) - low) <= 1 and abs(int(seen.max()) - high) <= 1
    assert (active_speaker.crop(column, -30.0, 90.0, 10.0)[:, :40] == active_speaker.PADDING).all()


def test_its_pictures_follow_the_mouths(clip):
    """They are dark where the mouth is open: for each face, its own mouth in each frame."""
    visual = Landmarks()
    media = read_clip(clip, visual.look)
    tracks = visual.tracks(clip, media.seen, (media.width, media.height))
    found = active_speaker.faces(clip, tracks)
    assert [(stretch.face, stretch.start) for stretch in found] == [(0, 0), (1, 0)]
    drawn = two_talking(0)[0]
    for stretch in found:
        face = drawn[int(np.nanmean(tracks[stretch.face][:, NOSE]) > 160)]
        opening = face.opening[: len(stretch.pictures)]
        mouth = stretch.pictures[:, 50:90, 40:72].mean(axis=(1, 2))
        assert np.corrcoef(mouth, opening)[0, 1] < -0.8


@pytest.mark.parametrize("silent, outcome", [(0.2, "kept"), (0.3, "discarded")])
def test_the_speaker_may_change_and_frames_without_one_are_dropped(
    clip, weights, monkeypatch, silent, outcome
):
    def scores(path, tracks, signal, network):
        share = np.arange(len(tracks[0])) / len(tracks[0])
        left = int(np.nanmean(tracks[0][:, NOSE]) > 160)
        said = np.full((2, len(share)), -1.0)
        said[left, share < 0.4] = said[1 - left, (share >= 0.4) & (share < 1 - silent)] = 1.0
        return said

    monkeypatch.setattr(active_speaker, "scores", scores)
    settings = ExtractionSettings(talknet=str(weights / "everybody.model"))
    features, report = extract_clip(clip, Landmarks(), settings)
    assert (report.outcome, report.speaker, report.faces) == (outcome, talknet.NAME, 2)
    assert report.missing == pytest.approx(silent, abs=0.02)
    if outcome == "discarded":
        assert (
            features is None
            and "of the frames without the speaker's face, more than 25%" in report.reason
        )
        return
    first = features.frames < 0.4 * report.frames
    nose = features.vision[:, NOSE]
    assert (nose[first] < 0).all() and (nose[~first] > 0).all() and first.any() and not first.all()
    assert (
        f"{report.frames - report.vision_steps} frames without a speaker left out" in report.reason
    )


def test_a_clip_in_which_nobody_speaks_is_discarded(clip, weights):
    features, report = extract_clip(
        clip, Landmarks(), ExtractionSettings(talknet=str(weights / "nobody.model"))
    )
    assert features is None and (report.outcome, report.faces, report.missing) == (
        "discarded",
        2,
        1,
    )
    assert "100% of the frames without the speaker's face" in report.reason
    assert (
        "none of the 2 faces speaks (speaker 'rule'" in report.reason
        and report.chosen == "none of 2"
    )


def test_a_checkpoint_chooses_through_the_command_line(clip, weights, bert, tmp_path):
    words = ["--text", TEXTS[0], "--bert", bert, "--talknet", weights / "everybody.model"]
    done = avmc("extract", clip, tmp_path / "store", *words)
    assert done.returncode == 0, done.stderr
    (row,) = pd.read_csv(tmp_path / "store" / "extraction.csv").itertuples()
    assert (row.outcome, row.faces, row.speaker) == ("kept", 2, talknet.NAME) and row.missing < 0.05
    manifest = json.loads((tmp_path / "store" / "manifest.json").read_text(encoding="utf-8"))
    said = manifest["source"]["extraction"]["speaker"]
    assert said == talknet.version(str(weights / "everybody.model"))
    assert (
        said.startswith("TalkNet, frame by frame, weights everybody.model ")
        and f"speaker: {said}\n" in done.stdout
    )


def test_one_face_needs_no_detector(weights, tmp_path):
    clip = make_clip(tmp_path / "one.mp4", *talking(3))
    features, report = extract_clip(
        clip, Landmarks(), ExtractionSettings(talknet=str(weights / "nobody.model"))
    )
    assert features is not None and report.speaker == "one face"


def test_weights_that_do_not_fit_are_one_error_before_any_work(clip, bert, tmp_path):
    torch.save({"encoder.weight": torch.zeros(2)}, tmp_path / "other.model")
    words = ["--text", TEXTS[0], "--bert", bert, "--talknet", tmp_path / "other.model"]
    done = avmc("extract", clip, tmp_path / "store", *words)
    assert (
        done.returncode != 0
        and "no model.visualFrontend" in done.stderr
        and "Traceback" not in done.stderr
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.model"]


@pytest.fixture(scope="module")
def beside(tmp_path_factory):
    """Clips of a talking face beside a silent one, by the side of the talking one."""
    folder, made = tmp_path_factory.mktemp("beside"), {}
    for number, side in ((0, "left"), (1, "right")):
        faces, signal, frames = two_talking(number)
        faces[1 - number] = replace(faces[1 - number], opening=0 * faces[1 - number].opening)
        made[side] = make_clip(folder / f"{side}.mp4", faces, signal, frames)
    return made


@pytest.mark.parametrize("side, number", [("left", 1), ("right", 2)])
def test_the_talking_face_is_chosen_out_of_the_box(beside, side, number):
    features, report = extract_clip(beside[side], Landmarks())
    assert (report.speaker, report.chosen) == (light_asd.NAME, f"{number} of 2 from the left")
    assert (features.vision[:, NOSE] > 0).all() == (side == "right") and report.missing == 0


def test_nobody_speaks_without_sound(beside, tmp_path):
    faces, signal, frames = two_talking(0)
    still = [replace(face, opening=0 * face.opening) for face in faces]
    clip = make_clip(tmp_path / "still.mp4", still, 0 * signal, frames)
    features, report = extract_clip(clip, Landmarks())
    assert features is None and report.chosen == "none of 2"


def test_two_talkers_leave_a_doubt_that_is_said(clip):
    features, report = extract_clip(clip, Landmarks())
    assert features is not None and "more than one face seems to speak in" in report.reason


@pytest.mark.parametrize("number", [1, 2])
def test_of_two_talkers_the_one_that_is_heard_is_chosen(tmp_path, number):
    """The network alone took the right one in both of these clips."""
    clip = make_clip(tmp_path / "both.mp4", *two_talking(number))
    _, report = extract_clip(clip, Landmarks())
    assert report.chosen == f"{2 - (number + 1) % 2} of 2 from the left"
    assert report.reason.endswith(
        "uncertain: the face whose mouth moves in time with the sound is taken"
    )


def test_the_rule_chooses_where_it_is_asked_for(clip):
    features, report = extract_clip(clip, Landmarks(), ExtractionSettings(speaker="rule"))
    assert (
        features is not None
        and report.speaker == speaker.NAME
        and "even where nobody" in report.reason
    )


def test_another_way_than_these_is_refused():
    with pytest.raises(
        InputError,
        match="speaker: found 'loudest'; expected light-asd or rule, or TalkNet's weights",
    ):
        clip_features.backend(ExtractionSettings(speaker="loudest"))
