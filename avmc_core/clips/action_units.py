"""Intensities of action units from the landmarks of a face over a clip: how much it differs from
the person's own neutral face.

The neutral face is the median over the clip, as in OpenFace, but for mouth and jaw: where somebody
smiles or talks through most of a clip, the median is that, and the face at rest would read as its
opposite, as sad. Lips that touch are the part of a neutral mouth that all faces share, so that
mouth and jaw are at rest in the frames in which the lips are nearest each other.

Brows and lids move little, and an error in the head's pose moves them as much. Lids are measured
from the corners of the eyes; and from the brows the part is removed that goes with turning the head
and with closing the eyes.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from avmc_core.simulated.face import AUS, MAX_INTENSITY, movements

# points that expressions hardly move: jaw, nose, eye corners
RIGID = np.array([*range(0, 17), *range(27, 36), 36, 39, 42, 45])
# weight on the intensities' squares: noise in the landmarks should not raise many units at once
SHRINK = 0.02
# half-widths of the head: how far from the least distance lips still count as touching
TOUCH = 0.05
# noise of a landmark in half-widths over how far an error of the pose may move it, a radian;
# squared
DOUBT = (0.007 / 0.3) ** 2

_JAW, _BROWS, _EYES, _MOUTH = np.arange(17), np.arange(17, 27), np.arange(36, 48), np.arange(48, 68)
_CORNERS = np.array([36, 39, 42, 45])
_UPPER_LIDS, _LOWER_LIDS = np.array([37, 38, 43, 44]), np.array([40, 41, 46, 47])
_UPPER_LIP, _LOWER_LIP = np.array([61, 62, 63]), np.array([67, 66, 65])


def action_units(flat: np.ndarray, turned: np.ndarray | None = None) -> np.ndarray:
    """Intensities (n, 17) from 0 to 5 of one person's faces turned to the front, (n, 68, 2) in
    half-widths of the head.

    ``turned`` (n, 2): by how many radians each was turned about the first two axes (nodding,
    shaking), which takes the errors of that turning from the brows. The intensities are the
    non-negative mixture of the ``face.movements`` that explains best how each face differs from the
    neutral one.
    """
    moves = movements()[..., :2]
    movable = np.setdiff1d(np.arange(68), RIGID[:17])  # the jaw's points slide along the outline
    system = np.vstack([moves[:, movable].reshape(len(AUS), -1).T, SHRINK * np.eye(len(AUS))])
    change = changes(flat, turned)[:, movable].reshape(len(flat), -1)
    zeros = np.zeros(len(AUS))
    fitted = np.stack([nnls(system, np.concatenate([row, zeros]))[0] for row in change])
    return fitted.clip(0, MAX_INTENSITY)


def neutral(flat: np.ndarray) -> np.ndarray:
    """The person's neutral face (68, 2), of faces (n, 68, 2)."""
    rest = np.median(flat, axis=0)
    gap = (flat[:, _LOWER_LIP, 1] - flat[:, _UPPER_LIP, 1]).mean(axis=1)
    touching = gap <= np.quantile(gap, 0.05) + TOUCH
    low = np.concatenate([_JAW, _MOUTH])
    rest[low] = np.median(flat[touching], axis=0)[low]
    return rest


def changes(flat: np.ndarray, turned: np.ndarray | None = None) -> np.ndarray:
    """How each face (n, 68, 2) differs from the neutral one, in half-widths of the head."""
    rest = neutral(flat)
    change = flat - rest
    eyes = flat[:, _EYES] - flat[:, _CORNERS].mean(axis=1, keepdims=True)
    change[:, _EYES] = eyes - np.median(eyes, axis=0)
    opening = (flat[:, _LOWER_LIDS, 1] - flat[:, _UPPER_LIDS, 1]).mean(axis=1)
    causes = [np.minimum(opening - np.median(opening), 0)]
    if turned is not None:
        causes += list((turned - np.median(turned, axis=0)).T)
    causes = np.column_stack(causes)  # (n, 1 or 3)
    brows = change[:, _BROWS].reshape(len(flat), -1)
    share = np.linalg.solve(causes.T @ causes + DOUBT * np.eye(causes.shape[1]), causes.T @ brows)
    brows = brows - causes @ share
    change[:, _BROWS] = (brows - np.median(brows, axis=0)).reshape(len(flat), -1, 2)
    return change
