"""One scene, written in the ways in which devices and programs write clips. The scene shows its own
orientation, shape and time: four corners of four colours, a circle, and a middle that turns from
dark to bright at the very moment at which a tone begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from made_speech import RATE

# upper left and right, lower left and right
CORNERS = ((220, 40, 40), (40, 200, 40), (50, 50, 230), (230, 230, 60))
MOMENT, SECONDS = 0.6, 1.2


@dataclass(frozen=True)
class Kind:
    """How a clip is written. Sizes are those of the picture on display; the stored ones follow from
    rotation and pixel aspect."""

    container: str = "mp4"
    size: tuple[int, int] = (320, 240)
    rotation: int = 0  # degrees clockwise that a player has to turn the stored picture
    aspect: Fraction = Fraction(1)  # of a stored pixel
    fps: int = 25
    late: float = 0.0  # seconds by which sound begins after the picture; below 0 before it
    codec: str = "libx264"
    sound: str = "aac"
    rate: int = RATE
    layout: str = "mono"
    options: dict[str, str] = field(default_factory=lambda: {"crf": "12"})


def scene(time: float, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) uint8."""
    width, height = size
    image = np.full((height, width, 3), 110, np.uint8)
    w, h = width // 5, height // 5
    for colour, (x, y) in zip(
        CORNERS, ((0, 0), (width - w, 0), (0, height - h), (width - w, height - h)), strict=True
    ):
        image[y : y + h, x : x + w] = colour
    level = 220 if time >= MOMENT - 1e-6 else 30
    cv2.circle(image, (width // 2, height // 2), min(width, height) // 4, (level, level, level), -1)
    return image


def tone(start: float, seconds: float) -> np.ndarray:
    """(S,) float32: silence until ``start``, then a tone."""
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.4 * np.sin(2 * np.pi * 1000 * time) * (time >= start)).astype(np.float32)


def write(
    path: Path,
    kind: Kind,
    picture: Callable[[float, tuple[int, int]], np.ndarray] = scene,
    signal: np.ndarray | None = None,
    seconds: float = SECONDS,
) -> Path:
    """Writes a clip whose picture and sound are in step, as in a clip written plainly. ``signal``
    begins at time zero of the stream that starts first; None means the tone."""
    late, early = max(kind.late, 0.0), max(-kind.late, 0.0)
    whole = tone(MOMENT, seconds) if signal is None else signal
    frames = [
        picture(early + k / kind.fps, kind.size) for k in range(round((seconds - early) * kind.fps))
    ]
    stored = [_stored(frame, kind) for frame in frames]
    return mux(path, stored, whole[round(late * RATE) :], kind, early, late)


def _stored(image: np.ndarray, kind: Kind) -> np.ndarray:
    lying = np.rot90(image, kind.rotation // 90)  # counter-clockwise: a player turns it back
    height, width = lying.shape[:2]
    size = round(width / kind.aspect) // 2 * 2, height // 2 * 2
    return (
        np.ascontiguousarray(lying)
        if size == (width, height)
        else cv2.resize(lying, size, interpolation=cv2.INTER_AREA)
    )


def mux(
    path: Path,
    images: Sequence[np.ndarray],
    signal: np.ndarray | None,
    kind: Kind,
    early: float = 0.0,
    late: float = 0.0,
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    base = Fraction(1, 90_000)
    with av.open(str(path), "w") as container:
        packets = []
        video = container.add_stream(kind.codec, rate=kind.fps, options=dict(kind.options))
        video.height, video.width = images[0].shape[:2]
        video.pix_fmt, video.codec_context.time_base = "yuv420p", base
        if kind.codec == "mpeg4":
            video.bit_rate, video.codec_context.time_base = 4_000_000, Fraction(1, kind.fps)
        if kind.aspect != 1:
            video.codec_context.sample_aspect_ratio = kind.aspect
        if kind.rotation:
            video.set_display_rotation(-kind.rotation)  # FFmpeg counts counter-clockwise
        audio = (
            container.add_stream(kind.sound, rate=kind.rate, layout=kind.layout)
            if signal is not None
            else None
        )
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            time = early + Fraction(number, kind.fps)
            if kind.codec == "mpeg4":
                frame.pts, frame.time_base = number, Fraction(1, kind.fps)
            else:
                frame.pts, frame.time_base = round(time / base), base
            packets += video.encode(frame)
        packets += video.encode(None)
        if audio is not None:
            packets += _sound(audio, signal, kind, late)
        for packet in sorted(
            packets, key=lambda packet: float((packet.dts or 0) * packet.time_base)
        ):
            container.mux(packet)
    return path


def _sound(stream: av.AudioStream, signal: np.ndarray, kind: Kind, late: float) -> list[av.Packet]:
    if kind.rate != RATE:
        count = int(len(signal) * kind.rate / RATE)
        signal = np.interp(np.arange(count) * RATE / kind.rate, np.arange(len(signal)), signal)
    channels = av.AudioLayout(kind.layout).nb_channels
    data = np.ascontiguousarray(np.repeat(signal[None].astype(np.float32), channels, axis=0))
    frame = av.AudioFrame.from_ndarray(data, format="fltp", layout=kind.layout)
    frame.sample_rate, frame.pts = kind.rate, None
    fifo, packets, at = av.AudioFifo(), [], round(late * kind.rate)
    fifo.write(frame)
    while (part := fifo.read(stream.codec_context.frame_size or 1024, partial=True)) is not None:
        part.pts, part.time_base = at, Fraction(1, kind.rate)
        at += part.samples
        packets += stream.encode(part)
    return packets + list(stream.encode(None))
