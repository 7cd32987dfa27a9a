"""Whether a clip's file is whole. A decoder goes on silently where a recording was cut, a download
ended early or some bytes were lost; what it left out is said here."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

from avmc_core.files.kinds import foreign

# seconds, and share of the clip, by which an end may come early without a word
EARLY, SHARE = 0.4, 0.05
# containers whose header states how long they are; of others FFmpeg makes an estimate
_STATING = frozenset({"matroska", "webm", "mov", "mp4", "flv", "asf"})
_ANEW = "a video file that can be decoded: copy, download or record it again"
_PARTS = 64  # of a file that are looked at
_UNKNOWN = (0, 2**32 - 1)  # sizes in the header of a file that was not finished
_PADDING = 4096  # bytes that some programs leave at a file's end


def early(by: float, of: float) -> bool:
    """Whether an end that comes ``by`` seconds before that of ``of`` seconds has to be said."""
    return by > max(EARLY, SHARE * of)


def of_ends(picture: float, sound: float) -> list[str]:
    """A sentence where, of picture and sound, one ends well before the other; seconds."""
    for first, until, other, end in (
        ("picture", picture, "sound", sound),
        ("sound", sound, "picture", picture),
    ):
        if early(end - until, end):
            return [f"the {first} ends {end - until:.2f} s before the {other}"]
    return []


def of_the_end(path: Path, container: Any, seconds: float) -> list[str]:
    """A sentence where the file ends well before what its header states; ``seconds``: what was
    read, of all that it holds. Only of an open container of sound and picture alone: subtitles may
    be longer."""
    kinds = {stream.type for stream in container.streams}
    if kinds <= {"video", "audio"} and _STATING & set(container.format.name.split(",")):
        stated = (container.duration or 0) / 1e6
        if early(stated - seconds, stated):
            return [
                f"the file ends at {seconds:.2f} s of the {stated:.2f} s that it states: it was cut"
            ]
    stated, there = _riff_bytes(path), path.stat().st_size
    if stated > there + 1:
        return [f"the file has {there} of the {stated} bytes that it states: it was cut"]
    if 0 < stated < there - _PADDING:
        return [f"{there - stated} bytes after the end that the file states are not read"]
    return []


def _riff_bytes(path: Path) -> int:
    """Where a WAV or AVI file ends according to its headers, in bytes; 0 for a file of another
    kind, and for one that was written while its length was not known."""
    with path.open("rb") as file:
        head = file.read(12)
        if len(head) < 12 or not head.startswith(b"RIFF"):
            return 0
        if head[8:] != b"WAVE":
            return _end_of_parts(file)
        for _ in range(_PARTS):
            at = file.tell()
            head = file.read(8)
            if len(head) < 8 or not head[:4].isascii() or not head[:4].decode().isprintable():
                return at
            size = struct.unpack("<4xI", head)[0]
            if size in _UNKNOWN:
                return 0
            file.seek(size + size % 2, 1)
    return 0


def _end_of_parts(file: BinaryIO) -> int:
    """The end of the last of an AVI file's parts, each of at most a gigabyte; 0 if one was written
    while its length was not known."""
    end = 0
    for _ in range(_PARTS):
        file.seek(end)
        head = file.read(12)
        if len(head) < 12 or not head.startswith(b"RIFF"):
            break
        whole = struct.unpack("<4xI", head[:8])[0]
        if whole in _UNKNOWN:
            return 0
        end += 8 + whole + whole % 2
    return end


def of_a_refusal(path: Path, error: Exception, seconds: float) -> tuple[str, str]:
    """What is wrong with a file that could not be decoded, and what to do; ``seconds``: how far it
    was read before the ``error``."""
    said = _said(error)
    try:
        if (other := foreign(path)) is not None:
            return other
        if _without_index(path):
            return "an MP4 or MOV file without its index, which is written last: it was cut", _ANEW
    except OSError:
        return said, "a video file that can be decoded"
    if seconds and type(error) is not ValueError:
        return f"damage after {seconds:.2f} s ({said})", _ANEW
    return said, "a video file that can be decoded"


def _said(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if type(error) is ValueError:
        return str(error)
    text = getattr(error, "strerror", None) or str(error).split(": 'file:")[0]
    return f"{type(error).__name__}: {text.encode('utf-8', 'backslashreplace').decode()}"


def _without_index(path: Path) -> bool:
    """Whether the outermost boxes of an MP4 or MOV file have no ``moov`` among them."""
    size, at, seen = path.stat().st_size, 0, []
    with path.open("rb") as file:
        for _ in range(_PARTS):
            file.seek(at)
            head = file.read(16)
            if len(head) < 8:
                break
            length, kind = struct.unpack(">I4s", head[:8])
            if length == 1 and len(head) == 16:
                length = struct.unpack(">Q", head[8:])[0]
            seen.append(kind)
            at += length
            if length < 8 or at >= size:
                break
    return seen[:1] == [b"ftyp"] and b"moov" not in seen
