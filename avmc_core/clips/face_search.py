"""Where the faces of a clip are, of every size: the detector finds faces of 80 pixels and more, so
it is shown the picture at several sizes.

Every frame is searched at 480 pixels on its longer side, which finds the faces of ordinary clips.
At 1920 pixels (at most twice the picture's own size) frames are searched at the start, after a cut,
every second, and five times a second while there is no face; if that finds nothing either, once a
second at 3840. A face that was found once is then looked for near its last place, at the size that
suits the detector. So a small face costs little more than a large one, and one that comes into the
picture without a cut is found within a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from avmc_core.clips.media import FPS, extra

ALWAYS, LARGE, LARGEST = 480, 1920, 3840  # pixels of the longer side
UPWARDS = 2.0  # a picture is not enlarged more than this
# frames between searches at a large size: with faces, and while there is none
EVERY, AGAIN = (FPS, FPS // 5)
KEEP = FPS  # frames for which a lost face is looked for near its last place
CUT = 24.0  # mean difference of neighbouring frames' grey levels above which a scene is a new one
OVERLAP = 0.3  # intersection over union above which two boxes are one face
# pixels: size of a face when it is looked for, and below which the picture at 480 is not relied on
AIM, SMALL = (110.0, 100.0)
AROUND = 1.5  # half sizes of the part in which it is looked for, in sizes of the face

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels


@dataclass
class _Known:
    box: Box
    frame: int  # in which it was seen last


class FaceSearch:
    """The faces of one clip, frame after frame; ``detector`` is dlib's, ``threshold`` its own."""

    def __init__(self, detector: Any, threshold: float = 0.0):
        self._detector, self._threshold = detector, threshold
        self._frame, self._searched, self._deep, self._thumb = -1, -EVERY, -EVERY, None
        self._known: list[_Known] = []

    def boxes(self, image: np.ndarray) -> list[Box]:
        """The faces in the next frame, (H, W, 3) uint8 RGB."""
        self._frame += 1
        image = np.ascontiguousarray(image)
        longer = max(image.shape[:2])
        scale = min(1.0, ALWAYS / longer)
        cut = self._cut(image)
        if cut:
            self._known = []
        boxes = self._detect(image, scale)
        for known in self._known:
            here = [box for box in boxes if overlap(box, known.box) > OVERLAP]
            if here and _side(known.box) * scale >= SMALL:
                continue
            box = self._near(image, known.box)
            if box is not None:
                boxes = [other for other in boxes if overlap(other, box) <= OVERLAP] + [box]
        due = EVERY if boxes else AGAIN
        if cut or self._frame - self._searched >= due:
            self._searched = self._frame
            boxes = self._added(image, boxes, min(LARGE / longer, UPWARDS))
            if (
                not boxes
                and longer * UPWARDS > LARGE
                and (cut or self._frame - self._deep >= EVERY)
            ):
                self._deep = self._frame
                boxes = self._added(image, boxes, min(LARGEST / longer, UPWARDS))
        self._remember(boxes)
        return boxes

    def _added(self, image: np.ndarray, boxes: list[Box], scale: float) -> list[Box]:
        """``boxes`` and the further faces that are seen at ``scale``."""
        seen = self._detect(image, scale)
        return boxes + [
            box for box in seen if all(overlap(box, other) <= OVERLAP for other in boxes)
        ]

    def _cut(self, image: np.ndarray) -> bool:
        thumb = (
            extra("cv2").resize(image, (32, 18), interpolation=extra("cv2").INTER_AREA).mean(axis=2)
        )
        before, self._thumb = self._thumb, thumb
        return before is None or float(np.abs(thumb - before).mean()) > CUT

    def _detect(self, image: np.ndarray, scale: float) -> list[Box]:
        boxes = self._detector.run(resized(image, scale), 0, self._threshold)[0]
        return [
            tuple(side / scale for side in (b.left(), b.top(), b.right(), b.bottom()))
            for b in boxes
        ]

    def _near(self, image: np.ndarray, box: Box) -> Box | None:
        """The face near ``box``, where it was."""
        side = _side(box)
        x, y, reach = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, side * (0.5 + AROUND)
        height, width = image.shape[:2]
        left, top = max(int(x - reach), 0), max(int(y - reach), 0)
        part = image[top : min(int(y + reach), height), left : min(int(x + reach), width)]
        if min(part.shape[:2]) < 8:
            return None
        # in steps, so that it seldom changes from frame to frame
        zoom = 2 ** (round(2 * np.log2(AIM / side)) / 2)
        faces = [
            (b[0] + left, b[1] + top, b[2] + left, b[3] + top) for b in self._detect(part, zoom)
        ]
        return max(faces, key=lambda face: overlap(face, box), default=None)

    def _remember(self, boxes: list[Box]) -> None:
        lost = [
            known
            for known in self._known
            if self._frame - known.frame < KEEP
            and all(overlap(known.box, box) <= OVERLAP for box in boxes)
        ]
        self._known = [_Known(box, self._frame) for box in boxes] + lost


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def resized(image: np.ndarray, scale: float) -> np.ndarray:
    """(H, W, 3) at another size, contiguous, as the packages outside Python need it."""
    cv2 = extra("cv2")
    if scale == 1:
        return np.ascontiguousarray(image)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(image), None, fx=scale, fy=scale, interpolation=how)


def _side(box: Box) -> float:
    return max(box[2] - box[0], box[3] - box[1])
