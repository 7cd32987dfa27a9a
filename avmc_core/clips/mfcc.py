"""Mel-frequency cepstral coefficients as the package python_speech_features computes them, which
TalkNet was trained on.

That package has had no release since 2017 and is needed for this one function, hence these lines.
Its defaults: pre-emphasis, rectangular windows of 25 ms every 10 ms, 26 triangular filters up to 8
kHz, the first coefficient replaced by the log energy.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.fft import dct

from avmc_core.clips.media import RATE

COEFFICIENTS = 13
WINDOW, HOP = round(0.025 * RATE), round(0.010 * RATE)  # samples
POINTS = 512  # of the Fourier transform
FILTERS = 26
EMPHASIS = 0.97
LIFTER = 22
_TINY = np.finfo(float).eps  # stands in for an energy of 0, of which there is no logarithm


def mfcc(signal: np.ndarray) -> np.ndarray:
    """(T, 13) float64 of a signal (S,) at 16 kHz in units of 16-bit samples, its end filled up with
    zeros to a whole window."""
    emphasised = np.append(signal[:1], signal[1:] - EMPHASIS * signal[:-1])
    steps = 1 + max(0, -(-(len(signal) - WINDOW) // HOP))
    padded = np.zeros((steps - 1) * HOP + WINDOW)
    padded[: len(signal)] = emphasised
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]  # (T, 400)
    power = np.abs(np.fft.rfft(windows, POINTS)) ** 2 / POINTS  # (T, 257)
    bands, energy = power @ _filters().T, power.sum(axis=1)
    cepstra = dct(np.log(np.where(bands == 0, _TINY, bands)), type=2, norm="ortho")[
        :, :COEFFICIENTS
    ]
    cepstra *= 1 + LIFTER / 2 * np.sin(np.pi * np.arange(COEFFICIENTS) / LIFTER)
    cepstra[:, 0] = np.log(np.where(energy == 0, _TINY, energy))
    return cepstra


@cache
def _filters() -> np.ndarray:
    """(26, 257): triangles whose corners are evenly spaced in mel, each put on the frequency bin
    below."""
    mel = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), FILTERS + 2)
    corners = np.floor((POINTS + 1) * 700 * (10 ** (mel / 2595) - 1) / RATE)
    bins = np.arange(POINTS // 2 + 1)
    left, top, right = (corners[k : k + FILTERS, None] for k in range(3))
    return np.where(bins < top, (bins - left) / (top - left), (right - bins) / (right - top)).clip(
        0
    )
