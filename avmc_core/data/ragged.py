"""Sequences of different lengths without their padding, as views of mapped files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

_BLOCK_STEPS = 2**16  # steps that are averaged at once


@dataclass(frozen=True)
class Ragged:
    """One modality of N clips: (T_i, D) float32 each. Several parts make one sequence of clips
    without a copy."""

    # per part: values (sum T, D) float32, offsets (N_part + 1,) int64
    parts: tuple[tuple[np.ndarray, np.ndarray], ...]
    lengths: np.ndarray  # (N,) int64, T_i of each clip
    steps: int  # T, the cap at which the released arrays are cut and padded

    @classmethod
    def of(cls, parts: tuple[tuple[np.ndarray, np.ndarray], ...], steps: int) -> Ragged:
        """Parts put one after the other, with their lengths."""
        return cls(parts, np.concatenate([np.diff(offsets) for _, offsets in parts]), steps)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, row: int) -> np.ndarray:
        """The steps of one clip, (T_i, D) float32, a read-only view."""
        place = row + len(self) if row < 0 else row
        for values, offsets in self.parts:
            if 0 <= place < len(offsets) - 1:
                return values[offsets[place] : offsets[place + 1]]
            place -= len(offsets) - 1
        raise IndexError(f"clip {row} of {len(self)}")

    def padded(self, rows: np.ndarray, steps: int | None = None) -> np.ndarray:
        """The clips ``rows`` (B indices) with zeros after their end, (B, T, D) float32.

        T is that of the longest of them; a given ``steps`` pads further, or cuts clips at their
        end.
        """
        rows = np.arange(len(self))[rows]
        steps = int(self.lengths[rows].max(initial=0)) if steps is None else steps
        valid = np.arange(steps) < self.lengths[rows][:, None]  # (B, T)
        out = np.zeros((len(rows), steps, self.parts[0][0].shape[1]), dtype=np.float32)  # (B, T, D)
        first = 0  # row of the part's first clip
        for values, offsets in self.parts:
            chosen = (rows >= first) & (rows < first + len(offsets) - 1)
            if chosen.any():
                places = offsets[rows[chosen] - first][:, None] + np.arange(steps)
                out[valid & chosen[:, None]] = values[places[valid[chosen]]]
            first += len(offsets) - 1
        return out

    def first(self) -> np.ndarray:
        """The first step of each clip, (N, D) float32: [CLS] of the text states."""
        return np.concatenate([values[offsets[:-1]] for values, offsets in self.parts])

    def mean(self) -> np.ndarray:
        """The mean of each clip over its own steps, (N, D) float32, summed in float64."""
        means = []
        for values, offsets in self.parts:
            # clips at which blocks begin
            cuts = np.searchsorted(offsets, np.arange(0, offsets[-1], _BLOCK_STEPS))
            cuts = np.unique([*cuts, len(offsets) - 1])
            for start, stop in pairwise(cuts):
                block = values[offsets[start] : offsets[stop]].astype(np.float64)
                sums = np.add.reduceat(block, offsets[start:stop] - offsets[start], axis=0)
                means.append(
                    (sums / np.diff(offsets[start : stop + 1])[:, None]).astype(np.float32)
                )
        return np.concatenate(means)


@dataclass(frozen=True)
class Selection(Ragged):
    """Clips of ``source`` in any order and as often as wanted. ``parts`` are the source's, with all
    its clips."""

    source: Ragged
    rows: np.ndarray  # (N,) int64, clips of the source

    @classmethod
    def of(cls, source: Ragged, rows: np.ndarray) -> Selection:
        """The clips ``rows`` (N indices) of ``source``."""
        if isinstance(source, Selection):
            source, rows = source.source, source.rows[rows]
        return cls(source.parts, source.lengths[rows], source.steps, source, rows)

    def __getitem__(self, row: int) -> np.ndarray:
        return self.source[int(self.rows[row])]

    def padded(self, rows: np.ndarray, steps: int | None = None) -> np.ndarray:
        return self.source.padded(self.rows[rows], steps)

    def first(self) -> np.ndarray:
        return self.source.first()[self.rows]

    def mean(self) -> np.ndarray:
        return self.source.mean()[self.rows]


def joined(sequences: Sequence[Ragged]) -> Ragged:
    """The clips of several one after the other, without a copy."""
    sources = [s.source if isinstance(s, Selection) else s for s in sequences]
    whole = Ragged.of(tuple(part for source in sources for part in source.parts), sources[0].steps)
    if not any(isinstance(s, Selection) for s in sequences):
        return whole
    firsts = np.cumsum([0, *(len(source) for source in sources[:-1])])
    rows = [
        first + (s.rows if isinstance(s, Selection) else np.arange(len(s)))
        for first, s in zip(firsts, sequences, strict=True)
    ]
    return Selection.of(whole, np.concatenate(rows))
