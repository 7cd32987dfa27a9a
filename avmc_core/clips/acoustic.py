"""The acoustic features: openSMILE's eGeMAPSv02 low-level descriptors, 25 columns every 10 ms.

openSMILE is licensed for research and non-commercial use, hence an optional extra. The paper's
second set is in ``wav2vec``.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from avmc_core.clips.media import RATE, extra
from avmc_core.errors import InputError
from avmc_core.schema import columns

NAME = "eGeMAPSv02 low-level descriptors"


@cache
def _smile() -> Any:
    opensmile = extra("opensmile")
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.LowLevelDescriptors,
    )
    if tuple(smile.feature_names) != columns("audio"):
        raise InputError(
            "opensmile",
            ", ".join(smile.feature_names),
            f"the released order: {', '.join(columns('audio'))}",
        )
    return smile


def version() -> str:
    """Name and version of the feature set, for a store's manifest."""
    return f"openSMILE {extra('opensmile').__version__}, {NAME}, {RATE // 1000} kHz"


def descriptors(signal: np.ndarray) -> np.ndarray:
    """(T, 25) float32 in the released order from a signal (S,) at 16 kHz; T = 100 * seconds - 4.

    Pitch is in semitones above 27.5 Hz and 0 where there is no voice; formant amplitudes are -201
    there. Raises InputError for a signal too short for a single window.
    """
    if len(signal) < RATE // 10:
        raise InputError("sound", f"{len(signal) / RATE:.2f} s", "at least 0.1 s")
    return np.ascontiguousarray(_smile().process_signal(signal, RATE).to_numpy(np.float32))
