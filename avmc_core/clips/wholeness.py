"""Whether a clip's file is whole. A decoder goes on silently where a recording was cut, a download
ended early or some bytes were lost; what it left out is said here.

Only where that is certain: MP3, MPEG, Ogg and ASF files do not state how long they are, and
where streams are left aside, such as subtitles, the length stated may be theirs.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection
from pathlib import Path
from typing import Any, BinaryIO

from avmc_core.files.kinds import foreign

# seconds, and share of the clip, by which an end may come early without a word
EARLY, SHARE = 0.4, 0.05
# containers whose header states how long they are; of others FFmpeg makes an estimate
_STATING = frozenset({"matroska", "webm", "mov", "mp4", "flv"})
_ANEW = "a video file that can be decoded: copy, download or record it again"
_PARTS = 64  # of a file that are looked at
_UNFINISHED = 0x7FFFF000 - 64  # sizes from here on are written while a length is not yet known
_PADDING = 4096  # bytes by which programs miscount, or which they leave at a file's end
_TAG = re.compile(rb"\0?(TAG|ID3|\w{3}[\w ])")  # the name of a part that is not sound or picture
# how the brands of MP4, MOV and 3GP files begin, in contrast to those of still pictures
_VIDEO_BRANDS = (b"iso", b"mp4", b"M4", b"qt", b"avc1", b"3g", b"dash", b"MSNV", b"f4v", b"XAVC")


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


def of_the_end(path: Path, container: Any, read: Collection[int], seconds: float) -> list[str]:
    """A sentence where the file ends well before what its header states. ``read``: the numbers of
    the streams of the open ``container`` that were read, to ``seconds`` after its beginning."""
    whole = {stream.index for stream in container.streams} == set(read)
    if whole and _STATING & set(container.format.name.split(",")):
        stated = (container.duration or 0) / 1e6
        if early(stated - seconds, stated):
            return [
                f"the file ends at {seconds:.2f} s of the {stated:.2f} s that it states: it was cut"
            ]
    there = path.stat().st_size
    with path.open("rb") as file:
        stated = _stated_bytes(file)
        file.seek(stated)
        rest = file.read(2**20)
    if stated > there + _PADDING:
        return [f"the file has {there} of the {stated} bytes that it states: it was cut"]
    if 0 < stated < there - _PADDING and any(rest) and not _TAG.match(rest):
        return [f"{there - stated} bytes after the end that the file states are not read"]
    return []


def _stated_bytes(file: BinaryIO) -> int:
    """Where the sound of a WAV file or the last of an AVI file's parts, each of at most a gigabyte,
    ends according to its header, in bytes; 0 for a file of another kind, and for one that was
    written while its length was not known."""
    head, end = file.read(12), 0
    if not head.startswith(b"RIFF"):
        return 0
    wave = head[8:] == b"WAVE"
    file.seek(12 if wave else 0)
    for _ in range(_PARTS):
        head = file.read(8)
        if len(head) < 8 or not (wave or head.startswith(b"RIFF")):
            break
        size = struct.unpack("<4xI", head)[0]
        if not 0 < size < _UNFINISHED:
            return 0
        end = file.tell() + size
        if head.startswith(b"data"):
            return end
        file.seek(end + size % 2)
    return 0 if wave else end


def of_a_refusal(path: Path, error: Exception, seconds: float) -> tuple[str, str]:
    """What is wrong with a file that could not be decoded, and what to do; ``seconds``: how far it
    was read before the decoder's ``error``, 0 for an error of another kind."""
    message = _message(error)
    try:
        if (other := foreign(path)) is not None:
            return other
        if _without_index(path):
            return "an MP4 or MOV file without its index, which is written last: it was cut", _ANEW
    except OSError:
        return message, "a video file that can be decoded"
    if seconds:
        return f"damage after {seconds:.2f} s ({message})", _ANEW
    return message, "a video file that can be decoded"


def _message(error: Exception) -> str:
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
        if not file.read(12).startswith(_VIDEO_BRANDS, 8):
            return False
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
