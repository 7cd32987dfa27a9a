"""Reads a clip: one pass over the file gives its frames at 25 per second and its sound at 16 kHz,
both from one time zero.

Frames are handed on one by one and never kept, so that memory does not grow with a clip's length or
its picture size. ``pictures`` says how a picture leaves the decoder, ``sound`` how sound does, and
``streams`` which streams are read; this module decides at what time each picture and sound belongs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from avmc_core.clips import wholeness
from avmc_core.clips.pictures import MAX_PIXELS, Pictures
from avmc_core.clips.sound import MAX_SECONDS, RATE, Track, placed, silent
from avmc_core.clips.streams import BOTH, PICTURE, SOUND, chosen, moving, shown
from avmc_core.errors import InputError
from avmc_core.schema import HOP_SECONDS

FPS = round(1 / HOP_SECONDS["vision"])
# seconds that sound may begin before the picture: what a codec needs to start, cut off
RUN_IN = 0.1
BACK = 0.5  # seconds by which the times of pictures may run backwards

__all__ = [
    "BOTH",
    "FPS",
    "MAX_PIXELS",
    "MAX_SECONDS",
    "PICTURE",
    "RATE",
    "SOUND",
    "Media",
    "contents",
    "extra",
    "read_clip",
    "shown",
]


@dataclass(frozen=True)
class Media:
    """The result of one pass over a clip: what the caller made of each of F frames, and the
    sound."""

    seen: list[Any]  # (F,), what ``look`` returned for each frame
    signal: np.ndarray  # (S,) float32 in [-1, 1], mono, 16 kHz
    width: int  # of the picture as shown, in pixels
    height: int
    notes: tuple[str, ...] = ()  # what was chosen, turned, filled or assumed in reading

    @property
    def seconds(self) -> float:
        """The longer of picture and sound."""
        return max(len(self.seen) / FPS, len(self.signal) / RATE)


def extra(name: str) -> ModuleType:
    """Imports a package of the optional extra ``extract``. Raises InputError, which says how to
    install it, where it is missing."""
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(
            f"package {name}",
            f"{error}",
            "the extra: pip install --no-deps --require-hashes -r requirements-extract.lock",
        ) from error


def contents(path: str | Path) -> str:
    """What a clip contains: ``BOTH``, ``SOUND``, ``PICTURE``, or "" for neither or a file that
    cannot be opened."""
    av = extra("av")
    try:
        with av.open(_name(path)) as container:
            picture, sound = bool(moving(container)), bool(container.streams.audio)
    except (av.FFmpegError, OSError, ValueError):
        return ""
    return BOTH if picture and sound else PICTURE if picture else SOUND if sound else ""


def read_clip(path: str | Path, look: Callable[[np.ndarray], Any], parts: str = BOTH) -> Media:
    """Decodes a clip once. ``look`` is called with every frame, (H, W, 3) uint8 RGB, C-contiguous,
    upright and with square pixels, at 25 frames per second: frames of other rates are repeated or
    left out, none is blended.

    The clip begins with its picture. Sound that begins later has silence before it; where sound
    begins much earlier, the first picture is held. Of several video streams the moving one is read
    (a cover picture does not count as one), of several sound tracks the file's default, or the next
    where that is silent. ``parts``: ``BOTH``, or ``SOUND`` or ``PICTURE`` alone.

    Raises InputError for a file that cannot be decoded to its end, for one without what is asked of
    it, for times that jump back, for pictures that change their shape, and for more than
    ``MAX_PIXELS`` or ``MAX_SECONDS``.
    """
    av = extra("av")
    video, tracks, notes = _Video(), {}, []
    try:
        with av.open(_name(path)) as container:
            streams = chosen(path, container, parts, notes)
            tracks = {stream.index: Track(av) for stream in streams if stream.type == "audio"}
            starts = [
                float(s.start_time * s.time_base)
                for s in streams
                if s.type == "audio" and s.start_time is not None
            ]
            video.sound_starts = min(starts[:1], default=None)
            for packet in container.demux(*streams):
                for frame in packet.decode():
                    if packet.stream.type == "audio":
                        tracks[packet.stream.index].add(frame)
                    else:
                        video.add(frame, packet.stream, look)
            stated = (container.duration or 0) + max(container.start_time or 0, 0)
            video.finish(look, stated / 1e6)
            read = [stream.index for stream in streams]
            until = _read_until(container, video, tracks)
            notes += wholeness.of_the_end(Path(path), container, read, until)
        zero = video.clock.start if video.seen else None
        signal = _heard(tracks, zero, notes)
    except (av.FFmpegError, OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        until = len(video.seen) / FPS if isinstance(error, av.FFmpegError) else 0.0
        raise InputError(shown(path), *wholeness.of_a_refusal(Path(path), error, until)) from None
    if parts != SOUND and not video.seen:
        raise InputError(
            shown(path), "no frame in the video track", "a video file that can be decoded"
        )
    if parts != PICTURE and not len(signal):
        raise InputError(
            shown(path), "no sample in the audio track", "a video file that can be decoded"
        )
    if parts == BOTH:
        notes += wholeness.of_ends(len(video.seen) / FPS, len(signal) / RATE)
    return Media(video.seen, signal, *video.size, (*notes, *video.notes))


def picture_times(path: str | Path) -> np.ndarray:
    """(N,) seconds, from the clip's time zero, at which each of the N pictures in its file comes
    on; empty where the file cannot be opened or does not say. Nothing is decoded."""
    try:
        av = extra("av")
    except InputError:  # tables alone can be read without it
        return np.zeros(0)
    try:
        with av.open(_name(path)) as container:
            streams = chosen(path, container, BOTH if container.streams.audio else PICTURE, [])
            (video, *sounds) = streams
            timestamps = [
                p.pts
                for p in container.demux(video)
                if p.size and p.pts is not None and not p.is_discard
            ]
            times = np.sort(np.array(timestamps, dtype=np.float64)) * float(video.time_base)
            starts = [
                float(s.start_time * s.time_base) for s in sounds[:1] if s.start_time is not None
            ]
    except (av.FFmpegError, OSError, ValueError):
        return np.zeros(0)
    if not len(times):
        return times
    held = starts and times[0] - starts[0] > RUN_IN
    return times - (starts[0] if held else times[0])


def _name(path: str | Path) -> str:
    """The file under this very name: without the prefix ``a:b.mp4`` would be asked of a protocol
    ``a``."""
    return f"file:{os.path.abspath(path)}"


def _read_until(container: Any, video: _Video, tracks: dict[int, Track]) -> float:
    """Seconds from the file's beginning, time zero or before, to the end of what was read."""
    ends = [track.end for track in tracks.values()]
    if video.seen:
        ends.append(video.clock.start + len(video.seen) / FPS)
    return max(ends, default=0.0) - min(container.start_time or 0, 0) / 1e6


def _heard(tracks: dict[int, Track], zero: float | None, notes: list[str]) -> np.ndarray:
    """The sound (S,) from the clip's time ``zero`` on: of the first track that is not silent."""
    signals = [track.signal() for track in tracks.values()]
    if not signals:
        return np.zeros(0, np.float32)
    loud = [number for number, signal in enumerate(signals) if not silent(signal)]
    number = loud[0] if loud else 0
    track, signal = list(tracks.values())[number], signals[number]
    if len(signals) > 1:
        notes.append(
            f"sound track {number + 1} of {len(signals)} heard"
            + (": those before it are silent" if number else "")
        )
    notes += track.notes
    late = track.start - zero if len(signal) and zero is not None else 0.0
    if late > 1 / FPS:
        notes.append(f"the sound begins {late:.2f} s after the picture: silence before it")
    if len(signal) and late > MAX_SECONDS:
        raise ValueError(f"sound that begins {late:.0f} seconds after the picture")
    return placed(signal, late)


class _Video:
    """The pictures of a clip, handed on to the caller one by one."""

    def __init__(self):
        self.seen: list[Any] = []
        self.size, self.clock = (0, 0), _Clock()
        self.frames = self.damaged = 0
        self.sound_starts: float | None = None
        self._pictures: Pictures | None = None
        self._rate: Any = None
        self._lasting = 0.0  # seconds that the last frame says it stays on
        self._notes: list[str] = []

    @property
    def notes(self) -> tuple[str, ...]:
        damage = f"{self.damaged} of {self.frames} pictures are damaged in the file"
        return (
            *self._notes,
            *(self._pictures.notes if self._pictures else ()),
            *([damage] if self.damaged else []),
        )

    def add(self, frame: Any, stream: Any, look: Callable[[np.ndarray], Any]) -> None:
        if self._pictures is None:
            reformatter = extra("av.video.reformatter").VideoReformatter()
            self._pictures = Pictures(reformatter, stream.sample_aspect_ratio)
            self._rate = stream.average_rate
        self._lasting = float((frame.duration or 0) * (frame.time_base or 0))
        image = self._pictures(frame)
        self.frames, self.damaged = self.frames + 1, self.damaged + frame.is_corrupt
        if not self.seen and self.clock.image is None:
            self.size = image.shape[1], image.shape[0]
            time = float(frame.time or 0.0)
            if self.sound_starts is not None and time - self.sound_starts > RUN_IN:
                self.clock.hold(image, self.sound_starts)
                early = time - self.sound_starts
                self._notes.append(
                    f"the picture begins {early:.2f} s after the sound: its first frame is held"
                )
        self.seen += [look(previous) for previous in self.clock.until(frame.time, image)]

    def finish(self, look: Callable[[np.ndarray], Any], stated: float) -> None:
        """The last frame stays on as long as it says, until the end ``stated`` for the file."""
        end = min(self.clock.time + self._lasting, stated)
        self.seen += [look(image) for image in self.clock.rest(end, self._rate)]


class _Clock:
    """Puts frames of any rate on the grid of 25 per second: each grid time shows the frame that is
    on at that time."""

    def __init__(self):
        self.image, self.start, self.time, self.count = None, 0.0, 0.0, 0

    def hold(self, image: np.ndarray, start: float) -> None:
        """The clip begins at ``start``, with this picture."""
        self.image, self.start, self.time = image, start, start

    def until(self, time: float | None, image: np.ndarray) -> Iterator[np.ndarray]:
        """A frame comes on at ``time`` (seconds; None: unknown); yields the one before for each
        grid time it was on."""
        time = self.time if time is None else float(time)
        if self.image is None:
            self.start = self.time = time
        if time - self.start > MAX_SECONDS:
            raise ValueError(f"a picture {time - self.start:.0f} seconds after the first")
        if time < self.time - BACK:
            raise ValueError(
                f"pictures whose times jump back by {self.time - time:.1f} s: write the clip again"
            )
        yield from self._shown(time)
        self.image, self.time = image, time

    def rest(self, end: float, rate: Any) -> Iterator[np.ndarray]:
        """Yields the last frame for the grid times until ``end``, or of one frame at ``rate``."""
        if end - self.start > MAX_SECONDS:  # a slip of the program that wrote the file
            end = self.time
        yield from self._shown(max(end, self.time + float(1 / (rate or FPS))))

    def _shown(self, time: float) -> Iterator[np.ndarray]:
        while self.image is not None and self.start + self.count / FPS < time - 1e-6:
            self.count += 1
            yield self.image
