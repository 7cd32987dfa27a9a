"""A clip that was cut or damaged on its way is never read as if it were whole."""

from __future__ import annotations

import struct
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
