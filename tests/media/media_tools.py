"""Helpers that the media tests share: clips of one talking face, their meta.csv, and the command
line."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from label_header import NAMES
from made_clips import FPS, Drawn
from made_speech import RATE, SENTENCES, speak

TEXTS = (
    "今天天气真好",
    "我不喜欢这个",
    "他说明天再来",
    "这是我的朋友",
    "你怎么还不走",
    "太好了我们去吧",
)
COMMAND = (sys.executable, "-c", "from avmc_core.commands.main import main; main()")
SPLITS = ("train",) * 8 + ("valid",) * 3 + ("test",) * 3


def talking(
    number: int, missing: float = 0.0, seconds: float = 0.0
) -> tuple[list[Drawn], np.ndarray, int]:
    """One face that says a sentence, and is outside the picture in a share ``missing`` of the
    frames."""
    speech = speak(SENTENCES[number % len(SENTENCES)], number % 3)
    signal = speech.signal if not seconds else np.resize(speech.signal, int(seconds * RATE))
    frames = round(len(signal) / RATE * FPS)
    opening = np.resize(speech.opening(round(len(speech.signal) / RATE * FPS)), frames)
    there = np.arange(frames) < round((1 - missing) * frames)
    return (
        [Drawn(opening, smile=(number % 5) / 2 - 1, skin=number % 3, there=there)],
        signal,
        frames,
    )


def two_talking(number: int) -> tuple[list[Drawn], np.ndarray, int]:
    """Two mouths, each of which follows the phonemes of its own sentence; the left one is heard if
    ``number`` is even."""
    two = (
        speak(SENTENCES[number], number % 3),
        speak(SENTENCES[(number + 3) % 10], (number + 1) % 3),
    )
    frames = round(FPS * max(len(speech.signal) for speech in two) / RATE)
    left, right = (speech.opening(frames) for speech in two)
    return (
        [Drawn(left, (85, 110), 50), Drawn(right, (235, 110), 50, skin=1)],
        two[number % 2].signal,
        frames,
    )


def write_meta(folder: Path, rows: list[tuple]) -> None:
    with open(folder / "meta.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([NAMES, *rows])


def labelled(video: str, clip: str, number: int, split: str, text: str | None = None) -> tuple:
    label = (number % 11) / 5 - 1
    text = TEXTS[number % len(TEXTS)] if text is None else text
    return video, clip, text, *(f"{label:.1f}",) * 4, "Neutral", split


def avmc(*words: str | Path, home: Path | None = None) -> subprocess.CompletedProcess:
    """The command line in a process of its own."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        **({"AVMC_HOME": str(home)} if home else {}),
    }
    return subprocess.run(
        [*COMMAND, *(str(word) for word in words)], capture_output=True, text=True, env=environment
    )
