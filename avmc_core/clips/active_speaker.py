"""Who speaks in each frame: faces are cut out of the clip and shown to a network together with the
sound.

What TalkNet (Tao et al. 2021) and Light-ASD (Liao et al. 2023) have in common. The inputs are those
of their public demos: MFCCs at 100 per second, grey faces of 112 pixels at 25 per second, scores
averaged over windows of 1 to 6 seconds and then over five frames. The demos write those lengths as
a set in which 1, 2 and 3 stand several times; a set holds each of them once. Two things differ: the
demos find faces with a detector of their own, here a face's box follows from its landmarks; and the
demos round scores to tenths.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy.ndimage import median_filter, uniform_filter1d

from avmc_core.clips.media import FPS, RATE, extra, read_clip
from avmc_core.clips.mfcc import mfcc
from avmc_core.schema import columns

if TYPE_CHECKING:
    from torch import Tensor

SECONDS = (1, 2, 3, 4, 5, 6)  # lengths of the windows
GAP = 10  # frames that a face may be lost for within a stretch
SHORTEST = 10  # frames: a stretch that is seen in no more is not judged
# frames of the median over a box's place and size, and of the mean over scores
SMOOTH_BOX, SMOOTH_SCORE = (13, 5)
MARGIN = 0.4  # around the box, in half sizes
PADDING = 110  # grey level outside the picture
SIDE = 112  # pixels of a face
LOWEST = -5.0  # stands in for the score of a face that is not judged, in means over time
BLOCK = 50  # frames looked at together, which bounds the memory
PER_FRAME = RATE // FPS  # samples

_NAMES = columns("vision")
_X, _Y = ([_NAMES.index(f"{axis}_{point}") for point in range(68)] for axis in "xy")


class Network(Protocol):
    """A network that says whether a face speaks."""

    context: int  # frames on either side that the features of a frame depend on

    def look(self, faces: Tensor) -> Tensor:
        """(T, D) features of faces (T, 112, 112) with grey levels from 0 to 255."""

    def __call__(self, looks: Tensor, sound: Tensor) -> Tensor:
        """(T,) scores, above 0 where the face speaks, from what ``look`` returned and MFCCs (4 T,
        13)."""


@dataclass(frozen=True)
class Stretch:
    """A face on neighbouring frames."""

    face: int
    start: int  # its first frame
    boxes: np.ndarray  # (T, 3) pixels: centre x, y and half the size
    pictures: np.ndarray  # (T, 112, 112) uint8


def scores(
    clip: str | Path, tracks: list[np.ndarray], signal: np.ndarray, network: Network
) -> np.ndarray:
    """(K, F) scores of the K faces in ``tracks``, each (F, 177) in pixels with NaN where not found:
    0 or above where a face speaks, NaN where it is not judged. The clip is decoded once more for
    the pictures of the faces.

    ``signal`` (S,) is the sound at 16 kHz; frames after its end are not judged.
    """
    frames = len(tracks[0])
    sound = steps_of(signal, frames)
    judged = np.full((len(tracks), frames), np.nan)
    for stretch in faces(clip, tracks):
        stop = stretch.start + len(stretch.pictures)
        heard = sound[4 * stretch.start : 4 * stop]
        judged[stretch.face, stretch.start : stop] = judge(network, stretch.pictures, heard)
    judged[:, -(-len(signal) // PER_FRAME) :] = np.nan
    return judged


def speaking(scores: np.ndarray, around: int = 1) -> np.ndarray:
    """(F,) the face that speaks in each frame, -1 where none does, from scores (K, F). If several
    speak, it is the one with the highest mean score over the ``around`` frames about this one."""
    known = np.where(np.isnan(scores), -np.inf, scores)
    nearby = np.where(np.isnan(scores), LOWEST, scores)
    likely = uniform_filter1d(nearby, around, axis=1, mode="nearest")
    return np.where(
        known.max(axis=0) >= 0, np.where(known >= 0, likely, -np.inf).argmax(axis=0), -1
    )


def steps_of(signal: np.ndarray, frames: int) -> np.ndarray:
    """(4 F, 13) float32 MFCCs, four per frame; where the sound ends early it starts again, as in
    the public code."""
    steps = mfcc(np.clip(np.round(signal * 2.0**15), -(2**15), 2**15 - 1))[: 4 * frames]
    return np.pad(steps, ((0, 4 * frames - len(steps)), (0, 0)), mode="wrap").astype(np.float32)


def judge(network: Network, pictures: np.ndarray, sound: np.ndarray) -> np.ndarray:
    """(T,) scores of a face (T, 112, 112) uint8 with MFCCs (4 T, 13): the mean over windows of
    every length, smoothed.

    A window knows nothing of the frames around it. Only ``network.context`` features at either end
    of it are touched by that: the others are computed once for windows of all lengths, and so are
    the ends of windows that begin or end together.
    """
    import torch

    shown, heard, total = torch.from_numpy(pictures), torch.from_numpy(sound), len(pictures)
    edge = network.context
    window_scores = np.zeros((len(SECONDS), total))

    @cache
    def looks(start: int, stop: int) -> Tensor:
        return network.look(shown[start:stop])

    with torch.no_grad():
        blocks = []
        for start in range(0, total, BLOCK):
            before = min(start, edge)
            blocks.append(
                network.look(shown[start - before : start + BLOCK + edge])[before : before + BLOCK]
            )
        whole = torch.cat(blocks)
        for row, seconds in enumerate(SECONDS):
            for start in range(0, total, FPS * seconds):
                stop = min(start + FPS * seconds, total)
                if stop - start < 2 * edge:
                    window = looks(start, stop)
                else:
                    window = whole[start:stop].clone()
                    if start > 0:
                        window[:edge] = looks(start, start + 2 * edge)[:edge]
                    if stop < total:
                        window[-edge:] = looks(stop - 2 * edge, stop)[-edge:]
                window_scores[row, start:stop] = network(
                    window, heard[4 * start : 4 * stop]
                ).numpy()
    near = np.ones(SMOOTH_SCORE)
    return np.convolve(window_scores.mean(axis=0), near, "same") / np.convolve(
        np.ones(total), near, "same"
    )


def faces(clip: str | Path, tracks: list[np.ndarray]) -> list[Stretch]:
    """The stretches of all faces, with their pictures from the clip."""
    cv2, face_stretches = extra("cv2"), []
    for face, track in enumerate(tracks):
        for part in stretches(np.isfinite(track).all(axis=1)):
            boxes = boxes_of(track[part])
            face_stretches.append(
                Stretch(face, part.start, boxes, np.zeros((len(boxes), SIDE, SIDE), np.uint8))
            )
    number = count()

    def look(image: np.ndarray) -> None:
        frame, grey = next(number), cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
        for stretch in face_stretches:
            if 0 <= frame - stretch.start < len(stretch.boxes):
                stretch.pictures[frame - stretch.start] = crop(
                    grey, *stretch.boxes[frame - stretch.start]
                )

    read_clip(clip, look)
    return face_stretches


def stretches(visible: np.ndarray) -> Iterator[slice]:
    """The frames of a face, ``visible`` (F,) or not, without long gaps and without stretches
    too short to be judged."""
    frames = np.flatnonzero(visible)
    for part in np.split(frames, np.flatnonzero(np.diff(frames) > GAP) + 1):
        if len(part) > SHORTEST:
            yield slice(int(part[0]), int(part[-1]) + 1)


def boxes_of(track: np.ndarray) -> np.ndarray:
    """(T, 3) centres and half sizes of the box around a face (T, 177), smoothed, straight lines in
    gaps.

    From brows to chin is two thirds of a face's height; the landmarks end at the brows, so that the
    box goes higher.
    """
    x, y = track[:, _X], track[:, _Y]
    left, right, brows, chin = x.min(axis=1), x.max(axis=1), y.min(axis=1), y.max(axis=1)
    top = brows - (chin - brows) / 2
    boxes = np.stack(
        [(left + right) / 2, (top + chin) / 2, np.maximum(right - left, chin - top) / 2], axis=1
    )
    seen = np.flatnonzero(np.isfinite(boxes).all(axis=1))
    filled = [np.interp(np.arange(len(boxes)), seen, column[seen]) for column in boxes.T]
    return np.stack(
        [median_filter(column, SMOOTH_BOX, mode="constant") for column in filled], axis=1
    )


def crop(grey: np.ndarray, x: float, y: float, half: float) -> np.ndarray:
    """The face in a picture (H, W) uint8 as the network sees it, (112, 112): the middle half of a
    window that begins at the box's top and is ``MARGIN`` wider to the left, the right and, twice,
    below."""
    half = max(half, 2.0)
    pad = int(half * (1 + 2 * MARGIN))
    padded = np.pad(grey, pad, constant_values=PADDING)
    height, width = grey.shape
    # landmarks may lie outside the picture
    x, y = (np.clip(x, 0, width) + pad, np.clip(y, 0, height) + pad)
    rows = slice(int(y - half), int(y + half * (1 + 2 * MARGIN)))
    across = slice(int(x - half * (1 + MARGIN)), int(x + half * (1 + MARGIN)))
    window = np.ascontiguousarray(padded[rows, across])
    return extra("cv2").resize(window, (2 * SIDE, 2 * SIDE))[
        SIDE // 2 : -SIDE // 2, SIDE // 2 : -SIDE // 2
    ]
