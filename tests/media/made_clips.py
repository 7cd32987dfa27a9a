"""Clips for tests: a drawn face whose mouth speaks, written with PyAV. They hold no real person's
face or voice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from made_speech import RATE

FPS, SIZE = 25, (320, 240)
SKINS = ((225, 190, 170), (200, 160, 130), (240, 210, 195))
LIPS, HAIR, INSIDE = (190, 85, 85), (45, 35, 30), (40, 15, 25)


@dataclass(frozen=True)
class Drawn:
    """A face and what it does in each of F frames."""

    opening: np.ndarray  # (F,) of the mouth, 0 to 1
    place: tuple[float, float] = (160, 110)  # pixels
    size: float = 58  # half width in pixels
    smile: float = 0.0  # -1 to 1
    skin: int = 0
    there: np.ndarray | None = None  # (F,) bool: in the picture; None: always


def make_clip(
    path: Path, faces: Sequence[Drawn], signal: np.ndarray | None, frames: int, fps: int = FPS
) -> Path:
    """Writes an mp4 of ``frames`` frames (0: no picture) with ``signal`` (S,) at 16 kHz (None: no
    sound)."""
    return write_pictures(path, [picture(faces, number) for number in range(frames)], signal, fps)


def write_pictures(
    path: Path, pictures: Sequence[np.ndarray], signal: np.ndarray | None, fps: int = FPS
) -> Path:
    """Writes an mp4 of ``pictures``, (H, W, 3) uint8 RGB each, with ``signal`` (S,) at 16 kHz
    (None: no sound)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=fps) if len(pictures) else None
        audio = (
            container.add_stream("aac", rate=RATE, layout="mono") if signal is not None else None
        )
        if video:
            height, width = pictures[0].shape[:2]
            video.width, video.height, video.pix_fmt, video.bit_rate = (
                width,
                height,
                "yuv420p",
                2_000_000,
            )
            for image in pictures:
                container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(video.encode(None))
        if audio:
            sound = av.AudioFrame.from_ndarray(
                signal[None].astype(np.float32), format="fltp", layout="mono"
            )
            sound.sample_rate, sound.pts = RATE, 0
            container.mux(audio.encode(sound))
            container.mux(audio.encode(None))
    return path


def picture(faces: Sequence[Drawn], number: int) -> np.ndarray:
    """Frame ``number``, (H, W, 3) uint8 RGB: the faces, which sway a little."""
    image = np.full((SIZE[1], SIZE[0], 3), (110, 140, 120), np.uint8)
    for seed, face in enumerate(faces):
        if face.there is None or face.there[number]:
            sway = 3 * np.sin(np.array([0.21, 0.13]) * number + seed)
            _draw(
                image,
                np.array(face.place) + sway,
                face.size,
                face.opening[number],
                face.smile,
                SKINS[face.skin],
            )
    noise = np.random.default_rng(number).integers(-4, 5, image.shape)
    return np.clip(cv2.GaussianBlur(image, (5, 5), 0) + noise, 0, 255).astype(np.uint8)


def _draw(
    image: np.ndarray, centre: np.ndarray, r: float, opening: float, smile: float, skin: tuple
) -> None:
    def at(x: float, y: float) -> tuple[int, int]:
        return int(centre[0] + r * x), int(centre[1] + r * y)

    def oval(x, y, width, height, colour, line=-1, start=0, stop=360) -> None:
        axes = max(1, int(r * width)), max(1, int(r * height))
        cv2.ellipse(image, at(x, y), axes, 0, start, stop, colour, line, cv2.LINE_AA)

    def shade(share: float) -> tuple[int, ...]:
        return tuple(int(share * part) for part in skin)

    thick = max(1, round(0.04 * r))
    oval(0, -0.35, 1.12, 1.15, HAIR)
    oval(0, 0.95, 0.45, 0.8, shade(0.8))
    oval(0, 0, 0.95, 1.25, skin)
    for side in (-0.4, 0.4):
        oval(side, -0.27, 0.25, 0.16, shade(0.82))
        oval(side, -0.27, 0.19, 0.085, (245, 245, 245))
        oval(side, -0.27, 0.085, 0.085, (60, 40, 40))
        oval(side, -0.27, 0.19, 0.085, HAIR, thick, 180, 360)
        oval(side, -0.50, 0.27, 0.09, HAIR, 2 * thick, 190, 350)
        oval(side / 5, 0.25, 0.04, 0.04, (70, 45, 40))
    cv2.line(image, at(-0.07, -0.25), at(-0.13, 0.15), shade(0.72), thick, cv2.LINE_AA)
    oval(0, 0.2, 0.2, 0.09, shade(0.5), thick, 10, 170)
    height, width, lips = 0.02 + 0.22 * opening, 0.36 + 0.06 * smile, 0.6 - 0.03 * smile
    oval(0, lips + 0.4 * height, width, 0.09 + height, LIPS)
    oval(0, lips + 0.4 * height, 0.8 * width, height, INSIDE)
