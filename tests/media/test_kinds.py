"""However a clip was written, it is read as a player shows it: upright, undistorted, with picture
and sound in step."""

from __future__ import annotations

import hashlib
import os
import struct
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kinds import CORNERS, MOMENT, Kind, mux, scene, tone, write
from made_clips import picture
from made_speech import RATE
from media_tools import talking, two_talking

from avmc_core import schema
from avmc_core.clips import media
from avmc_core.clips.clip_features import ExtractionSettings, extract_clip
from avmc_core.clips.landmarks import Landmarks
from avmc_core.clips.media import FPS, PICTURE, SOUND, contents, read_clip
from avmc_core.clips.pictures import Pictures
from avmc_core.errors import InputError

# 40
SIZES = [
    (w, h) for w in (160, 222, 270, 318, 320, 330, 406, 426) for h in (120, 180, 228, 240, 480)
]
# widths with every even remainder by 16, where the decoder's rows end; odd sizes; small; tall
FACES = [(320, 240), (322, 242), (404, 228), (406, 228), (328, 184), (426, 240), (332, 188)]
FACES += [(270, 480), (321, 241), (333, 187), (112, 84), (120, 600)]
NAMES = schema.columns("vision")
NOSE = [NAMES.index("x_30"), NAMES.index("y_30")]


def looked(image: np.ndarray) -> tuple[tuple[int, ...], bool, np.ndarray, float]:
    height, width = image.shape[:2]
    points = [image[height * y // 10, width * x // 10].astype(int) for y in (1, 9) for x in (1, 9)]
    return (
        image.shape,
        image.flags["C_CONTIGUOUS"],
        np.array(points),
        float(image[height // 2, width // 2].mean()),
    )


def check(path: Path, size: tuple[int, int]) -> media.Media:
    """The scene of ``kinds`` is upright and undistorted, and its picture changes when its tone
    begins, in frames and in samples."""
    read = read_clip(path, looked)
    for shape, contiguous, points, _ in read.seen:
        assert contiguous and abs(shape[1] * size[1] / (shape[0] * size[0]) - 1) < 0.03, (
            shape,
            size,
        )
        assert np.abs(points - np.array(CORNERS)).max() < 70, points
    bright = next(number for number, one in enumerate(read.seen) if one[3] > 125) / FPS
    loud = int(np.argmax(np.abs(read.signal) > 0.2)) / RATE
    assert abs(bright - loud) <= 0.06, f"picture {bright:.3f} s, sound {loud:.3f} s"
    return read


CONTAINERS = st.sampled_from(["mp4", "mov", "mkv", "ts"])


@given(
    size=st.sampled_from(SIZES),
    rotation=st.sampled_from([0, 90, 180, 270]),
    fps=st.sampled_from([10, 24, 25, 30, 50, 60]),
    late=st.sampled_from([0.0, 0.0, 0.2, 0.44, -0.06, -0.3]),
    aspect=st.sampled_from([Fraction(1), Fraction(1), Fraction(16, 11), Fraction(3, 4)]),
    container=CONTAINERS,
)
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_any_size_rotation_rate_start_time_and_container(
    tmp_path_factory, size, rotation, fps, late, aspect, container
):
    if container == "ts":  # holds no rotation
        rotation = 0
    path = tmp_path_factory.mktemp("kind") / f"clip.{container}"
    write(path, Kind(container, size, rotation, aspect, fps, late))
    first, again = check(path, size), read_clip(path, lambda image: hashlib.sha256(image).digest())
    assert again.seen == read_clip(path, lambda image: hashlib.sha256(image).digest()).seen
    assert np.array_equal(first.signal, again.signal)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_same_clip_three_times_gives_the_same_pictures(tmp_path, size):
    """The pictures own their memory, so that other libraries read what the pictures hold."""
    path = mux(tmp_path / "clip.mp4", [scene(k / FPS, size) for k in range(4)], None, Kind())
    digests = set()
    for _ in range(3):
        read = read_clip(path, lambda image: (image.flags["C_CONTIGUOUS"], image.copy()), PICTURE)
        assert all(contiguous for contiguous, _ in read.seen)
        digests.add(hashlib.sha256(np.stack([image for _, image in read.seen]).tobytes()).digest())
    assert len(digests) == 1 and (read.width, read.height) == size


@pytest.fixture(scope="module")
def landmarks() -> Landmarks:
    return Landmarks()


@pytest.mark.parametrize("size", FACES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_same_clip_three_times_gives_the_same_faces(landmarks, tmp_path, size):
    """For widths that are not multiples of 16, memory that had been freed was once read."""
    faces, signal, _ = talking(1)
    images = [_placed(picture(faces, number), size) for number in range(2)]
    kind = Kind("mkv", codec="ffv1", options={})  # without loss, and of any size
    path = mux(tmp_path / "clip.mkv", images, signal[:4000], kind)
    digests = set()
    for _ in range(3):
        read = read_clip(path, landmarks.look)
        tracks = landmarks.tracks(path, read.seen, (read.width, read.height))
        digests.add(hashlib.sha256(np.concatenate(tracks or [np.zeros(1)]).tobytes()).hexdigest())
    assert (read.width, read.height) == size
    assert len(digests) == 1 and tracks and np.isfinite(tracks[0]).all()


def _placed(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture in the middle of another of ``size``."""
    scale = min(size[0] / image.shape[1], size[1] / image.shape[0])
    small = cv2.resize(image, (round(image.shape[1] * scale), round(image.shape[0] * scale)))
    canvas = np.full((size[1], size[0], 3), (110, 140, 120), np.uint8)
    y, x = (size[1] - small.shape[0]) // 2, (size[0] - small.shape[1]) // 2
    canvas[y : y + small.shape[0], x : x + small.shape[1]] = small
    return canvas


PLAIN = Kind()
TWINS = {
    "turned by a quarter": Kind(rotation=90),
    "upside down": Kind(rotation=180),
    "of 50 frames per second": Kind(fps=50),
    "of long pixels": Kind(aspect=Fraction(4, 3)),
    "in Matroska": Kind("mkv"),
    "as a transport stream": Kind("ts"),
    "in AVI": Kind("avi", codec="mpeg4", sound="pcm_s16le", options={}),
    "in Flash": Kind("flv", rate=44100),
    "with stereo sound of 48 kHz": Kind(rate=48000, layout="stereo"),
    "with sound that begins later": Kind("mkv", late=0.2),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return _features(tmp_path_factory.mktemp("plain") / "clip.mp4", PLAIN)


def _features(path: Path, kind: Kind):
    faces, signal, frames = talking(1)

    def face(time: float, size: tuple[int, int]) -> np.ndarray:
        return picture(faces, min(round(time * FPS + 1e-6), frames - 1))

    # what begins later loses nothing
    silence = np.where(np.arange(len(signal)) < 0.2 * RATE, 0, signal).astype(np.float32)
    write(path, kind, face, silence[:RATE], 1.0)
    return extract_clip(path, Landmarks())


@pytest.mark.parametrize("name", TWINS)
def test_features_are_those_of_the_plain_twin(plain, tmp_path, name):
    """Landmarks agree within 3 % of half a picture, and the loudness rises at the same time as in
    the plain clip; two extractions give the same bytes."""
    features, report = _features(tmp_path / f"clip.{TWINS[name].container}", TWINS[name])
    expected, _ = plain
    assert report.outcome == "kept" and abs(len(features.vision) - len(expected.vision)) <= 2
    steps = min(len(features.vision), len(expected.vision))
    points = [number for number, column in enumerate(NAMES) if column[:2] in ("x_", "y_")]
    apart = np.abs(features.vision[:steps, points] - expected.vision[:steps, points])
    assert apart.mean() < 0.03, apart.mean()
    loud = schema.columns("audio").index("Loudness_sma3")
    steps = min(len(features.audio), len(expected.audio))
    assert np.corrcoef(features.audio[:steps, loud], expected.audio[:steps, loud])[0, 1] > 0.97
    if name == "turned by a quarter":
        again, _ = extract_clip(tmp_path / f"clip.{TWINS[name].container}", Landmarks())
        assert again.vision.tobytes() == features.vision.tobytes()
        assert again.audio.tobytes() == features.audio.tobytes()


def test_bringing_a_picture_into_shape_starts_no_threads():
    """A process forked from one with such threads would wait for them for ever."""
    pictures = Pictures(av.video.reformatter.VideoReformatter(), Fraction(4, 3))
    before = len(os.listdir("/proc/self/task"))
    frame = av.VideoFrame.from_ndarray(scene(0, (240, 240)), format="rgb24").reformat(
        format="yuv420p", threads=1
    )
    assert pictures(frame).shape == (240, 320, 3)
    assert len(os.listdir("/proc/self/task")) == before


def test_a_rotation_is_named(tmp_path):
    write(tmp_path / "clip.mp4", Kind(rotation=90))
    assert read_clip(tmp_path / "clip.mp4", looked).notes == (
        "picture turned by 90 degrees, as the file says",
    )


def test_a_picture_at_a_slant_is_refused_by_name(tmp_path):
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        video.set_display_rotation(30)
        packets = video.encode(
            av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        )
        container.mux([*packets, *video.encode(None)])
    with pytest.raises(InputError, match=r"to be turned by .*30 degrees; only quarter turns"):
        read_clip(tmp_path / "clip.mp4", looked, PICTURE)


def test_a_cover_is_no_picture(tmp_path):
    """Music players store a cover picture in a file's tags, which readers list as the first video
    stream."""
    source = write(tmp_path / "plain.mp4", Kind()).read_bytes()
    cover = cv2.imencode(".jpg", np.zeros((300, 300, 3), np.uint8))[1].tobytes()
    item = _box(b"covr", _box(b"data", struct.pack(">II", 13, 0) + cover))
    tags = _box(
        b"udta",
        _box(
            b"meta",
            bytes(4) + _box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9)) + _box(b"ilst", item),
        ),
    )
    at, size = next((at, size) for at, size, kind in _boxes(source) if kind == b"moov")
    body = source[at + 8 : at + size]
    rest = b"".join(body[a : a + s] for a, s, kind in _boxes(body) if kind != b"udta")
    (tmp_path / "cover.mp4").write_bytes(
        source[:at] + _box(b"moov", tags + rest) + source[at + size :]
    )
    with av.open(str(tmp_path / "cover.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mjpeg"  # the cover comes first
    read = check(tmp_path / "cover.mp4", (320, 240))
    assert len(read.seen) == 30 and "read of 2" in read.notes[0]


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _boxes(data: bytes):
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        yield at, size, kind
        at += max(size, 8)


def test_a_still_picture_that_is_not_marked_as_one_is_passed_over(tmp_path):
    images = [scene(k / 25, (320, 240)) for k in range(30)]
    with av.open(str(tmp_path / "clip.mkv"), "w") as container:
        still = container.add_stream("mjpeg", rate=25)
        still.width, still.height, still.pix_fmt = 800, 600, "yuvj420p"
        moving = container.add_stream("libx264", rate=25)
        moving.width, moving.height, moving.pix_fmt = 320, 240, "yuv420p"
        container.mux(
            still.encode(
                av.VideoFrame.from_ndarray(np.zeros((600, 800, 3), np.uint8), format="rgb24")
            )
        )
        container.mux(still.encode(None))
        for image in images:
            container.mux(moving.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(moving.encode(None))
    read = read_clip(tmp_path / "clip.mkv", looked, PICTURE)
    assert (read.width, len(read.seen)) == (320, 30)


def test_the_second_sound_track_is_heard_where_the_first_is_silent(tmp_path):
    with av.open(str(tmp_path / "clip.mkv"), "w") as container:
        tracks = [container.add_stream("pcm_s16le", rate=RATE, layout="mono") for _ in range(2)]
        for track, level in zip(tracks, (0.0, 1.0), strict=True):
            samples = np.round(32767 * level * tone(0.5, 1.0)).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE, 0
            container.mux([*track.encode(frame), *track.encode(None)])
    read = read_clip(tmp_path / "clip.mkv", looked, SOUND)
    assert np.abs(read.signal).max() > 0.3 and "sound track 2 of 2" in read.notes[0]


@pytest.mark.parametrize(
    "layout, signs, note",
    [
        ("stereo", (1, 1), ""),
        ("5.1", (1,) * 6, ""),
        ("stereo", (1, -1), "cancel"),
        ("stereo", (0, 1), "1 channel of the sound silent"),  # a microphone on one side
        ("5.1", (0, 0, 1, 0, 0, 0), "4 channels of the sound silent"),  # a film's dialogue
    ],
)
def test_sound_on_several_channels_is_as_loud_as_on_one(tmp_path, layout, signs, note):
    """Once, it was up to 3.4 times as loud, channels that cancel each other were silent, and a
    voice on one of two channels had half of its loudness."""
    with av.open(str(tmp_path / "clip.wav"), "w") as container:
        track = container.add_stream("pcm_s16le", rate=RATE, layout=layout)
        samples = np.multiply.outer(tone(0.1, 0.5), signs) * 32767
        data = np.round(samples).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(data, format="s16", layout=layout)
        frame.sample_rate = RATE
        container.mux([*track.encode(frame), *track.encode(None)])
    read = read_clip(tmp_path / "clip.wav", looked, SOUND)
    np.testing.assert_allclose(read.signal, tone(0.1, 0.5), atol=1e-3)
    assert (note in read.notes[0]) if note else read.notes == ()


def test_sound_beyond_full_scale_is_clipped_and_said(tmp_path):
    """As recorders of floating-point sound write it; other programs clip it, too."""
    with av.open(str(tmp_path / "clip.wav"), "w") as container:
        track = container.add_stream("pcm_f32le", rate=RATE, layout="mono")
        loud = (8 * tone(0.1, 0.5)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(loud[None], format="flt", layout="mono")
        frame.sample_rate = RATE
        container.mux([*track.encode(frame), *track.encode(None)])
    read = read_clip(tmp_path / "clip.wav", looked, SOUND)
    np.testing.assert_allclose(read.signal, loud.clip(-1, 1), atol=1e-3)
    assert "beyond full scale, clipped" in read.notes[0]


def test_pictures_that_change_their_size_are_brought_to_one_and_of_another_shape_refused(tmp_path):
    """Two transport streams in one file, one after the other; the times of the second continue
    those of the first."""
    parts = []
    for number, size in enumerate([(320, 240), (640, 480), (320, 320)]):
        kind = Kind("ts", size)
        frames = [scene(k / 25, size) for k in range(15)]
        parts.append(
            mux(
                tmp_path / f"{number}.ts",
                frames,
                tone(0, 0.6),
                kind,
                0.6 * bool(number),
                0.6 * bool(number),
            )
        )
    for second, name in ((1, "same.ts"), (2, "other.ts")):
        _joined(tmp_path / name, parts[0], parts[second])
    read = read_clip(tmp_path / "same.ts", looked)
    assert {one[0] for one in read.seen} == {(240, 320, 3)} and 28 <= len(read.seen) <= 31
    assert any("change from 320 by 240 to 640 by 480" in note for note in read.notes)
    with pytest.raises(
        InputError, match="change their shape within the clip, from 320 by 240 to 320 by 320"
    ):
        read_clip(tmp_path / "other.ts", looked)


def test_a_codec_that_is_not_known_is_named(tmp_path):
    """It once ended in a traceback."""
    path = write(tmp_path / "clip.mp4", Kind())
    path.write_bytes(path.read_bytes().replace(b"avc1", b"xxxx"))
    with pytest.raises(InputError, match="a video codec that is not known"):
        read_clip(path, looked)
    assert contents(path) == SOUND and len(read_clip(path, looked, SOUND).signal)


def _joined(path: Path, first: Path, second: Path) -> None:
    path.write_bytes(first.read_bytes() + second.read_bytes())


def test_times_that_jump_back_are_refused(tmp_path):
    whole = write(tmp_path / "one.ts", Kind("ts"), seconds=2.0)
    _joined(tmp_path / "twice.ts", whole, whole)
    with pytest.raises(InputError, match="times jump back"):
        read_clip(tmp_path / "twice.ts", looked)


def test_a_gap_in_the_sound_is_silence(tmp_path):
    kind = Kind("mkv", sound="pcm_s16le")
    with av.open(str(tmp_path / "clip.mkv"), "w") as container:
        track = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for start in (0.0, 1.0):
            samples = np.full((1, 8000), 8000, np.int16)
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = (
                RATE,
                round(start * RATE),
                Fraction(1, RATE),
            )
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    read = read_clip(tmp_path / "clip.mkv", looked, SOUND)
    assert kind.sound == "pcm_s16le" and abs(len(read.signal) - 24000) < 50
    assert np.abs(read.signal[8200:15800]).max() < 1e-3 and np.abs(read.signal[16200:]).min() > 0.2
    assert read.notes == ("gaps of 0.50 s in the sound filled with silence",)


@pytest.mark.parametrize("number", [0, 1])
def test_of_two_faces_the_one_that_is_heard_is_chosen_when_sound_begins_later(tmp_path, number):
    """Once, sound that begins 1.2 s late was placed 1.2 s too early."""
    faces, signal, frames = two_talking(number)
    lag = 30
    images = [picture(faces, max(k - lag, 0)) for k in range(frames + lag)]
    path = mux(tmp_path / "late.mkv", images, signal, Kind("mkv"), late=lag / FPS)
    features, report = extract_clip(path, Landmarks(), ExtractionSettings(speaker="rule"))
    assert (np.median(features.vision[:, NOSE[0]]) > 0) == bool(number)
    assert "the sound begins 1.20 s after the picture: silence before it" in report.notes


def test_what_a_clip_has_is_told_from_its_streams(tmp_path):
    write(tmp_path / "both.mp4", Kind())
    mux(tmp_path / "picture.mp4", [scene(0, (320, 240))] * 5, None, Kind())
    (tmp_path / "none.mp4").write_bytes(b"no clip")
    assert [
        contents(tmp_path / f"{name}.mp4") for name in ("both", "picture", "none", "absent")
    ] == ["both", "picture", "", ""]


@pytest.mark.parametrize(
    "name", [b"a:b.mp4", "片段.mp4".encode("gbk"), b" two  spaces.mp4", b"100%.mp4", b"-x.mp4"]
)
def test_names_in_any_bytes(tmp_path, name):
    source = write(tmp_path / "plain.mp4", Kind())
    place = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    os.link(source, place)
    assert len(read_clip(place, looked).seen) == 30
    assert media.shown(place).encode()


def test_the_moment_is_where_it_is_said():
    """Checks the scene itself, on which the other tests rest."""
    assert (
        looked(scene(MOMENT - 0.04, (320, 240)))[3]
        < 50
        < 200
        < looked(scene(MOMENT, (320, 240)))[3]
    )
