"""Visual features without OpenFace: an approximation from packages that pip installs, in OpenFace's
177 columns.

Faces and 68 landmarks come from dlib, the pose from solving for it with a generic head (PnP,
OpenCV), and the action units from how far the landmarks of a face are from the person's own neutral
face (``action_units``). How well they agree with OpenFace's is on record (``trust``). OpenFace
learnt its action units from annotated faces and sees wrinkles; here only geometry is used, so
cheek, nose and lid units are weak, and an expression that is held throughout a clip is not seen at
all. The landmark model was trained on data for non-commercial use (300-W).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from avmc_core.clips import trust
from avmc_core.clips.action_units import RIGID, action_units
from avmc_core.clips.face_search import OVERLAP, Box, FaceSearch, overlap
from avmc_core.clips.media import extra
from avmc_core.schema import DIMS
from avmc_core.simulated.face import neutral_face

HALF_WIDTH = 75.0  # millimetres: half the width of a head
GAP = 25  # frames after which a lost face is a new one
LEAST = 5  # frames in which a face has to be seen, where another one is
PRESENT = 1.0  # intensity above which an action unit is called present


@dataclass(frozen=True)
class Face:
    """A face in one frame."""

    box: Box
    points: np.ndarray  # (68, 2) pixels


class Landmarks:
    """The approximation as a backend; ``threshold`` is the detector's: drawn faces may need less
    than 0."""

    name = "dlib 68 landmarks, PnP pose, geometric action units"

    def __init__(self, threshold: float = 0.0):
        self.threshold = threshold
        for package in ("dlib", "face_recognition_models", "cv2"):
            extra(package)

    def __getstate__(self) -> dict:
        return {"threshold": self.threshold}  # dlib's objects are created in each process

    @property
    def approximation(self) -> str:
        return (
            "visual features are a geometric approximation of OpenFace's, from 68 landmarks: "
            f"{trust.note()}"
        )

    @cached_property
    def _detector(self) -> Any:
        return extra("dlib").get_frontal_face_detector()

    @cached_property
    def _predictor(self) -> Any:
        return extra("dlib").shape_predictor(
            extra("face_recognition_models").pose_predictor_model_location()
        )

    def identity(self, clip: object) -> str:
        """Always "": the features depend on the clip, the settings and our code only."""
        return ""

    @property
    def look(self) -> Callable[[np.ndarray], list[Face]]:
        """What is called with each frame of one clip, (H, W, 3) uint8 RGB, in order, and returns
        its faces. It remembers where faces were: each reading of this attribute begins a clip."""
        search = FaceSearch(self._detector, self.threshold)

        def look(image: np.ndarray) -> list[Face]:
            image = np.ascontiguousarray(image)
            return [Face(box, self._points(image, box)) for box in search.boxes(image)]

        return look

    def _points(self, image: np.ndarray, box: Box) -> np.ndarray:
        rectangle = extra("dlib").rectangle(*(round(side) for side in box))
        parts = self._predictor(image, rectangle).parts()
        return np.array([(point.x, point.y) for point in parts], dtype=np.float64)

    def tracks(
        self, clip: object, seen: list[list[Face]], size: tuple[int, int]
    ) -> list[np.ndarray]:
        """Each face of a clip as (F, 177) float32 in OpenFace's columns and units, NaN where it was
        not found, in descending order of how often they were found. A face found in fewer than
        ``LEAST`` frames is dropped. ``size``: width and height of the picture in pixels."""
        linked = link(seen)
        least = min(LEAST, max(map(len, linked), default=0))
        return [_columns(track, len(seen), size) for track in linked if len(track) >= least]


def link(seen: list[list[Face]]) -> list[dict[int, Face]]:
    """Joins the faces of F frames into tracks {frame: face} by the overlap of their boxes, longest
    track first."""
    tracks: list[dict[int, Face]] = []
    for number, faces in enumerate(seen):
        open_tracks = [
            (track, track[max(track)].box) for track in tracks if number - max(track) <= GAP
        ]
        pairs = [
            (overlap(box, face.box), i, j)
            for i, (_, box) in enumerate(open_tracks)
            for j, face in enumerate(faces)
        ]
        taken: set[int] = set()
        continued: set[int] = set()
        for shared, i, j in sorted(pairs, reverse=True):
            if shared > OVERLAP and i not in continued and j not in taken:
                open_tracks[i][0][number] = faces[j]
                continued.add(i)
                taken.add(j)
        tracks += [{number: face} for j, face in enumerate(faces) if j not in taken]
    return sorted(tracks, key=len, reverse=True)


def _columns(track: dict[int, Face], frames: int, size: tuple[int, int]) -> np.ndarray:
    rows = np.fromiter(track, int)
    points = np.stack([face.points for face in track.values()])  # (n, 68, 2)
    pose, flat = poses(points, size)
    intensity = action_units(flat, pose[:, 3:5])
    presence = (intensity > PRESENT).astype(np.float64)
    # AU28 has a presence only, and the landmarks do not show it
    lip_suck = np.zeros((len(rows), 1))
    parts = (
        pose,
        points[..., 0],
        points[..., 1],
        intensity,
        presence[:, :-1],
        lip_suck,
        presence[:, -1:],
    )
    values = np.full((frames, DIMS["vision"]), np.nan, dtype=np.float32)
    values[rows] = np.concatenate(parts, axis=1)
    return values


def poses(points: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Poses (n, 6) in OpenFace's units, millimetres and radians, of faces (n, 68, 2); and the faces
    turned to the front, (n, 68, 2) in half-widths of the head: what is left is the person and the
    expression."""
    cv2 = extra("cv2")
    width, height = size
    focal = 500 * (width / 640 + height / 480) / 2  # OpenFace's guess for an unknown camera
    camera = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    head = neutral_face() * [1, 1, -1]  # from towards the viewer to away from the camera
    pose, flat = np.empty((len(points), 6)), np.empty((len(points), 68, 2))
    for k, face in enumerate(points):
        _, turn, move = cv2.solvePnP(
            head[RIGID], face[RIGID], camera, None, flags=cv2.SOLVEPNP_SQPNP
        )
        turn, move = cv2.solvePnPRefineLM(head[RIGID], face[RIGID], camera, None, turn, move)
        rotation = Rotation.from_rotvec(turn[:, 0])
        pose[k] = [*(move[:, 0] * HALF_WIDTH), *rotation.as_euler("XYZ")]
        matrix = rotation.as_matrix()
        placed = head @ matrix.T + move[:, 0]  # (68, 3)
        # the residual in the camera's plane
        ahead = (face - camera[:2, 2]) / focal * placed[:, 2:] - placed[:, :2]
        flat[k] = head[:, :2] + ahead @ np.linalg.pinv(matrix[:2, :2]).T
    return pose, flat
