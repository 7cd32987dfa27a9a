"""Infers lengths that a file does not state: of the text, if it has no tokens, and of sound and
picture, if both are aligned with the text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from avmc_core.data import layouts
from avmc_core.errors import InputError

_BLOCK_BYTES = 2**23  # of a padded array, read at once


def with_lengths(
    columns: dict[str, np.ndarray],
    repairs: Counter[str],
    release: Callable[[np.ndarray, np.ndarray], None],
    where: str = "",
) -> dict[str, np.ndarray]:
    """The columns of a split with ``text_bert``, ``audio_lengths`` and ``vision_lengths``, where
    they are not there.

    A text without tokens is as long as its states up to the last that is not zero; its
    ``text_bert`` has a mask of that length and no ids. Sound and picture have as many steps as the
    text, and more where there are values behind its last, so that none is lost. ``release`` gives a
    block of a mapped array back to the system, ``where`` names the split. Raises InputError for
    texts without tokens that begin with zeros.
    """
    made = dict(columns)
    if layouts.TOKENS not in columns:
        made[layouts.TOKENS] = _mask_alone(columns["text"], release, f"{where}, key text")
        repairs["texts without tokens, as long as their states"] += len(columns["text"])
    tokens = made[layouts.TOKENS][:, 1].sum(axis=1)
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


def _mask_alone(
    states: np.ndarray, release: Callable[[np.ndarray, np.ndarray], None], where: str
) -> np.ndarray:
    """The tokens (N, 3, T) of texts (N, T, D) whose ids are not known: the mask only."""
    lengths = _ends(states, release)
    late = (lengths > 1) & ~states[:, 0].any(axis=1)
    if late.any():
        found = f"{int(late.sum())} texts that begin with zeros, and no text_bert"
        expected = "padding at the end, or text_bert, whose mask says where a text stands"
        raise InputError(f"{where}, row {int(late.argmax())}", found, expected)
    made = np.zeros((len(states), 3, states.shape[1]), np.int64)
    made[:, 1] = np.arange(states.shape[1]) < np.maximum(lengths, 1)[:, None]
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
