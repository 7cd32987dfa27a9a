"""Chooses the speaking face by a rule without weights: the mouth that moves with the sound. Kept
for comparison with networks.

It chooses one face for the whole clip, cannot tell that nobody in the picture speaks, does not
follow a change of speakers, and is lost when two people speak or laugh together or when a mouth is
small, turned away or covered.
"""

from __future__ import annotations

import numpy as np

from avmc_core.clips.media import RATE
from avmc_core.schema import HOP_SECONDS, columns

NAME = "synchrony of mouth opening and loudness (a rule, not an active-speaker model)"
LAGS = range(-4, 5)  # frames by which the mouth may run ahead of its sound (negative) or behind it
LEAST = 10  # frames that a face has to be seen for a correlation

_COLUMN = {name: number for number, name in enumerate(columns("vision"))}
_INNER_LIPS = ((61, 67), (62, 66), (63, 65))  # upper and lower points
_EYES = (36, 45)  # outer corners


def choose(tracks: list[np.ndarray], signal: np.ndarray) -> tuple[int, str]:
    """The row of the speaking face among ``tracks``, each (F, 177) with NaN where not found, and
    how it was chosen.

    ``signal`` (S,) is the sound at 16 kHz.
    """
    if len(tracks) == 1:
        return 0, "one face"
    scores = [synchrony(track, signal) for track in tracks]
    return int(np.argmax(scores)), NAME


def synchrony(track: np.ndarray, signal: np.ndarray) -> float:
    """The highest Pearson correlation of mouth opening and loudness over ``LAGS``; -1 where it
    cannot be measured."""
    opening = mouth_opening(track)
    sound = loudness(signal, len(track))
    best = -1.0
    for lag in LAGS:
        mouth, voice = (
            (opening[:lag], sound[-lag:]) if lag < 0 else (opening[lag:], sound[: len(sound) - lag])
        )
        seen = np.isfinite(mouth)
        if seen.sum() >= LEAST and np.ptp(mouth[seen]) > 0 and np.ptp(voice[seen]) > 0:
            best = max(best, float(np.corrcoef(mouth[seen], voice[seen])[0, 1]))
    return best


def mouth_opening(track: np.ndarray) -> np.ndarray:
    """(F,) mean distance of the inner lips as a share of the distance between the outer corners of
    the eyes."""

    def distance(a: int, b: int) -> np.ndarray:
        return np.hypot(
            *(track[:, _COLUMN[f"{axis}_{a}"]] - track[:, _COLUMN[f"{axis}_{b}"]] for axis in "xy")
        )

    return np.mean([distance(*pair) for pair in _INNER_LIPS], axis=0) / distance(*_EYES)


def loudness(signal: np.ndarray, frames: int) -> np.ndarray:
    """(F,) root of the mean absolute sample in each video frame, zero after the end of the
    sound."""
    width = round(RATE * HOP_SECONDS["vision"])
    padded = np.zeros(frames * width)
    padded[: min(len(signal), len(padded))] = np.abs(signal[: len(padded)])
    return np.sqrt(padded.reshape(frames, width).mean(axis=1))
