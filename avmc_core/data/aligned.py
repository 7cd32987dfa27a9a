"""Lengths of sound and picture in a file that has none of its own, because both are aligned with
the tokens of the text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from avmc_core.data import layouts

_BLOCK_BYTES = 2**23  # of a padded array, read at once


def with_lengths(
    columns: dict[str, np.ndarray],
    repairs: Counter[str],
    release: Callable[[np.ndarray, np.ndarray], None],
) -> dict[str, np.ndarray]:
    """The columns of a split with ``audio_lengths`` and ``vision_lengths``, where they are not
    there: as many steps as the text has tokens, and more where there are values behind the last
    token, so that none is lost. ``release`` gives a block of a mapped array back to the system."""
    made = dict(columns)
    tokens = columns["text_bert"][:, 1].sum(axis=1)
    for modality, key in layouts.LENGTHS.items():
        if key not in columns:
            ends = _ends(columns[modality], release)
            repairs[f"clips with {modality} as long as their text, to which it is aligned"] += len(
                tokens
            )
            repairs[f"clips with {modality} behind the last token, kept"] += int(
                (ends > tokens).sum()
            )
            made[key] = np.maximum(tokens, ends)
    return made


def _ends(padded: np.ndarray, release: Callable[[np.ndarray, np.ndarray], None]) -> np.ndarray:
    """The number of steps (N,) of a padded array (N, T, D) up to the last that is not zero."""
    rows = max(1, _BLOCK_BYTES // max(padded[0].nbytes, 1))
    ends = np.zeros(len(padded), dtype=np.int64)
    for start in range(0, len(padded), rows):
        block = padded[start : start + rows]
        there = (block != 0).any(axis=2)  # NaN counts as a value, which its own check names
        last = padded.shape[1] - there[:, ::-1].argmax(axis=1)
        ends[start : start + rows] = np.where(there.any(axis=1), last, 0)
        release(padded, block)
    return ends
