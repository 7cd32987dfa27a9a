"""MFCCs agree with their definition, written out as plain sums, so that TalkNet reads what
python_speech_features gave it in training."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from avmc_core.clips.mfcc import mfcc


def by_definition(signal: list[int], step: int) -> list[float]:
    """One row: pre-emphasis, a rectangular window, the power spectrum, triangular filters on the
    mel scale, a logarithm, a cosine transform and a lifter."""
    emphasised = [signal[0], *(after - 0.97 * before for before, after in pairwise(signal))]
    window = np.zeros(512)
    part = emphasised[160 * step : 160 * step + 400]
    window[: len(part)] = part
    turns = np.exp(-2j * np.pi * np.outer(np.arange(257), np.arange(512)) / 512)
    power = [abs(value) ** 2 / 512 for value in turns @ window]
    top = 2595 * np.log10(1 + 8000 / 700)
    hertz = [700 * (10 ** (top * k / 27 / 2595) - 1) for k in range(28)]
    corner = [int(513 * value / 16000) for value in hertz]
    logs = []
    for a, b, c in zip(corner, corner[1:], corner[2:], strict=False):
        rising = sum(power[k] * (k - a) / (b - a) for k in range(a, b))
        logs.append(np.log(rising + sum(power[k] * (c - k) / (c - b) for k in range(b, c))))
    row = [np.log(sum(power))]
    for k in range(1, 13):
        cosine = sum(value * np.cos(np.pi * k * (2 * n + 1) / 52) for n, value in enumerate(logs))
        row.append(cosine * np.sqrt(2 / 26) * (1 + 11 * np.sin(np.pi * k / 22)))
    return row


@pytest.mark.parametrize("samples, steps", [(100, 1), (400, 1), (401, 2), (16000, 99)])
def test_every_row_is_its_definition(samples, steps):
    signal = np.random.default_rng(samples).integers(-3000, 3000, samples)
    rows = mfcc(signal)
    assert rows.shape == (steps, 13)
    for step in {0, steps // 2, steps - 1}:
        np.testing.assert_allclose(
            rows[step], by_definition(signal.tolist(), step), rtol=1e-9, atol=1e-9
        )


def test_silence_has_finite_coefficients():
    assert np.isfinite(mfcc(np.zeros(2000))).all()
