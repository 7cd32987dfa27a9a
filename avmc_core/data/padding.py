"""From padded arrays, which are mapped, to the valid steps of their clips, block by block.

What was read of a file is given back to the system at once, so that memory does not grow with it.
"""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Iterator

import numpy as np
from tqdm import tqdm

from avmc_core.errors import InputError

FINITE = "finite numbers: write 0 where nothing was measured, or leave the clip out"
_BLOCK_BYTES = 2**23  # of a padded array, read at once


def ragged_blocks(
    where: str,
    padded: np.ndarray,
    lengths: np.ndarray,
    repairs: Counter[str],
    bar: tqdm,
    strict: bool,
) -> Iterator[np.ndarray]:
    """The valid steps of a padded array (N, T, D), in blocks (sum of some T_i, D) float32.

    Infinite negative values of sound and picture, the logarithm of silence, become 0 as in the
    public loader. A token without a state is an error where ``strict``, else kept and counted.
    """
    rows = max(1, _BLOCK_BYTES // padded[0].nbytes)
    modality = where.rpartition(" ")[2]
    at_start = _padded_at_start(padded, lengths)
    for start in range(0, len(padded), rows):
        block, ends = padded[start : start + rows], lengths[start : start + rows]
        places = np.arange(padded.shape[1])
        valid = places >= padded.shape[1] - ends[:, None] if at_start else places < ends[:, None]
        inside, after = block[valid], np.where(valid[..., None], 0, block)
        silent = np.isneginf(inside)
        if modality != "text" and silent.any():
            repairs[f"values of -inf in {modality} set to 0"] += int(silent.sum())
            inside = np.where(silent, 0, inside)
        with np.errstate(over="ignore"):  # overflow becomes inf, which is refused
            values = inside.astype(np.float32)
        if not np.isfinite(values).all() or np.isnan(after).any() or np.isposinf(after).any():
            bad = ~(np.abs(block) <= np.finfo(np.float32).max).all(axis=(1, 2))
            raise InputError(
                f"{where}, row {start + np.argmax(bad)}",
                "NaN, inf or more than float32 holds",
                FINITE,
            )
        outside = after.any(axis=(1, 2))
        if at_start:
            repairs[f"clips with {modality} padded at the start, read from their end"] += int(
                (ends < padded.shape[1]).sum()
            )
        elif outside.any():
            _check_side(where, start, block, ends, outside)
            repairs[f"clips with {modality} values after their end, dropped"] += int(outside.sum())
        if modality == "text":
            last = block[np.arange(len(ends)), -1 if at_start else ends - 1].any(axis=1)
            repairs["clips with zeros at the last token of text_bert's mask, kept"] += int(
                (~last).sum()
            )
            if strict and not last.all():
                row = start + int(np.argmin(last))
                raise InputError(
                    f"{where}, row {row}",
                    "zeros at the last token of text_bert's mask",
                    "a state of every token",
                )
        yield values
        bar.update(block.nbytes)
        release(padded, block)


def _padded_at_start(padded: np.ndarray, lengths: np.ndarray) -> bool:
    """Whether the steps of every clip stand at the end of its row, behind zeros, as an option of
    the public toolkit has it."""
    steps, seen = padded.shape[1], False
    for row in np.flatnonzero(lengths < steps):
        if padded[row, : steps - lengths[row]].any():
            return False  # of an ordinary file the first such clip
        seen = seen or bool(padded[row, steps - 1].any())
        release(padded, padded[row : row + 1])
    return seen


def _check_side(
    where: str, start: int, block: np.ndarray, ends: np.ndarray, outside: np.ndarray
) -> None:
    """Raises InputError for a clip whose steps stand at the end of its row, in a file where others
    begin at the start."""
    for row in np.flatnonzero(outside):
        if not block[row, : block.shape[1] - ends[row]].any():
            padding = (
                f"zeros first and values after step {ends[row]}: padding at the start, in this "
                "row alone"
            )
            raise InputError(
                f"{where}, row {start + row}", padding, "all clips padded on the same side"
            )


def release(padded: np.ndarray, block: np.ndarray) -> None:
    """Gives the pages of a mapped block back to the system: they would count as this process's
    memory."""
    view = padded
    while isinstance(view, np.ndarray):
        view = view.base
    if isinstance(view, memoryview) and isinstance(view.obj, mmap.mmap):
        origin = np.frombuffer(view.obj, np.uint8).ctypes.data
        start = (block.ctypes.data - origin) // mmap.PAGESIZE * mmap.PAGESIZE
        view.obj.madvise(
            mmap.MADV_DONTNEED, start, block.ctypes.data - origin + block.nbytes - start
        )
