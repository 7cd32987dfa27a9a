"""The one place where pictures leave the decoder: upright, with square pixels, of one size, and in
memory of their own.

Foreign code (dlib above all) reads the memory of an array without asking how its rows are laid out.
What the decoder hands out has padded rows wherever the width is not a multiple of 16, and lies in a
buffer that the decoder uses again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

MAX_PIXELS = 2**24  # of a picture; a small file can claim any
NEARLY = 0.02  # shares by which pixels may be out of square, and a changed size out of shape


class Pictures:
    """Turns the frames of one video stream into pictures as a player shows them.

    ``aspect`` is the width of a pixel in pixel heights, as the stream states it (None or 0: not
    stated, hence square). ``reformatter`` is PyAV's: one serves all frames, in one thread, so that
    the bytes do not depend on the number of processors and no pool of threads is left behind, which
    a forked process could not end. ``notes`` says afterwards what was done to them.
    """

    def __init__(self, reformatter: Any, aspect: Any = None):
        aspect = float(aspect or 1)
        self._aspect = aspect if abs(aspect - 1) > NEARLY else 1.0
        self._size: tuple[int, int] | None = None  # (width, height) of the first picture, as shown
        self._notes: dict[str, None] = {}  # in the order in which they came, each once
        self._reformatter = reformatter

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self._notes)

    def __call__(self, frame: Any) -> np.ndarray:
        """A picture (H, W, 3) uint8 RGB, C-contiguous, from a PyAV frame.

        Raises ValueError for more than ``MAX_PIXELS``, for a rotation that is not a multiple of 90
        degrees, and when the shape of the picture changes.
        """
        turn, angle = _turn(frame)
        width, height = self._shown(frame, sideways=turn[0])
        if width * height > MAX_PIXELS:
            raise ValueError(
                f"pictures of {width} by {height} pixels, more than {MAX_PIXELS} in all"
            )
        image = self._reformatter.reformat(frame, width, height, "rgb24", threads=1).to_ndarray()
        swapped, across, down = turn
        image = image.transpose(1, 0, 2) if swapped else image
        image = image[:: -1 if down else 1, :: -1 if across else 1]
        if angle:
            self._notes[f"picture turned by {angle} degrees, as the file says"] = None
        elif any(turn):
            self._notes["picture mirrored, as the file says"] = None
        self._size = self._size or (image.shape[1], image.shape[0])
        return np.ascontiguousarray(image)

    def _shown(self, frame: Any, sideways: bool) -> tuple[int, int]:
        """The size (width, height) that a frame is brought to before it is turned upright."""
        width = round(frame.width * max(self._aspect, 1.0))
        height = round(frame.height / min(self._aspect, 1.0))
        if self._aspect != 1.0:
            self._notes["pixels made square, as the file says"] = None
        if self._size is None:
            return width, height
        first = self._size[::-1] if sideways else self._size
        if first == (width, height):
            return first
        change = f"from {first[0]} by {first[1]} to {width} by {height} pixels"
        if abs(width * first[1] / (height * first[0]) - 1) > NEARLY:
            raise ValueError(
                f"pictures that change their shape within the clip, {change}: cut it there, "
                "or write it again with one size"
            )
        self._notes[f"pictures change {change} within the clip: all brought to the first size"] = (
            None
        )
        return first


def _turn(frame: Any) -> tuple[tuple[bool, bool, bool], int]:
    """How a frame has to be turned: whether to swap rows and columns, then to mirror left and
    right, then up and down; and the same as degrees clockwise, 0 where it is not turned or is a
    mirror image."""
    matrix = _display_matrix(frame)
    if matrix is None:
        return (False, False, False), 0
    (a, b), (c, d) = matrix  # x' = a x + c y, y' = b x + d y, y downwards
    large = max(abs(a), abs(b), abs(c), abs(d))
    straight, swapped = max(abs(b), abs(c)) < 0.02 * large, max(abs(a), abs(d)) < 0.02 * large
    if not large or not (straight or swapped):
        angle = np.degrees(np.arctan2(b, a)) if large else 0
        raise ValueError(
            f"a picture to be turned by {angle:.0f} degrees; only quarter turns are done: "
            "write it again upright"
        )
    turn = (swapped, c < 0, b < 0) if swapped else (False, a < 0, d < 0)
    degrees = {(False, True, True): 180, (True, True, False): 90, (True, False, True): 270}
    return turn, degrees.get(turn, 0)


def _display_matrix(frame: Any) -> list[list[int]] | None:
    """The part of a frame's display matrix that turns and mirrors it; None where the file states
    none."""
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            values = np.frombuffer(bytes(data), np.int32).reshape(3, 3)
            return values[:2, :2].tolist()
    return None
