"""Chooses the speaker among several faces in one of three ways: Light-ASD, TalkNet, or a rule
without weights.

The two networks give each face a score in each frame, so that the speaker may change. With TalkNet
frames in which no face reaches zero are left out, as in the paper (Section 3.3). With Light-ASD,
which is the default, the speaker remains the speaker in pauses of up to a second where the speech
about them is as long, and if several faces speak, the one with the highest mean score over a second
is taken. Its scores say who speaks, not whose voice it is: where several speak most of the time,
the one whose mouth moves in time with the sound is taken, if one clearly does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avmc_core.clips import active_speaker, light_asd, speaker, talknet
from avmc_core.clips.media import FPS, extra
from avmc_core.errors import InputError
from avmc_core.schema import columns

WAYS = ("light-asd", "rule")  # a file with TalkNet's weights is the third
PAUSE = FPS  # frames for which the speaker may be silent
BOTH = 0.1  # share of frames with several speakers from which on it is said
MOSTLY = 0.5  # share of frames from which on a face speaks most of the time
AHEAD = 0.1  # by which the face that is heard leads the others in synchrony of mouth and sound

_NOSE = columns("vision").index("x_30")


@dataclass(frozen=True)
class Choice:
    """Which of the K faces speaks in each of the F frames of a clip, and how it was chosen."""

    faces: np.ndarray  # (F,) row of the speaking face, -1 where nobody speaks
    how: str  # which way chose
    chosen: str  # which face, in words: they count from the left of the picture
    doubt: str = ""  # doubts about the choice, in words


def check_way(way: str, talknet_weights: str) -> None:
    """Raises InputError for an unknown way of choosing the speaker, for a missing package, and for
    weights that cannot be used."""
    if way not in WAYS:
        raise InputError("speaker", repr(way), f"{' or '.join(WAYS)}, or TalkNet's weights")
    if talknet_weights:
        extra("cv2")
        talknet.load(talknet_weights)
    elif way == "light-asd":
        extra("cv2")
        light_asd.load()


def version(way: str, talknet_weights: str) -> str:
    """The name and version of what chooses the speakers, for a store's manifest."""
    if talknet_weights:
        return talknet.version(talknet_weights)
    return light_asd.version() if way == "light-asd" else speaker.NAME


def choose(
    clip: str | Path,
    tracks: list[np.ndarray],
    signal: np.ndarray,
    way: str = WAYS[0],
    talknet_weights: str = "",
) -> Choice:
    """The speaker among ``tracks``, each (F, 177) in pixels with NaN where not found; ``signal``
    (S,) is the sound at 16 kHz.

    ``talknet_weights``: a file, which decides instead of ``way``. A single face is taken for the
    speaker's without being scored.
    """
    if len(tracks) == 1:
        return Choice(np.zeros(len(tracks[0]), int), "one face", "the only face")
    doubt = ""
    if talknet_weights:
        how = talknet.NAME
        scores = active_speaker.scores(clip, tracks, signal, talknet.load(talknet_weights))
        faces = active_speaker.speaking(scores)
        doubt = _doubt(scores)
    elif way == "light-asd":
        how, scores = light_asd.NAME, active_speaker.scores(clip, tracks, signal, light_asd.load())
        faces, doubt = active_speaker.speaking(scores, around=FPS), _doubt(scores)
        if (heard := in_time(scores, tracks, signal)) >= 0:
            faces = np.where(scores[heard] >= 0, heard, faces)
            doubt += ": the face whose mouth moves in time with the sound is taken"
        faces = through_pauses(faces)
    else:
        row, how = speaker.choose(tracks, signal)
        faces = np.full(len(tracks[0]), row)
        doubt = "the rule takes a face even where nobody in the picture speaks"
    return Choice(faces, how, _in_words(faces, tracks), doubt)


def in_time(scores: np.ndarray, tracks: list[np.ndarray], signal: np.ndarray) -> int:
    """Of several faces that speak most of the time, and at once, the row of the one whose mouth
    moves in time with the sound; -1 where not several do, or none is clearly ahead. ``scores`` (K,
    F), ``tracks`` and ``signal`` as in ``choose``."""
    speak = scores >= 0  # False where a face is not judged
    rows = np.flatnonzero(speak.mean(axis=1) > MOSTLY)
    if len(rows) < 2 or (speak[rows].sum(axis=0) > 1).mean() <= MOSTLY:
        return -1
    synchrony = np.array([speaker.synchrony(tracks[row], signal) for row in rows])
    second, first = np.sort(synchrony)[-2:]
    return int(rows[synchrony.argmax()]) if first - second >= AHEAD else -1


def through_pauses(faces: np.ndarray) -> np.ndarray:
    """(F,) speaking faces, where frames without one (-1) take that of the nearest stretch of
    speech, of two equally near the earlier. A stretch reaches ``PAUSE`` frames before and after it,
    and no farther than it is long: a few frames alone do not count as speech.
    """
    starts = np.flatnonzero(np.diff(faces, prepend=-1) * (faces >= 0))
    frames = np.arange(len(faces))
    nearest, filled = np.full(len(faces), PAUSE + 1), faces.copy()
    for start in starts:
        other = np.flatnonzero(faces[start:] != faces[start])
        stop = start + (int(other[0]) if len(other) else len(faces) - start)
        away = np.maximum(np.maximum(start - frames, frames - stop + 1), 0)
        taken = (faces < 0) & (away < nearest) & (away <= min(PAUSE, stop - start))
        filled[taken], nearest[taken] = faces[start], away[taken]
    return filled


def _doubt(scores: np.ndarray) -> str:
    several = float(((scores > 0).sum(axis=0) > 1).mean())
    if several <= BOTH:
        return ""
    return (
        f"more than one face seems to speak in {several:.0%} of the frames, so the choice is "
        "uncertain"
    )


def _in_words(faces: np.ndarray, tracks: list[np.ndarray]) -> str:
    """Such as "2 of 3 from the left", or, with changes, "1 and 2 of 2 from the left (60 %, 40
    %)"."""
    order = np.argsort([np.nanmedian(track[:, _NOSE]) for track in tracks]).argsort() + 1
    shares = {
        int(order[row]): float((faces == row).mean())
        for row in range(len(tracks))
        if (faces == row).any()
    }
    if not shares:
        return f"none of {len(tracks)}"
    listed = " and ".join(str(number) for number in sorted(shares))
    parts = ", ".join(f"{shares[number]:.0%}" for number in sorted(shares))
    return f"{listed} of {len(tracks)} from the left" + (
        f" ({parts} of the frames)" if len(shares) > 1 else ""
    )
