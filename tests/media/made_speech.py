"""Mandarin speech for generated clips, with the times at which the mouth is open.

Where its library is installed, espeak-ng speaks and gives the time of each phoneme; elsewhere
syllables are made of noise and of harmonics under two formants. In both cases the mouth follows the
phonemes and not the loudness.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import zlib
from dataclasses import dataclass
from functools import cache

import numpy as np

RATE = 16000
VOICE = b"cmn-latn-pinyin"
VOWELS = set("aeiouyAEIOUY@3")
SENTENCES = (
    "jin1 tian1 tian1 qi4 zhen1 hao3",
    "wo3 bu4 xi3 huan1 zhe4 ge5",
    "ta1 shuo1 ming2 tian1 zai4 lai2",
    "zhe4 shi4 wo3 de5 peng2 you3",
    "ni3 zen3 me5 hai2 bu4 zou3",
    "tai4 hao3 le5 wo3 men5 qu4 ba5",
    "dui4 bu4 qi3 wo3 lai2 wan3 le5",
    "mei2 you3 ren2 zhi1 dao4 ta1",
    "qing3 gei3 wo3 yi4 bei1 cha2",
    "hai2 zi5 zai4 yuan4 zi5 li3 wan2",
)


@dataclass(frozen=True)
class Speech:
    """Sound and mouth."""

    signal: np.ndarray  # (S,) float32, 16 kHz
    times: np.ndarray  # (P,) seconds at which a phoneme begins
    vowel: np.ndarray  # (P,) bool

    def opening(self, frames: int, fps: float = 25.0) -> np.ndarray:
        """(F,) how far the mouth is open, 0 to 1, smooth as muscles are."""
        now = np.arange(frames) / fps
        number = np.searchsorted(self.times, now, side="right") - 1
        target = np.where(number >= 0, self.vowel[number.clip(0)], False) & (
            now < len(self.signal) / RATE
        )
        return np.convolve(target.astype(float), [0.25, 0.5, 0.25], mode="same")


def speak(text: str, voice: int = 0, speed: int = 170) -> Speech:
    """``text`` in pinyin with tone digits; ``voice`` shifts the pitch."""
    return _espeak(text, voice, speed) if espeak() else _syllables(text, voice)


class _Event(ctypes.Structure):
    class _Id(ctypes.Union):
        _fields_ = [
            ("number", ctypes.c_int),
            ("name", ctypes.c_char_p),
            ("string", ctypes.c_char * 8),
        ]

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique", ctypes.c_uint),
        ("position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("milliseconds", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user", ctypes.c_void_p),
        ("id", _Id),
    ]


@cache
def espeak() -> tuple[ctypes.CDLL, int] | None:
    """The library and its sampling rate, or None where it is not installed."""
    name = ctypes.util.find_library("espeak-ng")
    if not name:
        return None
    library = ctypes.CDLL(name)
    rate = library.espeak_Initialize(2, 0, None, 1)  # synchronous; with phoneme events
    return (library, rate) if rate > 0 and library.espeak_SetVoiceByName(VOICE) == 0 else None


def _espeak(text: str, voice: int, speed: int) -> Speech:
    library, rate = espeak()
    parts, times, vowels = [], [], []

    def hear(sound, count, events) -> int:
        if sound and count:
            parts.append(np.ctypeslib.as_array(sound, (count,)).copy())
        number = 0
        while events[number].type != 0:
            if events[number].type == 7:  # a phoneme
                times.append(events[number].milliseconds / 1000)
                name = events[number].id.string.decode("utf-8", "ignore")
                vowels.append(bool(VOWELS & set(name)))
            number += 1
        return 0

    callback = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
    )(hear)
    library.espeak_SetSynthCallback(callback)
    library.espeak_SetParameter(1, speed, 0)
    library.espeak_SetParameter(3, 30 + 12 * voice, 0)  # pitch, 0 to 100
    data = text.encode()
    library.espeak_Synth(data, ctypes.c_size_t(len(data) + 1), 0, 1, 0, 1, None, None)
    signal = np.concatenate(parts).astype(np.float32) / 32768
    grid = np.arange(int(len(signal) * RATE / rate)) * rate / RATE
    signal = np.interp(grid, np.arange(len(signal)), signal).astype(np.float32)
    return Speech(signal, np.array(times), np.array(vowels, dtype=bool))


def _syllables(text: str, voice: int) -> Speech:
    """A consonant and a vowel for each word, a pause after every third."""
    rng = np.random.default_rng([voice, zlib.crc32(text.encode())])
    parts, times, vowels, now = [], [], [], 0.0
    for number, _ in enumerate(text.split()):
        phonemes = [(False, rng.uniform(0.05, 0.12)), (True, rng.uniform(0.12, 0.25))]
        if number % 3 == 2:
            phonemes.append((False, rng.uniform(0.1, 0.3)))
        for vowel, seconds in phonemes:
            count = int(seconds * RATE)
            parts.append(
                _vowel(rng, count, 110 + 25 * voice) if vowel else 0.02 * rng.standard_normal(count)
            )
            times.append(now)
            vowels.append(vowel)
            now += count / RATE
    return Speech(np.concatenate(parts).astype(np.float32), np.array(times), np.array(vowels))


def _vowel(rng: np.random.Generator, count: int, pitch: float) -> np.ndarray:
    """Harmonics of a gliding pitch under two formants."""
    phase = (
        2
        * np.pi
        * np.cumsum(pitch * (1 + 0.2 * rng.uniform(-1, 1) * np.arange(count) / count))
        / RATE
    )
    first, second = rng.uniform(300, 800), rng.uniform(900, 2200)
    sound = np.zeros(count)
    for k in range(1, 25):
        height = np.exp(-(((k * pitch - first) / 200) ** 2)) + 0.5 * np.exp(
            -(((k * pitch - second) / 250) ** 2)
        )
        sound += height * np.sin(k * phase)
    return 0.3 * sound * np.hanning(count) ** 0.3
