"""Makes avmc_core/resources/speakers.json again: python tools/speakers.py CLIP CLIP [CLIP ...]

How often the speaking face is chosen, by the rule without weights and by Light-ASD, and what that
costs. Drawn faces are those of the tests. The clips show one person each, who does not speak (they
are not in the repository): two seconds of two of them stand side by side under a voice that is
neither's, and nobody is to be chosen.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / folder) for folder in ("media", "support")]

from made_clips import make_clip, write_pictures  # noqa: E402
from made_speech import SENTENCES, espeak, speak  # noqa: E402
from media_tools import two_talking  # noqa: E402

from avmc_core.clips import who_speaks  # noqa: E402
from avmc_core.clips.clip_features import MISSING  # noqa: E402
from avmc_core.clips.landmarks import Landmarks  # noqa: E402
from avmc_core.clips.media import FPS, read_clip  # noqa: E402
from avmc_core.files.atomic import new_file  # noqa: E402

RESOURCE = ROOT / "avmc_core" / "resources" / "speakers.json"
NUMBER = 5  # clips of a kind
SIDE = 480  # pixels: width of each of two real pictures
KINDS = (
    "one of two drawn faces speaks",
    "both drawn faces speak, one is heard",
    "neither drawn face speaks",
)
REAL = "neither of two people speaks"
# Measured by others on crops as they are made here, of clips of people that cannot be handed on.
REPORTED = [
    {"clips": "reported: one of two people speaks", "number": 33, "rule": 21, "light-asd": 33},
    {
        "clips": "reported, the network alone: both people speak, one is heard",
        "number": 33,
        "rule": None,
        "light-asd": 16,
    },
]


def drawn(folder: Path, kind: str, number: int) -> tuple[Path, int]:
    """A clip of two drawn faces and which of them is heard: 1 is the left one, 0 none."""
    faces, signal, frames = two_talking(number)
    heard = number % 2
    still = [replace(face, opening=0 * face.opening) for face in faces]
    if kind == KINDS[0]:
        faces = [faces[k] if k == heard else still[k] for k in (0, 1)]
    elif kind == KINDS[2]:
        faces, heard = still, -1
    return make_clip(folder / f"{number}.mp4", faces, signal, frames), heard + 1


def pieces(clip: str) -> list[list[np.ndarray]]:
    """Two seconds each of a clip's pictures, made smaller."""
    frames: list[np.ndarray] = []

    def keep(image: np.ndarray) -> None:
        height = round(image.shape[0] * SIDE / image.shape[1]) // 2 * 2
        frames.append(
            cv2.resize(np.ascontiguousarray(image), (SIDE, height), interpolation=cv2.INTER_AREA)
        )

    read_clip(clip, keep)
    return [
        frames[start : start + 2 * FPS] for start in range(0, len(frames) - 2 * FPS + 1, 2 * FPS)
    ]


def side_by_side(folder: Path, clips: list[str], number: int) -> list[tuple[Path, int]]:
    """Up to ``number`` clips of two people, under generated voices."""
    people = [pieces(clip) for clip in clips]
    pairs = [
        (a, b)
        for k, first in enumerate(people)
        for second in people[k + 1 :]
        for a in first
        for b in second
    ]
    written = []
    for count, (a, b) in enumerate(pairs[:number]):
        pictures = [np.hstack(pair) for pair in zip(a, b, strict=True)]
        signal = np.resize(speak(SENTENCES[count % len(SENTENCES)], count % 3).signal, 2 * 16000)
        written.append((write_pictures(folder / f"real{count}.mp4", pictures, signal), 0))
    return written


def answer(choice: who_speaks.Choice) -> int:
    """The chosen face from the left; 0: none, or so seldom that the clip would be discarded; -1:
    now one, now another."""
    if (choice.faces < 0).mean() > MISSING:
        return 0
    return -1 if " and " in choice.chosen else int(choice.chosen[0])


def asked(path: Path) -> dict[str, float]:
    """The answer of each way, and seconds of processor time per second of the clip: for its faces,
    and for each way."""
    visual, costs, start = Landmarks(), {}, time.process_time()
    media = read_clip(path, visual.look)
    tracks = visual.tracks(path, media.seen, (media.width, media.height))
    costs["faces_seconds"] = (time.process_time() - start) / media.seconds
    for way in who_speaks.WAYS:
        start = time.process_time()
        costs[way] = answer(who_speaks.choose(path, tracks, media.signal, way))
        costs[f"{way}_seconds"] = (time.process_time() - start) / media.seconds
    return costs


if __name__ == "__main__":
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = {
            kind: [drawn(folder / str(k), kind, n) for n in range(NUMBER)]
            for k, kind in enumerate(KINDS)
        }
        cases[REAL] = side_by_side(folder, sys.argv[1:], NUMBER)
        for kind, clips in cases.items():
            judged = [(asked(path), heard) for path, heard in clips]
            row = {"clips": kind, "number": len(clips)}
            row |= {
                way: sum(costs[way] == heard for costs, heard in judged) for way in who_speaks.WAYS
            }
            for name in ("faces_seconds", *(f"{way}_seconds" for way in who_speaks.WAYS)):
                row[name] = round(float(np.median([costs[name] for costs, _ in judged])), 2)
            rows.append(row)
            print(row, flush=True)
    voices = "espeak-ng" if espeak() else "made syllables"
    command = "python tools/speakers.py " + " ".join(Path(clip).name for clip in sys.argv[1:])
    with new_file(RESOURCE) as path:
        path.write_text(
            json.dumps({"voices": voices, "command": command, "rows": rows + REPORTED}, indent=1)
            + "\n",
            encoding="utf-8",
        )
