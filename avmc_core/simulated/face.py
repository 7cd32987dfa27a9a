"""Generated visual frames: the 177 OpenFace columns of a moving face whose expression follows the
visual label V.

Seventeen action units (AUs) of intensity 0 to 5 rise and fall; they move the 68 points of a face,
which is turned, shifted and drawn by a camera. So the landmarks show what the AUs say: a smile
lifts the mouth's corners (AU12), a frown lowers the brows (AU04) and the corners (AU15).

Units, all about -1..1 (how the released values were normalised is unpublished): head position in
half image widths, rotation in radians, landmarks in half image sizes from the centre, y downwards,
AU intensity / 5, AU presence 0 or 1.
"""

from __future__ import annotations

import numpy as np

from avmc_core.schema import DIMS
from avmc_core.simulated.signals import autoregressive

# intensities; presence also has AU28, before AU45
AUS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
MAX_INTENSITY = 5.0
# Per AU: resting level, gain with what the clip expresses (positive: a smile), both in intensity
# units.
RESTING = {1: 0.2, 2: 0.1, 4: 0.5, 5: 0.1, 6: 0.5, 7: 0.6, 10: 0.3, 12: 0.6, 14: 0.5, 15: 0.3}
RESTING |= {17: 0.4, 20: 0.2, 23: 0.1, 25: 0.8, 26: 0.5}
GAIN = {6: 0.9, 12: 1.2, 25: 0.4, 14: 0.3, 4: -1.0, 15: -0.8, 17: -0.5, 1: -0.4, 9: -0.3, 7: -0.3}
# standard deviations of an intensity between speakers, clips and frames
SPEAKER, CLIP, COURSE = (0.45, 0.35, 0.5)
BLOCK = 2**16  # frames whose landmarks are made together, which bounds the memory of a large corpus
# numbers that make a speaker's face: AU habits, proportions, place in the picture
TRAITS = len(AUS) + 10

# Movement of landmarks per unit of AU intensity, in face half-widths: points, outward, downward.
MOVES = {
    1: [((20, 21, 22, 23), 0.0, -0.030)],
    2: [((17, 18, 25, 26), 0.0, -0.030)],
    4: [((17, 18, 19, 24, 25, 26), -0.004, 0.018), ((20, 21, 22, 23), -0.014, 0.030)],
    5: [((37, 38, 43, 44), 0.0, -0.012)],
    6: [((40, 41, 46, 47), 0.0, -0.010)],
    7: [((37, 38, 43, 44), 0.0, 0.005), ((40, 41, 46, 47), 0.0, -0.005)],
    9: [((31, 32, 33, 34, 35), 0.0, -0.012), ((21, 22), -0.004, 0.010)],
    10: [((49, 50, 51, 52, 53, 61, 62, 63), 0.0, -0.012)],
    12: [((48, 54, 60, 64), 0.034, -0.042), ((49, 53, 55, 59, 61, 63, 65, 67), 0.016, -0.018)],
    14: [((48, 54, 60, 64), 0.012, 0.0)],
    15: [((48, 54, 60, 64), 0.004, 0.045), ((49, 53, 55, 59), 0.0, 0.018)],
    17: [((7, 8, 9), 0.0, -0.016), ((55, 56, 57, 58, 59, 65, 66, 67), 0.0, -0.014)],
    20: [((48, 54, 60, 64), 0.026, 0.008)],
    23: [((50, 51, 52), 0.0, 0.008), ((56, 57, 58), 0.0, -0.008)],
    25: [((56, 57, 58, 65, 66, 67), 0.0, 0.018), ((61, 62, 63), 0.0, -0.006)],
    26: [((6, 7, 8, 9, 10), 0.0, 0.036), ((55, 56, 57, 58, 59, 65, 66, 67), 0.0, 0.026)],
    45: [((37, 38, 43, 44), 0.0, 0.022), ((40, 41, 46, 47), 0.0, -0.004)],
}


def visual(
    expressed: np.ndarray,
    speaker: np.ndarray,
    lengths: np.ndarray,
    rng: np.random.Generator,
    variety: float = 1.0,
) -> np.ndarray:
    """Frames of N clips, (sum of lengths, 177) float32, clip after clip.

    ``expressed`` (N,): what each face expresses, standardised; ``speaker`` (N, ``TRAITS``): traits
    of its speaker, standard normal; ``lengths`` (N,) in frames; ``variety`` widens head movement
    and camera position.
    """
    n, steps = len(lengths), int(lengths.max())
    valid = np.arange(steps) < lengths[:, None]
    # (F, 23)
    courses = np.stack(
        [autoregressive(rng, n, steps, 0.9)[valid] for _ in range(len(AUS) + 6)], axis=1
    )
    clip = np.repeat(np.arange(n), lengths)  # the clip of each frame

    habit = SPEAKER * speaker[:, : len(AUS)] + CLIP * rng.standard_normal((n, len(AUS)))
    resting, gain = (np.array([table.get(au, 0.0) for au in AUS]) for table in (RESTING, GAIN))
    wanted = resting + gain * expressed[:, None] + habit  # (N, 17)
    intensity = np.clip(wanted[clip] + COURSE * courses[:, : len(AUS)], 0, MAX_INTENSITY)  # (F, 17)
    blink = courses[:, len(AUS) - 1] > 1.6
    intensity[:, -1] = np.where(blink, 2.0 + courses[:, len(AUS) - 1], 0.0)

    place = speaker[:, len(AUS) :]  # (N, 10)
    centre = np.array([0.25, 0.12, 0.15, 0.08, 0.25, 0.08]) * variety * rng.standard_normal((n, 6))
    sway = np.array([0.03, 0.02, 0.02, 0.05, 0.07, 0.04]) * variety * courses[:, len(AUS) :]
    pose = centre[clip] + sway  # (F, 6): position x, y, distance; rotation about x, y, z
    pose[:, :2] += 0.1 * place[clip, :2]
    frames = np.empty((len(clip), DIMS["vision"]), dtype=np.float32)
    frames[:, :6] = pose
    for start in range(0, len(clip), BLOCK):
        rows = slice(start, start + BLOCK)
        points = _posed(_moved(intensity[rows], place, clip[rows]), pose[rows])  # (F, 68, 2)
        points += 0.004 * rng.standard_normal(points.shape, dtype=np.float32)
        # x_0 to x_67, then y_0 to y_67
        frames[rows, 6:142] = points.transpose(0, 2, 1).reshape(len(points), -1)

    presence = (
        intensity + 0.4 * rng.standard_normal(intensity.shape, dtype=np.float32) > 1.0
    ).astype(np.float32)
    lip_suck = (rng.random((len(clip), 1)) < 0.05).astype(np.float32)  # AU28
    units = (intensity / MAX_INTENSITY, presence[:, :-1], lip_suck, presence[:, -1:])
    frames[:, 142:] = np.concatenate(units, axis=1)
    return frames


def neutral_face() -> np.ndarray:
    """The 68 points of a face at rest, (68, 3): right, down and towards the viewer, in half-widths
    of the face."""

    def arc(start: float, stop: float, n: int) -> np.ndarray:
        return np.pi * np.linspace(start, stop, n)

    def ring(cx: float, cy: float, rx: float, ry: float, turns: list[float]) -> np.ndarray:
        angle = np.pi * np.array(turns)
        return np.stack([cx - rx * np.cos(angle), cy - ry * np.sin(angle)], axis=1)

    jaw = np.stack(
        [-0.95 * np.cos(arc(0, 1, 17)), -0.15 + 1.2 * np.sin(arc(0, 1, 17)) ** 0.8], axis=1
    )
    brow = np.stack(
        [np.linspace(-0.74, -0.18, 5), -0.50 - 0.10 * np.sin(arc(0.15, 0.9, 5))], axis=1
    )
    mirror = np.array([-1.0, 1.0])
    bridge = np.stack([np.zeros(4), np.linspace(-0.30, 0.12, 4)], axis=1)
    nostrils = np.stack([np.linspace(-0.17, 0.17, 5), 0.22 + 0.05 * np.sin(arc(0, 1, 5))], axis=1)
    eye = ring(-0.40, -0.27, 0.16, 0.07, [0, 1 / 3, 2 / 3, 1, 4 / 3, 5 / 3])
    other_eye = ring(0.40, -0.27, 0.16, 0.07, [0, 1 / 3, 2 / 3, 1, 4 / 3, 5 / 3])
    lips = ring(0.0, 0.55, 0.34, 0.10, [k / 6 for k in range(12)])
    inner_lips = ring(0.0, 0.55, 0.26, 0.03, [k / 4 for k in range(8)])
    flat = np.concatenate(
        [jaw, brow, brow[::-1] * mirror, bridge, nostrils, eye, other_eye, lips, inner_lips]
    )
    depth = 0.5 - 0.6 * flat[:, 0] ** 2
    depth[27:36] += [0.05, 0.12, 0.19, 0.26, 0.10, 0.14, 0.16, 0.14, 0.10]
    return np.column_stack([flat, depth])


def movements() -> np.ndarray:
    """How far each point moves per unit of each AU's intensity, (17, 68, 3) float32 in half-widths
    of the face."""
    face = neutral_face()
    moves = np.zeros((len(AUS), *face.shape), dtype=np.float32)
    for k, au in enumerate(AUS):
        for points, outward, downward in MOVES[au]:
            rows = list(points)
            moves[k, rows, 0] += outward * np.sign(face[rows, 0])
            moves[k, rows, 1] += downward
    return moves


def _moved(intensity: np.ndarray, place: np.ndarray, clip: np.ndarray) -> np.ndarray:
    """The speaker's face with its AUs at work: (F, 17) intensities to (F, 68, 3)."""
    face, moves = neutral_face(), movements()
    # (N, 1, 3): width, height, depth of the face
    proportions = 1 + 0.06 * place[:, None, 2:5] * [1.0, 1.0, 0.5]
    own = (face * proportions).astype(np.float32)
    own[:, 48:, 1] += 0.03 * place[:, 5:6]  # height of the mouth
    own[:, 17:27, 1] += 0.02 * place[:, 6:7]  # height of the brows
    return own[clip] + np.tensordot(intensity.astype(np.float32), moves, axes=1)


def _posed(points: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Faces (F, 68, 3) turned and placed by ``pose`` (F, 6), seen by the camera: (F, 68, 2)."""
    x, y, z = np.moveaxis(points, 2, 0)  # (F, 68) each
    tilt, turn, roll = (pose[:, k, None].astype(np.float32) for k in (3, 4, 5))
    y, z = y * np.cos(tilt) - z * np.sin(tilt), y * np.sin(tilt) + z * np.cos(tilt)
    x, z = x * np.cos(turn) + z * np.sin(turn), z * np.cos(turn) - x * np.sin(turn)
    x, y = x * np.cos(roll) - y * np.sin(roll), x * np.sin(roll) + y * np.cos(roll)
    size = 0.42 * np.exp(-pose[:, 2:3].astype(np.float32))  # the farther, the smaller
    return np.stack([pose[:, 0:1] + size * x, pose[:, 1:2] + size * y], axis=2).astype(np.float32)
