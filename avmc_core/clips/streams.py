"""Which streams of a clip's file are read: the moving picture and the sound tracks."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

from avmc_core.errors import InputError
from avmc_core.files import names

MAX_TRACKS = 8  # sound tracks that are listened to
SOUND, PICTURE, BOTH = "sound", "picture", "both"  # what is read of a clip


def shown(path: str | Path) -> str:
    """A path as text that can be printed and written, whatever the bytes of the names in it."""
    return "/".join(map(names.shown, os.fspath(path).split("/")))


def moving(container: Any) -> list[Any]:
    """The video streams that hold moving pictures, the best first: no cover, no thumbnails; where
    several are left, no stream of a single picture; then the file's default, then the largest.
    Streams in a codec that is not known are left out."""
    known = [stream for stream in container.streams.video if stream.codec_context is not None]
    streams = [stream for stream in known if not _still(stream)]
    if len(streams) > 1:
        counts = Counter(packet.stream.index for packet in container.demux(*streams) if packet.size)
        container.seek(0)
        streams = [stream for stream in streams if counts[stream.index] > 1] or streams
    return sorted(
        streams,
        key=lambda stream: (
            not stream.disposition & 1,
            -(stream.width or 0) * (stream.height or 0),
        ),
    )


def _still(stream: Any) -> bool:
    # attached picture, timed thumbnails, still image
    return bool(stream.disposition & (1024 | 2048 | 1048576))


def audible(container: Any) -> list[Any]:
    """At most ``MAX_TRACKS`` sound tracks: first the ordinary ones, then commentaries and tracks
    for people who cannot see or hear; within each group, the file's default first."""
    aside = 8 | 128 | 256 | 131072
    order = sorted(
        container.streams.audio, key=lambda s: (bool(s.disposition & aside), not s.disposition & 1)
    )
    return order[:MAX_TRACKS]


def chosen(path: str | Path, container: Any, parts: str, notes: list[str]) -> list[Any]:
    """The video stream and the sound tracks to decode. Raises InputError where something asked for
    is not there."""
    pictures = moving(container) if parts != SOUND else []
    tracks = audible(container) if parts != PICTURE else []
    if parts != SOUND and not pictures:
        lack = "no video track"
        if any(map(_still, container.streams.video)):
            lack += ", only a still picture such as a cover"
        elif container.streams.video:
            lack = "a video codec that is not known"
        raise InputError(shown(path), lack, "a clip with picture and sound")
    if parts != PICTURE and not tracks:
        raise InputError(shown(path), "no audio track", "a clip with picture and sound")
    if parts != SOUND and len(container.streams.video) > 1:
        one = pictures[0]
        notes.append(
            f"video stream {one.index}, {one.width} by {one.height}, read of "
            f"{len(container.streams.video)}"
        )
    return [*pictures[:1], *tracks]
