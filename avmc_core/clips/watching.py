"""A small picture of each clip with the landmarks that were found on it, so that a person sees
whether they lie on faces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from avmc_core.clips.media import extra
from avmc_core.schema import columns

WIDTH = 320  # pixels
KEPT = 12  # small frames that are kept until it is known which one to show
QUALITY = 80  # of the JPEG
OTHERS, SPEAKER = (150, 150, 150), (60, 220, 60)  # colours of landmarks, RGB

_NAMES = columns("vision")
_X, _Y = ([_NAMES.index(f"{axis}_{point}") for point in range(68)] for axis in "xy")


class Watched:
    """A wrapper around a visual backend: it does what ``visual`` does, and ``picture`` shows the
    result."""

    def __init__(self, visual: Any):
        self._visual = visual
        self._small: dict[int, np.ndarray] = {}  # by frame
        self._frame, self._stride = 0, 1
        self._tracks: list[np.ndarray] = []
        self._size = (0, 0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._visual, name)

    def look(self, image: np.ndarray) -> Any:
        if self._frame % self._stride == 0:
            if len(self._small) == KEPT:
                self._stride *= 2
                self._small = {
                    frame: small
                    for frame, small in self._small.items()
                    if frame % self._stride == 0
                }
            if self._frame % self._stride == 0:
                self._small[self._frame] = _small(image)
        self._frame += 1
        return self._visual.look(image)

    def tracks(self, clip: Path, seen: list[Any], size: tuple[int, int]) -> list[np.ndarray]:
        self._tracks, self._size = self._visual.tracks(clip, seen, size), size
        return self._tracks

    def picture(
        self, vision: np.ndarray | None = None, frames: np.ndarray | None = None
    ) -> np.ndarray:
        """(N,) uint8, a JPEG of the kept frame nearest to the clip's middle, one with a face if
        there is one; empty without a picture. ``vision`` (T, 177), scaled as features are, and
        ``frames`` (T,): of the face that was taken for the speaker's, which is drawn in green."""
        candidates = [
            frame
            for frame in self._small
            if any(np.isfinite(track[frame]).all() for track in self._tracks)
        ]
        if frames is not None and len(frames):
            candidates = [
                frame for frame in candidates if frame in set(frames.tolist())
            ] or candidates
        if not self._small:
            return np.zeros(0, np.uint8)
        frame = min(candidates or self._small, key=lambda number: abs(number - self._frame / 2))
        image = self._small[frame].copy()
        scale = image.shape[1] / (self._size[0] or image.shape[1])
        shown = [track[frame] for track in self._tracks if np.isfinite(track[frame]).all()]
        chosen = _nearest(shown, vision, frames, frame, self._size)
        for number, face in enumerate(shown):
            _draw(image, face, scale, SPEAKER if number == chosen else OTHERS)
        _, data = extra("cv2").imencode(".jpg", image[:, :, ::-1], [1, QUALITY])
        return np.asarray(data, np.uint8).ravel()


def _small(image: np.ndarray) -> np.ndarray:
    cv2, (height, width) = extra("cv2"), image.shape[:2]
    scale = min(1.0, WIDTH / width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return image.copy() if scale == 1 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _nearest(
    shown: list[np.ndarray],
    vision: np.ndarray | None,
    frames: np.ndarray | None,
    frame: int,
    size: tuple[int, int],
) -> int:
    """Which of the faces in a frame was taken for the speaker's; -1 where that is not known."""
    if (
        vision is None
        or frames is None
        or not shown
        or not (row := np.flatnonzero(frames == frame)).size
    ):
        return -1
    nose = [_X[30], _Y[30]]
    place = (vision[row[0], nose] + 1) * np.array(size) / 2
    return int(np.argmin([np.hypot(*(face[nose] - place)) for face in shown]))


def _draw(image: np.ndarray, face: np.ndarray, scale: float, colour: tuple[int, int, int]) -> None:
    cv2 = extra("cv2")
    for x, y in zip(face[_X] * scale, face[_Y] * scale, strict=True):
        cv2.circle(image, (int(x), int(y)), 1, colour, -1, cv2.LINE_AA)
