"""Small pictures of what a clip's features hold: loudness and pitch, the face along the clip, its
action units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from avmc_core.drawing.figures import HEAT, TASK_COLOURS
from avmc_core.schema import HOP_SECONDS, columns

_AUDIO, _VISION = columns("audio"), columns("vision")
LOUDNESS, PITCH = _AUDIO.index("Loudness_sma3"), _AUDIO.index("F0semitoneFrom27.5Hz_sma3nz")
POINTS = [[_VISION.index(f"{axis}_{point}") for axis in "xy"] for point in range(68)]
# Landmarks that a line joins: jaw, brows, nose, eyes, lips; the last three kinds are closed.
LINES = [range(0, 17), range(17, 22), range(22, 27), range(27, 31), range(31, 36)]
LINES += [[*ring, ring[0]] for ring in (range(36, 42), range(42, 48), range(48, 60), range(60, 68))]
GAIN = 3.0  # how much larger than they are differences between faces are drawn
# Action units that are read as sentiment more than others (intensities), with what they do.
UNITS = {
    "AU06_r": "cheeks up",
    "AU12_r": "smile",
    "AU25_r": "lips part",
    "AU04_r": "frown",
    "AU15_r": "corners down",
}


def scales(
    voices: Sequence[np.ndarray], views: Sequence[np.ndarray]
) -> tuple[float, tuple[float, float], float]:
    """The ends of the scales on which the pictures of several clips can be compared: the largest
    loudness, the lowest and the highest pitch with a margin, the largest intensity of an action
    unit. ``voices`` (T, 25) and ``views`` (T, 177) of each clip."""
    loudest = max(float(voice[:, LOUDNESS].max()) for voice in voices)
    pitch = np.concatenate([voice[:, PITCH] for voice in voices])
    pitch = pitch[pitch > 0] if (pitch > 0).any() else np.array([0.0, 1.0])
    units = [_VISION.index(name) for name in UNITS]
    highest = max(float(view[:, units].max()) for view in views) or 1.0
    return loudest, (float(pitch.min()) - 2, float(pitch.max()) + 2), highest


def sound(ax: Axes, audio: np.ndarray, loudest: float, pitches: tuple[float, float]) -> Axes:
    """Loudness as an area and, where there is a voice, pitch as dots on an axis of its own, which
    is returned.

    ``audio`` (T, 25); ``loudest`` and ``pitches`` are the ends of the two scales, so that pictures
    can be compared.
    """
    time = np.arange(len(audio)) * HOP_SECONDS["audio"]
    ax.fill_between(time, audio[:, LOUDNESS], color=TASK_COLOURS["A"], alpha=0.35, linewidth=0)
    ax.plot(time, audio[:, LOUDNESS], color=TASK_COLOURS["A"], linewidth=1.0)
    ax.set(xlim=(0, max(time[-1], HOP_SECONDS["audio"])), ylim=(0, 1.05 * loudest))
    other = ax.twinx()
    other.spines["right"].set_visible(True)
    other.plot(
        time,
        np.where(audio[:, PITCH] > 0, audio[:, PITCH], np.nan),
        ".",
        markersize=2.5,
        color="black",
    )
    other.set_ylim(*pitches)
    return other


def outline(vision: np.ndarray) -> np.ndarray:
    """The landmarks of each frame (T, 68, 2), centred and in units of the face's usual width and
    height; ``vision`` (T, 177). The columns do not tell the aspect ratio of the picture."""
    points = vision[:, POINTS]
    size = np.maximum(np.median(np.ptp(points, axis=1), axis=0), 1e-6)  # (2,)
    middle = (points.max(axis=1) + points.min(axis=1)) / 2  # (T, 2)
    return (points - middle[:, None]) / size


def usual_face(views: Sequence[np.ndarray]) -> np.ndarray:
    """The mean (68, 2) of the mean ``outline`` of each clip. ``views``: (T, 177) of each."""
    return np.mean([outline(view).mean(axis=0) for view in views], axis=0)


def aligned(shape: np.ndarray, to: np.ndarray) -> np.ndarray:
    """A face (68, 2) moved, turned and scaled so that it lies as close as possible to another, in
    the sense of least squares: what is left is expression, and a head that is turned aside."""
    own, other = (points @ (1, 1j) for points in (shape, to))  # the plane as complex numbers
    centred = own - own.mean()
    turn = np.vdot(centred, other - other.mean()) / np.vdot(centred, centred)
    placed = turn * centred + other.mean()
    return np.stack([placed.real, placed.imag], axis=-1)


def faces(ax: Axes, vision: np.ndarray, usual: np.ndarray) -> None:
    """The mean face of the first and of the second half of a clip, upright and at one scale: what
    differs from the ``usual`` face (68, 2) is drawn ``GAIN`` times as large, and that face behind
    it in grey. ``vision`` (T, 177)."""
    for place, part in enumerate(np.array_split(outline(vision), min(2, len(vision)))):
        face = usual + GAIN * (aligned(part.mean(axis=0), usual) - usual)
        for line in LINES:
            for shape, colour, width in ((usual, "#BBBBBB", 0.7), (face, TASK_COLOURS["V"], 0.9)):
                x, y = shape[list(line)].T
                ax.plot(place + 0.8 * x, -y, color=colour, linewidth=width)
    ax.set(xlim=(-0.5, 1.5), ylim=(-0.62, 0.62), xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)


def action_units(ax: Axes, vision: np.ndarray, highest: float):
    """Intensities of some action units over time, the darker the stronger; returns the image, for a
    colour bar.

    ``vision`` (T, 177); ``highest`` is the end of the scale.
    """
    shown = vision[:, [_VISION.index(name) for name in UNITS]].T
    end = len(vision) * HOP_SECONDS["vision"]
    extent = (0, end, len(UNITS) - 0.5, -0.5)
    image = ax.imshow(
        shown,
        aspect="auto",
        cmap=HEAT,
        vmin=0,
        vmax=highest,
        extent=extent,
        interpolation="nearest",
    )
    ax.set_yticks(range(len(UNITS)), list(UNITS.values()))
    ax.tick_params(axis="y", length=0)
    return image


def signals(axes: np.ndarray, voices: Sequence[np.ndarray], views: Sequence[np.ndarray]) -> None:
    """The voice, the face and the action units of some clips in the first three columns of ``axes``
    (K, 4), one row per clip, at scales that all rows share. Faces are those of the first and of the
    second half of a clip; what differs from the mean of all clips is drawn ``GAIN`` times as large.
    ``voices`` (T, 25) and ``views`` (T, 177) of each clip."""
    loudest, pitches, highest = scales(voices, views)
    usual = usual_face(views)
    for row, voice, view in zip(axes, voices, views, strict=True):
        pitch = sound(row[0], voice, loudest, pitches)
        faces(row[1], view, usual)
        action_units(row[2], view, highest)
        for ax in (row[0], pitch, row[2], row[3]):
            ax.tick_params(labelsize=6.5, length=2, pad=1.5)
    pitch.set_ylabel("semitones", fontsize=6.5)
    for ax in (axes[-1, 0], axes[-1, 2]):
        ax.set_xlabel("seconds", fontsize=7.5)
    titles = (
        "loudness\n· pitch",
        f"face, early and late\n(differences x {GAIN:g})",
        "action units\n(dark: strong)",
    )
    for ax, title in zip(axes[0], titles, strict=False):
        ax.set_title(title, fontsize=8)
