"""Infers lengths that a file does not state: of the text, if it has no tokens, and of sound and
picture, from the text with which they are aligned, else from their own padding."""

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
    ``text_bert`` has a mask of that length and no ids. Sound and picture that are padded to as many
    steps as the text are aligned with it: they are as long, and longer where there are values
    behind its last, so that none is lost. Padded to another number of steps, they end at their last
    frame that is not zero. ``release`` gives a block of a mapped array back to the system,
    ``where`` names the split. Raises InputError where zeros at the beginning do not tell how long a
    clip is.
    """
    completed = dict(columns)
    if layouts.TOKENS not in columns:
        completed[layouts.TOKENS] = _mask_alone(columns["text"], release, f"{where}, key text")
        repairs["texts without tokens, as long as their states"] += len(columns["text"])
    tokens = completed[layouts.TOKENS][:, 1].sum(axis=1)
    for modality, key in layouts.LENGTHS.items():
        if key not in columns:
            ends = _ends(columns[modality], release)
            if columns[modality].shape[1] == columns["text"].shape[1]:
                aligned = f"clips with {modality} as long as their text, to which it is aligned"
                repairs[aligned] += len(tokens)
                behind = int((ends > tokens).sum())
                repairs[f"clips with {modality} behind the last token, kept"] += behind
                completed[key] = np.maximum(tokens, ends)
            else:
                _check_beginnings(columns[modality], ends, f"{where}, key {modality}", f"no {key}")
                unmeasured = (
                    f"clips with {modality} up to its last frame that is not zero: no lengths"
                )
                repairs[unmeasured] += len(ends)
                completed[key] = np.maximum(ends, 1)
    return completed


def _mask_alone(
    states: np.ndarray, release: Callable[[np.ndarray, np.ndarray], None], where: str
) -> np.ndarray:
    """The tokens (N, 3, T) of texts (N, T, D) whose ids are not known: the mask only."""
    lengths = _ends(states, release)
    _check_beginnings(states, lengths, where, "no text_bert, whose mask says where a text stands")
    tokens = np.zeros((len(states), 3, states.shape[1]), np.int64)
    tokens[:, 1] = np.arange(states.shape[1]) < np.maximum(lengths, 1)[:, None]
    return tokens


def _check_beginnings(padded: np.ndarray, ends: np.ndarray, where: str, lacks: str) -> None:
    """Raises InputError where sequences (N, T, D) begin with zeros, which may be padding."""
    late = (ends > 1) & ~padded[:, 0].any(axis=1)
    if late.any():
        late_starts = f"{int(late.sum())} sequences that begin with zeros, and {lacks}"
        raise InputError(
            f"{where}, row {int(late.argmax())}", late_starts, "padding at the end, or lengths"
        )


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
