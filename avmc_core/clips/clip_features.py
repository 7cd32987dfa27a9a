"""One clip: picture and sound in, acoustic and visual features out, or the reason why not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from avmc_core.clips import acoustic, light_asd, talknet, wav2vec, who_speaks
from avmc_core.clips.landmarks import Landmarks
from avmc_core.clips.media import BOTH, PICTURE, RATE, SOUND, extra, read_clip, shown
from avmc_core.clips.openface import OpenFace
from avmc_core.clips.sound import silent
from avmc_core.errors import InputError, counted
from avmc_core.schema import DIMS, STEPS, columns

# share of frames without the speaker's face above which the paper discards a clip (Section 3.3)
MISSING = 0.25
NO_FACE = "no face found"  # the reason of a clip in which there is none
SILENCE = "the sound track is silent"
LEAST_SOUND = 0.1  # seconds: one window of the acoustic features
LEAST_FRAMES = 3  # the shortest released clip
VISUAL = ("landmarks", "openface")  # the approximation, or the program
SCALING = (
    "landmarks in half picture sizes from the centre, head position in metres, rotation in "
    "radians, AU_r / 5"
)

_NAMES = np.array(columns("vision"))
_X, _Y = (np.char.startswith(_NAMES, f"{axis}_") for axis in "xy")
_MOVE, _UNIT = np.char.startswith(_NAMES, "pose_T"), np.char.endswith(_NAMES, "_r")


@dataclass(frozen=True)
class ExtractionSettings:
    """How faces are read, how the speaker among them is chosen, and which further acoustic features
    are extracted."""

    visual: str = "landmarks"  # the approximation, or "openface"
    openface: str = ""  # OpenFace's program, or a folder with its CSV files
    # of the landmark backend's detector: lower finds more faces, and more that are none
    threshold: float = 0.0
    speaker: str = "light-asd"  # what chooses among several faces, or "rule": no network
    talknet: str = ""  # a file with TalkNet's weights, which then choose instead
    # a folder with the weights of wav2vec 2.0, for its features in addition; "" for none
    wav2vec: str = ""
    wav2vec_layers: bool = False  # the states of every layer, not their mean
    media: str = BOTH  # what is read of a clip; or "sound" or "picture" alone

    def __post_init__(self):
        if self.media not in (BOTH, SOUND, PICTURE):
            raise InputError("media", repr(self.media), f"{BOTH}, {SOUND} or {PICTURE}")
        if self.media == PICTURE and (self.wav2vec or self.talknet):
            raise InputError(
                "media", "the picture alone", "sound, for wav2vec 2.0 and TalkNet to hear"
            )
        if (self.visual == "openface") != bool(self.openface):
            program = f"{self.openface!r} with visual {self.visual!r}"
            raise InputError(
                "openface",
                program,
                "the program or a folder of its CSV files, and visual 'openface', or neither",
            )
        if self.wav2vec_layers and not self.wav2vec:
            raise InputError(
                "wav2vec_layers", "no wav2vec", "the folder of a wav2vec 2.0 model, too"
            )


DEFAULT = ExtractionSettings()


@dataclass(frozen=True)
class ClipReport:
    """The outcome of the extraction of a clip."""

    outcome: str  # kept, discarded (the paper's rule) or failed
    reason: str = ""  # also of a kept clip: what was cut or left out
    seconds: float = 0.0
    frames: int = 0  # at 25 per second
    faces: int = 0  # tracks found
    missing: float = 1.0  # share of frames without the speaker's face
    audio_steps: int = 0
    vision_steps: int = 0
    speaker: str = ""  # how the speaker was chosen
    chosen: str = ""  # which face it is
    notes: str = ""  # how the file was read, and what was assumed


@dataclass(frozen=True)
class ClipFeatures:
    """Features cut at the released caps, and what a picture of them needs."""

    audio: np.ndarray  # (T, 25) float32
    vision: np.ndarray  # (T, 177) float32, scaled as ``SCALING`` says
    frames: np.ndarray  # (T,) int64: which frame of the clip each visual step is
    signal: np.ndarray  # (S,) float32, 16 kHz
    wav2vec: np.ndarray | None = None  # (T, D) float32, or (T, L * D), where they were asked for


class Visual(Protocol):
    """A way to find faces and to put them in OpenFace's columns."""

    approximation: str  # a note wherever its features are shown; "" for OpenFace itself

    @property
    def name(self) -> str: ...

    def identity(self, clip: Path) -> str:
        """A text that changes with whatever the faces of the clip depend on, besides its file and
        the settings."""

    def look(self, image: np.ndarray) -> Any:
        """Called with each frame, (H, W, 3) uint8 RGB, at 25 per second."""

    def tracks(self, clip: Path, seen: list[Any], size: tuple[int, int]) -> list[np.ndarray]:
        """The faces of the clip, (F, 177) each, in OpenFace's units and NaN where not found, from
        what ``look`` returned."""


class Unseen:
    """The backend of clips without pictures."""

    name, approximation = "none: the clips have no picture", ""

    def identity(self, clip: Path) -> str:
        return ""

    def look(self, image: np.ndarray) -> None:
        return None

    def tracks(self, clip: Path, seen: list[Any], size: tuple[int, int]) -> list[np.ndarray]:
        return []


def backend(settings: ExtractionSettings) -> Visual:
    """The visual backend. Raises InputError for an unknown name, a missing program, weights or
    package."""
    if settings.visual not in VISUAL:
        raise InputError("visual", repr(settings.visual), " or ".join(VISUAL))
    for package in ("av", "opensmile"):
        extra(package)
    who_speaks.check_way(settings.speaker, settings.talknet)
    if settings.wav2vec:
        wav2vec.load(settings.wav2vec)
    if settings.media == SOUND:
        return Unseen()
    if settings.visual == "openface":
        return OpenFace(settings.openface)
    return Landmarks(settings.threshold)


def extract_clip(
    path: Path, visual: Visual, settings: ExtractionSettings = DEFAULT
) -> tuple[ClipFeatures | None, ClipReport]:
    """The features of a clip, None when the 25 % rule discards it; ``visual`` is the settings'
    backend. Raises InputError for a clip that cannot be used.

    With sound or picture alone, the features of what is not there are one step of zeros.
    """
    media = read_clip(path, visual.look, settings.media)
    frames, notes, cuts = len(media.seen), list(media.notes), []
    facts: dict[str, Any] = {"seconds": media.seconds, "frames": frames}
    audio, vision = (np.zeros((1, DIMS[name]), np.float32) for name in ("audio", "vision"))
    kept = np.zeros(1, np.int64)
    if settings.media != SOUND and frames < LEAST_FRAMES:
        raise InputError(
            shown(path), f"{frames} frames ({media.seconds:.2f} s)", f"at least {LEAST_FRAMES}"
        )
    if settings.media != PICTURE:
        if len(media.signal) < LEAST_SOUND * RATE:
            raise InputError(
                shown(path),
                f"{len(media.signal) / RATE:.2f} s of sound",
                f"at least {LEAST_SOUND} s",
            )
        audio = acoustic.descriptors(media.signal)
        notes += [SILENCE] if silent(media.signal) else []
    if settings.media != SOUND:
        tracks = visual.tracks(path, media.seen, (media.width, media.height))
        notes += getattr(visual, "notes", ())
        tracks = [track for track in tracks if np.isfinite(track).any()]
        if not tracks:
            return None, ClipReport("discarded", NO_FACE, **facts, notes="; ".join(notes))
        choice = _choice(path, tracks, media.signal, settings)
        faces = choice.faces
        spoken = np.stack(tracks)[faces, np.arange(frames)]  # (F, 177)
        kept = np.flatnonzero((faces >= 0) & np.isfinite(spoken).all(axis=1))
        missing = 1 - len(kept) / frames
        facts |= {
            "faces": len(tracks),
            "missing": missing,
            "speaker": choice.how,
            "chosen": choice.chosen,
        }
        if missing > MISSING:
            reason = (
                f"{missing:.0%} of the frames without the speaker's face, more than {MISSING:.0%}"
            )
            if (faces < 0).all():
                reason += (
                    f": none of the {len(tracks)} faces speaks (speaker 'rule' takes one all "
                    "the same)"
                )
            return None, ClipReport("discarded", reason, **facts, notes="; ".join(notes))
        what = "a speaker" if choice.how in (talknet.NAME, light_asd.NAME) else "a face"
        cuts += (
            [f"{counted(frames - len(kept), 'frame')} without {what} left out"] if missing else []
        )
        cuts += [choice.doubt] if choice.doubt else []
        vision = scaled(spoken[kept], media.width, media.height)
    for name, steps in (("audio", audio), ("vision", vision)):
        if len(steps) > STEPS[name]:
            cuts.append(f"{name} cut from {len(steps)} to {STEPS[name]} steps")
    features = ClipFeatures(
        audio[: STEPS["audio"]],
        vision[: STEPS["vision"]],
        kept[: STEPS["vision"]],
        media.signal,
        wav2vec.hidden_states(media.signal, settings.wav2vec, settings.wav2vec_layers)
        if settings.wav2vec
        else None,
    )
    there = {"audio": settings.media != PICTURE, "vision": settings.media != SOUND}
    facts |= {
        f"{name}_steps": len(getattr(features, name)) if here else 0 for name, here in there.items()
    }
    return features, ClipReport("kept", "; ".join(cuts), **facts, notes="; ".join(notes))


def _choice(
    path: Path, tracks: list[np.ndarray], signal: np.ndarray, settings: ExtractionSettings
) -> who_speaks.Choice:
    """The speaker among the faces; without sound the face that was seen most often."""
    if settings.media == PICTURE and len(tracks) > 1:
        seen = [int(np.isfinite(track).all(axis=1).sum()) for track in tracks]
        face = np.full(len(tracks[0]), int(np.argmax(seen)))
        return who_speaks.Choice(
            face, "no sound: the face seen most often", f"one of {len(tracks)}"
        )
    return who_speaks.choose(path, tracks, signal, settings.speaker, settings.talknet)


def cut_text(tokens: int) -> str:
    """A sentence on what the encoder does not read of a transcript of that many tokens; "" if it
    reads all."""
    return f"text cut from {tokens} to {STEPS['text']} tokens" if tokens > STEPS["text"] else ""


def unknown_text(tokens: int, unknown: int) -> str:
    """A sentence on what the encoder does not know of a transcript of that many tokens; "" if it
    knows all."""
    return f"{unknown} of {tokens - 2} words unknown to the text encoder" if unknown else ""


def scaled(values: np.ndarray, width: int, height: int) -> np.ndarray:
    """OpenFace's columns (T, 177) brought to about -1..1 (``SCALING``). How the released values
    were scaled is unpublished."""
    values = values.astype(np.float32)
    values[:, _X] = values[:, _X] / (width / 2) - 1
    values[:, _Y] = values[:, _Y] / (height / 2) - 1
    values[:, _MOVE] /= 1000
    values[:, _UNIT] /= 5
    return values
