"""A sound track at 16 kHz, mono, every part of it at the time that the file states."""

from __future__ import annotations

from typing import Any

import numpy as np

RATE = 16000  # samples per second
MAX_SECONDS = 900  # of a clip; a small file can claim any
GAP = 0.1  # seconds without sound from which on silence is put in their place
BACK = 0.5  # seconds by which times may run backwards
SILENT = 2.0**-12  # no sample above it: -72 dB


class Track:
    """Collects the frames of one sound track; ``library`` is PyAV."""

    def __init__(self, library: Any):
        self._library, self._resampler, self._setup = library, None, None
        self._parts: list[np.ndarray] = []
        self.start: float | None = None  # seconds, in the file's own time, of the first sample
        self._end = self._last = 0.0
        self.gaps = 0.0  # seconds of silence put in

    def add(self, frame: Any) -> None:
        """Raises ValueError for more than ``MAX_SECONDS`` and for times that run backwards."""
        time = self._end if frame.time is None else float(frame.time)
        if self.start is None:
            self.start = self._end = self._last = time
        if time < self._last - BACK:
            raise ValueError(
                f"sound whose times jump back by {self._last - time:.1f} s: write the clip anew"
            )
        if (missing := time - self._end) > GAP:
            if time - self.start > MAX_SECONDS:
                raise ValueError(f"more than {MAX_SECONDS} seconds of sound")
            self._flush()
            self._parts.append(np.zeros(round(missing * RATE), np.float32))
            self._end, self.gaps = time, self.gaps + missing
        setup = frame.format.name, frame.layout.name, frame.sample_rate
        if setup != self._setup:  # a broadcast may go from stereo to 5.1
            self._flush()
            self._setup = setup
        if self._resampler is None:
            self._resampler = self._library.AudioResampler(format="flt", layout="mono", rate=RATE)
        self._parts += [part.to_ndarray()[0] for part in self._resampler.resample(frame)]
        self._end, self._last = self._end + frame.samples / frame.sample_rate, time
        if self._end - self.start > MAX_SECONDS:
            raise ValueError(f"more than {MAX_SECONDS} seconds of sound")

    def _flush(self) -> None:
        if self._resampler is not None:
            self._parts += [part.to_ndarray()[0] for part in self._resampler.resample(None)]
        self._resampler = None

    def signal(self) -> np.ndarray:
        """(S,) float32 in [-1, 1], from the track's first sample on; empty where there was none."""
        self._flush()
        return np.concatenate(self._parts or [np.zeros(0, np.float32)])


def silent(signal: np.ndarray) -> bool:
    """Whether nothing is to be heard in a signal (S,)."""
    return not len(signal) or float(np.abs(signal).max()) < SILENT


def placed(signal: np.ndarray, late: float) -> np.ndarray:
    """A signal (S,) that begins ``late`` seconds after the clip does: with silence before it, or,
    negative, cut."""
    samples = round(late * RATE)
    return signal[-samples:] if samples < 0 else np.pad(signal, (samples, 0)) if samples else signal
