"""Generated acoustic frames: the 25 eGeMAPS low-level descriptors, in their order and units, with
real statistics.

Each column follows the mean, spread, range, neighbour correlation and share of exact zeros of real
speech frames (``resources/egemaps_stats.json``). One latent course of vocal effort per clip decides
which frames are voiced: the columns of voiced frames (F0, jitter, harmonics) are 0 elsewhere and
the formant amplitudes -201, all at the same places, as openSMILE writes them. What a clip expresses
shifts whole columns; so do its speaker and its recording, and that is why the acoustic label is
hard to read from them.
"""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import scipy  # which loads its parts when they are used

from avmc_core.home import resource_text
from avmc_core.schema import columns

BETWEEN = 0.35  # share of a column's variance that lies between clips
SPEAKER = 0.5  # share of that which belongs to the speaker (a source video), not to the clip
NOT_VOICED = 0.30  # share of frames with formant amplitude -201
FLOOR = -201.0
# neighbour correlation of the vocal effort; gives runs of voiced frames as long as the real ones
EFFORT_RHO = 0.96
# correlation with the effort
EFFORT_SHARE = {"Loudness_sma3": 0.6, "spectralFlux_sma3": 0.5, "alphaRatio_sma3": 0.3}
# correlation of a column's clip level with what the clip expresses (a bright, loud, lively voice is
# positive)
LOADING = {
    "Loudness_sma3": 0.5,
    "alphaRatio_sma3": 0.4,
    "hammarbergIndex_sma3": -0.4,
    "spectralFlux_sma3": 0.55,
    "mfcc1_sma3": -0.3,
    "F0semitoneFrom27.5Hz_sma3nz": 0.6,
    "jitterLocal_sma3nz": -0.3,
    "HNRdBACF_sma3nz": 0.4,
    "F1frequency_sma3nz": 0.3,
}
# positive, log-normal
SKEWED = ("Loudness_sma3", "spectralFlux_sma3", "jitterLocal_sma3nz", "shimmerLocaldB_sma3nz")


def acoustic(
    expressed: np.ndarray,
    speaker: np.ndarray,
    lengths: np.ndarray,
    rng: np.random.Generator,
    variety: float = 1.0,
) -> np.ndarray:
    """Frames of N clips, (sum of lengths, 25) float32, clip after clip.

    ``expressed`` (N,): what each voice expresses, standardised; ``speaker`` (N, 25): traits of its
    speaker, standard normal, equal for clips of one speaker; ``lengths`` (N,) in frames;
    ``variety`` widens what belongs to the recording.
    """
    names, stats = columns("audio"), egemaps_stats()
    steps = int(lengths.max())
    effort = autoregressive(rng, len(lengths), steps, EFFORT_RHO)  # (N, T)
    valid = np.arange(steps) < lengths[:, None]  # (N, T)
    frames = np.empty((int(lengths.sum()), len(names)), dtype=np.float32)
    for k, name in enumerate(names):
        s, loading, share = stats[name], LOADING.get(name, 0.0), EFFORT_SHARE.get(name, 0.0)
        own = np.sqrt(SPEAKER) * speaker[:, k] + variety * np.sqrt(
            1 - SPEAKER
        ) * rng.standard_normal(len(lengths))
        clip = loading * expressed + np.sqrt(1 - loading**2) * own  # (N,)
        course = autoregressive(
            rng, len(lengths), steps, np.clip((s["ac1"] - BETWEEN) / (1 - BETWEEN), 0, 0.99)
        )
        course = share * effort + np.sqrt(1 - share**2) * course
        # (N, T), standard normal
        z = np.sqrt(BETWEEN) * clip[:, None] + np.sqrt(1 - BETWEEN) * course
        rest, absent = (FLOOR, NOT_VOICED) if "amplitude" in name else (0.0, s["zero"])
        # ppf(0) is -inf
        values = np.where(
            effort < scipy.stats.norm.ppf(absent), rest, _scaled(z, name, rest, absent)
        )
        frames[:, k] = np.clip(values, s["min"], s["max"])[valid]
    return frames


def autoregressive(rng: np.random.Generator, n: int, steps: int, rho: float) -> np.ndarray:
    """``n`` stationary first-order autoregressive courses of unit variance, (n, steps) float32."""
    noise = rng.standard_normal((n, steps + 1), dtype=np.float32)
    scale = np.float32(np.sqrt(1 - rho**2))
    start, poles = np.float32(rho) * noise[:, :1], np.array([1, -rho], np.float32)
    return scipy.signal.lfilter([scale], poles, noise[:, 1:], axis=1, zi=start)[0]


def _scaled(z: np.ndarray, name: str, rest: float, absent: float) -> np.ndarray:
    """``z`` on the column's scale, such that with a share ``absent`` of frames at ``rest`` the
    column has its moments."""
    s = egemaps_stats()[name]
    mean = (s["mean"] - absent * rest) / (1 - absent)
    square = (s["sd"] ** 2 + s["mean"] ** 2 - absent * rest**2) / (1 - absent)
    sd = np.sqrt(max(square - mean**2, 10.0**2 if rest else 0.0))
    if name in SKEWED:
        log_variance = np.log1p((sd / mean) ** 2)
        return mean * np.exp(np.sqrt(log_variance) * z - log_variance / 2)
    return mean + sd * z


@cache
def egemaps_stats() -> dict[str, dict[str, float]]:
    """Statistics of real frames by column: mean, sd, min, max, zero (share of exact zeros), ac1."""
    return json.loads(resource_text("egemaps_stats.json"))["columns"]
