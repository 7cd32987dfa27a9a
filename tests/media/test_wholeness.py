"""A clip that was cut or damaged on its way is said to be, where its file can tell, and no whole
clip is: MP3, MPEG, Ogg and ASF files do not state how long they are."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from kinds import Kind, mux, scene, tone, write
from made_speech import RATE

from avmc_core.clips.media import PICTURE, SOUND, read_clip
from avmc_core.errors import InputError

SIZE = (320, 240)
MATROSKA, AVI = Kind("mkv"), Kind("avi", codec="mpeg4", sound="pcm_s16le", options={})


def _wav(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        track = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        samples = np.round(32767 * tone(0.5, 3.0)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = RATE
        container.mux([*track.encode(frame), *track.encode(None)])
    return path


@pytest.mark.parametrize(
    "kind, said",
    [(MATROSKA, "s of the 3.06 s that it states"), (AVI, "bytes that it states: it was cut")],
    ids=lambda value: getattr(value, "container", None),
)
def test_a_file_that_was_cut_says_so(tmp_path, kind, said):
    """Both containers are decoded as far as they go, without a word from the decoder."""
    whole = write(tmp_path / f"whole.{kind.container}", kind, seconds=3.0)
    assert read_clip(whole, len).notes == ()
    data = whole.read_bytes()
    (tmp_path / f"cut.{kind.container}").write_bytes(data[: len(data) * 6 // 10])
    notes = read_clip(tmp_path / f"cut.{kind.container}", len).notes
    assert any(said in note for note in notes), notes


def test_an_avi_file_of_several_parts_is_whole(tmp_path):
    """Programs begin a new part after a gigabyte; the first part's header does not count it."""
    path = write(tmp_path / "clip.avi", AVI, seconds=3.0)
    part = struct.pack("<4sI4s4sI", b"RIFF", 8004, b"AVIX", b"JUNK", 7992) + bytes(7992)
    data = path.read_bytes() + part
    path.write_bytes(data)
    assert read_clip(path, len).notes == ()
    path.write_bytes(data[:-6000])
    assert any("it was cut" in note for note in read_clip(path, len).notes)


def test_an_avi_file_that_was_padded_or_miscounted_is_whole(tmp_path):
    path = write(tmp_path / "clip.avi", AVI, seconds=1.0)
    data = path.read_bytes()
    counted = data[:4] + struct.pack("<I", len(data)) + data[8:]
    for made in (data + bytes(2**16), data + b"TAG" + bytes(9000), counted):
        path.write_bytes(made)
        assert read_clip(path, len).notes == ()


@pytest.mark.parametrize("picture, sound, parts", [(75, 1.0, SOUND), (25, 3.0, PICTURE)])
def test_what_is_not_asked_for_may_be_longer(tmp_path, picture, sound, parts):
    """The length that a file states is that of its longest stream."""
    images = [scene(k / 25, SIZE) for k in range(picture)]
    path = mux(tmp_path / "clip.mp4", images, tone(0.2, sound), Kind())
    assert read_clip(path, len, parts).notes == ()


def test_a_clip_whose_times_begin_late_is_whole(tmp_path):
    """Matroska counts the length that it states from time 0, not from the first picture."""
    images = [scene(k / 25, SIZE) for k in range(50)]
    path = mux(tmp_path / "clip.mkv", images, tone(0.2, 2.0), MATROSKA, 20.0, 20.0)
    assert read_clip(path, len).notes == ()


def test_a_last_picture_stays_on_as_long_as_the_file_says(tmp_path):
    """As in a recording of slides, whose pictures come only where something changes."""
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"bf": "0"})
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        packets = []
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(scene(number / 25, SIZE), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            packets += video.encode(frame)
        packets += video.encode(None)
        packets[-1].duration = int(3 / packets[-1].time_base)
        container.mux(packets)
    media = read_clip(tmp_path / "clip.mp4", len, PICTURE)
    assert media.notes == ()
    assert len(media.seen) == 9 + 75


def test_sound_files_whose_header_states_another_length(tmp_path):
    """A length of 0 or of the largest number is that of a program that did not yet know it."""
    data = _wav(tmp_path / "whole.wav").read_bytes()
    at = data.index(b"data") + 4

    def notes(made: bytes) -> tuple[str, ...]:
        (tmp_path / "made.wav").write_bytes(made)
        return read_clip(tmp_path / "made.wav", len, SOUND).notes

    def stated(size: int) -> bytes:
        return data[:at] + struct.pack("<I", size) + data[at + 4 :]

    assert notes(data) == notes(stated(0)) == notes(stated(2**32 - 1)) == ()
    for size in (0x7FFFF000 - 44, 0x7FFFFFFF, 2**31, 2**32 - 37):
        assert notes(stated(size)) == ()
    for more in (
        bytes(9000),
        b"ID3\3" + b"x" * 9000,
        b"LIST" + struct.pack("<I", 9000) + bytes(9000),
    ):
        assert notes(data + more) == ()
    # an odd length without the byte that should follow it
    odd = stated(len(data) - at - 5)[:-1]
    assert notes(odd + b"LIST" + struct.pack("<I", 9000) + b"INFO" + bytes(8996)) == ()
    assert f"of the {len(data)} bytes that it states: it was cut" in notes(data[:50_000])[0]
    assert notes(stated(RATE)) == ("80000 bytes after the end that the file states are not read",)


@pytest.mark.parametrize("picture, sound, first", [(60, 1.0, "sound"), (25, 3.0, "picture")])
def test_an_end_of_picture_or_sound_that_comes_early_is_said(tmp_path, picture, sound, first):
    images = [scene(k / 25, SIZE) for k in range(picture)]
    path = mux(tmp_path / "clip.mkv", images, tone(0.2, sound), MATROSKA)
    assert any(note.startswith(f"the {first} ends ") for note in read_clip(path, len).notes)


def test_what_arrives_in_place_of_a_clip_is_named(tmp_path):
    whole = write(tmp_path / "whole.mp4", Kind()).read_bytes()
    arrived = {
        "the whole file": b"",
        "git lfs pull": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
        "a web page": b"<!DOCTYPE html><html><body>quota exceeded</body></html>",
        "without its index": whole[: whole.index(b"moov") - 4],
    }
    for said, data in arrived.items():
        (tmp_path / "clip.mp4").write_bytes(data)
        with pytest.raises(InputError, match=said):
            read_clip(tmp_path / "clip.mp4", len)


def test_a_still_picture_is_not_a_video_without_its_index(tmp_path):
    boxes = struct.pack(">I4s4sI", 16, b"ftyp", b"heic", 0) + struct.pack(">I4s", 40, b"mdat")
    (tmp_path / "clip.mp4").write_bytes(boxes + bytes(32))
    with pytest.raises(InputError) as refused:
        read_clip(tmp_path / "clip.mp4", len)
    assert "index" not in str(refused.value)


def test_an_error_of_the_caller_is_no_damage(tmp_path):
    def full(image: np.ndarray) -> None:
        if image[120, 160].mean() > 128:
            raise OSError(28, "No space left on device")

    path = write(tmp_path / "clip.mp4", Kind())
    with pytest.raises(InputError, match="No space left on device") as refused:
        read_clip(path, full)
    assert "damage" not in str(refused.value)


def test_damage_is_refused_with_the_place_and_the_remedy(tmp_path):
    data = bytearray(write(tmp_path / "clip.mp4", Kind(), seconds=3.0).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 600] = bytes(600)
    (tmp_path / "clip.mp4").write_bytes(data)
    with pytest.raises(InputError, match=r"damage after \d\.\d\d s .*copy, download or record"):
        read_clip(tmp_path / "clip.mp4", len)


def test_damaged_pictures_that_were_decoded_are_counted(tmp_path):
    """The decoder of Flash's old codec goes on where bytes were lost, and marks the pictures."""
    kind = Kind("flv", codec="flv1", rate=44100, options={"b": "4000000"})
    path = mux(tmp_path / "clip.flv", [scene(k / 25, SIZE) for k in range(30)], None, kind)
    assert read_clip(path, len, PICTURE).notes == ()
    data = bytearray(path.read_bytes())
    for place in range(len(data) // 3, len(data) * 2 // 3, 997):
        data[place] ^= 0x55
    path.write_bytes(data)
    assert "pictures are damaged in the file" in read_clip(path, len, PICTURE).notes[-1]
