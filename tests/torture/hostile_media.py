"""Clips cut, changed, or lying about their size and times, decoded as the extraction does it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from avmc_core.clips.media import read_clip
from torture import sandbox
from torture.case import Case, damaged

MEDIA = str(Path(__file__).resolve().parents[1] / "media")
PLACE = Path()


def needs() -> str:
    """Why this cannot be tried on this machine."""
    try:
        import av  # noqa: F401
        import cv2  # noqa: F401
    except ImportError as error:
        return f'the extra "extract" is not installed: {error}'
    return ""


def warm(folder: Path) -> None:
    """Makes a clip of half a second; loads what decoding it loads."""
    global PLACE
    PLACE = folder
    sys.path.insert(0, MEDIA)
    import kinds  # noqa: F401
    from made_clips import make_clip

    sound = 0.1 * np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    make_clip(folder / "good.mp4", [], sound, 12)
    assert _decode(folder / "good.mp4") == sandbox.HARMLESS


def clips(rng: np.random.Generator, count: int) -> Iterator[Case]:
    """A clip cut or with changed bytes, half of them in the part that says where everything is;
    files that are not clips."""
    data = (PLACE / "good.mp4").read_bytes()
    index = data.rindex(b"moov")
    for name, other in {
        "empty": b"",
        "zeros": bytes(5000),
        "a pickle": b"\x80\x04N.",
        "text": b"hello " * 99,
        "a head alone": data[:40],
    }.items():
        yield _case(name, other)
    for name, make in LIARS.items():
        yield Case(
            name,
            lambda folder, make=make: make(folder / "x.mp4"),
            lambda folder: _decode(folder / "x.mp4"),
        )
    for number in range(count):
        yield _case(
            f"damaged clip {number}",
            damaged(data, rng, range(index, len(data)) if rng.random() < 0.5 else None),
        )


def _case(name: str, data: bytes) -> Case:
    return Case(
        f"clip: {name}",
        lambda folder: (folder / "x.mp4").write_bytes(data),
        lambda folder: _decode(folder / "x.mp4"),
    )


def _decode(path: Path) -> str:
    media = read_clip(path, lambda image: image.shape)
    if not len(media.seen) or not np.isfinite(media.signal).all():
        raise sandbox.Accepted(
            f"{len(media.seen)} frames, finite: {np.isfinite(media.signal).all()}"
        )
    return sandbox.HARMLESS


def _liar(path: Path, size: int, jump: int) -> None:
    """A clip of two square pictures, the second of which claims to be shown so many seconds
    later."""
    import av

    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        audio = container.add_stream("aac", rate=16000, layout="mono")
        video.width, video.height, video.pix_fmt = size, size, "yuv420p"
        packets = []
        for _ in range(2):
            frame = av.VideoFrame(size, size, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            packets += video.encode(frame)
        packets += video.encode(None)
        packets[-1].pts = packets[-1].dts = packets[0].pts + round(jump / packets[0].time_base)
        container.mux(packets)
        sound = av.AudioFrame.from_ndarray(
            np.zeros((1, 8000), np.float32), format="fltp", layout="mono"
        )
        sound.sample_rate, sound.pts = 16000, 0
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))


def _named(path: Path, ending: str) -> None:
    path.with_suffix(ending).rename(path)


def _kind(path: Path, **kind) -> None:
    """A clip as another device writes it, half a second long, with its tail cut off."""
    from kinds import Kind, write

    write(path, Kind(size=(222, 120), **kind), seconds=0.8)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 7 // 8] if kind.get("container") in ("mkv", "ts") else data)


LIARS = {
    "clip: a picture after a day": lambda path: _liar(path, 64, 86_400),
    "clip: pictures of 64 million pixels": lambda path: _liar(path, 8000, 1),
    "clip: turned by a quarter": lambda path: _kind(path, rotation=90),
    "clip: pixels a hundred times as long as high": lambda path: _kind(path, aspect=Fraction(100)),
    "clip: sound that begins late": lambda path: _kind(path, late=0.3),
    "clip: Matroska, cut": lambda path: (
        _kind(path.with_suffix(".mkv"), container="mkv") or _named(path, ".mkv")
    ),
    "clip: a transport stream, cut": lambda path: (
        _kind(path.with_suffix(".ts"), container="ts") or _named(path, ".ts")
    ),
}
FAMILIES = {"media": clips}
