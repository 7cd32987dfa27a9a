"""The parts of an extraction agree with other programs: openSMILE's own file reader, drawn faces
with known mouths, and frames at other rates."""

from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np
import opensmile
import pytest
from made_clips import Drawn, make_clip
from made_speech import RATE, SENTENCES, speak
from media_tools import two_talking

from avmc_core import schema
from avmc_core.clips import acoustic, speaker
from avmc_core.clips.landmarks import Landmarks
from avmc_core.clips.media import read_clip

SPEECH = os.environ.get("AVMC_SPEECH", "")  # a folder of wav files; else speech is made


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> list[Path]:
    if SPEECH:
        return sorted(Path(SPEECH).glob("*.wav"))
    folder = tmp_path_factory.mktemp("speech")
    return [_wav(folder / f"{number}.wav", speak(SENTENCES[number]).signal) for number in range(2)]


def _wav(path: Path, signal: np.ndarray) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        _encode(container, stream, np.round(signal * 32767).astype(np.int16))
    return path


def _encode(container, stream, samples: np.ndarray) -> None:
    frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts = RATE, 0
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def test_acoustic_columns_are_opensmiles_own(recordings, tmp_path):
    """A clip with lossless sound gives what openSMILE reads from a file of the same signal, with
    the columns in the same order."""
    reference = opensmile.Smile(
        opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.LowLevelDescriptors
    )
    assert recordings
    for path in recordings:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        with av.open(str(path)) as source:
            parts = [
                part
                for frame in [*source.decode(audio=0), None]
                for part in resampler.resample(frame)
            ]
        samples = np.concatenate([part.to_ndarray()[0] for part in parts])
        recording = _wav(tmp_path / "recording.wav", samples / 32767)
        with av.open(str(tmp_path / "clip.mkv"), "w") as container:
            video = container.add_stream("mpeg4", rate=25)
            audio = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
            video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
            for _ in range(5):
                container.mux(
                    video.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8)))
                )
            container.mux(video.encode(None))
            _encode(container, audio, samples)
        media = read_clip(tmp_path / "clip.mkv", lambda image: None)
        expected = reference.process_file(recording)
        assert tuple(expected.columns) == schema.columns("audio")
        np.testing.assert_allclose(
            acoustic.descriptors(media.signal), expected.to_numpy(), rtol=1e-5, atol=1e-5
        )


def test_the_released_length_is_9_29_seconds():
    noise = np.random.default_rng(0).normal(0, 0.1, round(9.29 * RATE)).astype(np.float32)
    assert acoustic.descriptors(noise).shape == (schema.STEPS["audio"], 25)


@pytest.mark.parametrize("fps", [10, 25, 30, 50])
def test_frames_of_any_rate_become_25_per_second(tmp_path, fps):
    """A mouth that opens halfway through the clip opens at the same time for every frame rate."""
    opening = np.repeat([0.0, 1.0], fps)
    clip = make_clip(
        tmp_path / "clip.mp4", [Drawn(opening)], np.zeros(2 * RATE, np.float32), 2 * fps, fps
    )
    visual = Landmarks()
    media = read_clip(clip, visual.look)
    assert abs(len(media.seen) - 50) <= 1
    (track,) = visual.tracks(clip, media.seen, (media.width, media.height))
    wide = speaker.mouth_opening(track) > 0.15
    assert abs(int(np.argmax(wide)) - 25) <= 1 and wide[27:].all()


def test_of_two_faces_the_one_that_is_heard_is_chosen(tmp_path):
    """Ten clips with two mouths, each of which follows the phonemes of its own sentence; one
    sentence is heard."""
    visual, right = Landmarks(), 0
    for number in range(10):
        clip = make_clip(tmp_path / f"{number}.mp4", *two_talking(number))
        media = read_clip(clip, visual.look)
        tracks = visual.tracks(clip, media.seen, (media.width, media.height))
        chosen, how = speaker.choose(tracks, media.signal)
        assert len(tracks) == 2 and how == speaker.NAME
        nose = np.nanmean(tracks[chosen][:, schema.columns("vision").index("x_30")])
        right += int((nose > 160) == number % 2)
    assert right >= 8
