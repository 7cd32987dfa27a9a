"""Reads a clip: one pass over the file gives its frames at 25 per second and its sound at 16 kHz.

Frames are handed on one by one and never kept, so that memory does not grow with a clip's length or its picture size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from avmc_core.errors import InputError
from avmc_core.schema import HOP_SECONDS

RATE = 16000  # samples per second
FPS = round(1 / HOP_SECONDS["vision"])
MAX_PIXELS, MAX_SECONDS = 2**24, 900  # of a picture and of a clip; a small file can claim any
VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm")


@dataclass(frozen=True)
class Media:
    """What one pass over a clip left: F frames as somebody saw them, and the sound."""

    seen: list[Any]  # (F,), what ``look`` returned for each frame
    signal: np.ndarray  # (S,) float32 in [-1, 1], mono, 16 kHz
    width: int  # of the picture, in pixels
    height: int

    @property
    def seconds(self) -> float:
        """The longer of picture and sound."""
        return max(len(self.seen) / FPS, len(self.signal) / RATE)


def extra(name: str) -> ModuleType:
    """A package of the optional extra ``extract``. Raises InputError with the remedy when it is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(
            f"package {name}", f"{error}", 'the extra "extract": pip install "avmc-companion[extract]"'
        ) from error


def read_clip(path: str | Path, look: Callable[[np.ndarray], Any]) -> Media:
    """Decodes a clip once. ``look`` is called with every frame, (H, W, 3) uint8 RGB, at 25 frames per second: frames of
    other rates are repeated or left out, none is blended.

    Raises InputError for a file that cannot be decoded to its end, for one without sound or without pictures, and for more
    than ``MAX_PIXELS`` or ``MAX_SECONDS``.
    """
    av = extra("av")
    seen, sound, heard, size = [], [], 0.0, (0, 0)
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise InputError(path, "no video track", "a clip with picture and sound")
            if not container.streams.audio:
                raise InputError(path, "no audio track", "a clip with picture and sound")
            streams = container.streams.video[0], container.streams.audio[0]
            if streams[0].width * streams[0].height > MAX_PIXELS:
                raise ValueError(f"pictures of {streams[0].width} by {streams[0].height} pixels")
            resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
            clock = _Clock()
            for packet in container.demux(*streams):
                for frame in packet.decode():
                    if packet.stream is streams[1]:
                        sound += [part.to_ndarray()[0] for part in resampler.resample(frame)]
                        heard += frame.samples / frame.sample_rate
                        if heard > MAX_SECONDS:
                            raise ValueError(f"more than {MAX_SECONDS} seconds of sound")
                        continue
                    image = frame.to_ndarray(format="rgb24")
                    size = image.shape[1], image.shape[0]
                    seen += [look(previous) for previous in clock.until(frame.time, image)]
            sound += [part.to_ndarray()[0] for part in resampler.resample(None)]
            seen += [look(image) for image in clock.rest(streams[0].average_rate)]
    except (av.FFmpegError, OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(path, f"{type(error).__name__}: {error}", "a video file that can be decoded") from None
    if not seen:
        raise InputError(path, "no frame in the video track", "a video file that can be decoded")
    if not sound:
        raise InputError(path, "no sample in the audio track", "a video file that can be decoded")
    return Media(seen, np.concatenate(sound), *size)


class _Clock:
    """Puts frames of any rate on the grid of 25 per second: each grid time shows the frame that is on at that time."""

    def __init__(self):
        self.image, self.start, self.time, self.count = None, 0.0, 0.0, 0

    def until(self, time: float | None, image: np.ndarray) -> Iterator[np.ndarray]:
        """A frame comes on at ``time`` (seconds; None: unknown); yields the one before for each grid time it was on."""
        time = self.time if time is None else float(time)
        if self.image is None:
            self.start = time
        if time - self.start > MAX_SECONDS:
            raise ValueError(f"a picture {time - self.start:.0f} seconds after the first")
        yield from self._shown(time)
        self.image, self.time = image, time

    def rest(self, rate: Any) -> Iterator[np.ndarray]:
        """Yields the last frame for the grid times of its own duration."""
        if self.image is not None:
            yield from self._shown(self.time + float(1 / rate) if rate else self.time + 1 / FPS)

    def _shown(self, time: float) -> Iterator[np.ndarray]:
        while self.image is not None and self.start + self.count / FPS < time - 1e-6:
            self.count += 1
            yield self.image
