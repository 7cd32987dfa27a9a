"""A sound track at 16 kHz, mono, every part of it at the time that the file states."""

from __future__ import annotations

from typing import Any

import numpy as np

from avmc_core.errors import counted

RATE = 16000  # samples per second
MAX_SECONDS = 900  # of a clip; a small file can claim any
GAP = 0.1  # seconds without sound from which on silence is put in their place
BACK = 0.5  # seconds by which times may run backwards
SILENT = 2.0**-12  # no sample above it: -72 dB
OVERLOADED = 0.001  # share of samples beyond full scale; a codec may exceed it here and there
HALF = 0.5**0.5  # the weight of a channel that stands to one side, against the centre's
_WEIGHTS = {"FC": 1.0, "LFE": 0.0, "BL": 0.5, "BR": 0.5, "SL": 0.5, "SR": 0.5}  # of others: HALF


class Track:
    """Collects the frames of one sound track; ``library`` is PyAV.

    Channels are mixed with the weights of the standard downmix (ITU-R BS.775), which here add up to
    1: the same sound on every channel is as loud as on one. Channels that are silent throughout, as
    that of a microphone that was not plugged in, do not count.
    """

    def __init__(self, library: Any):
        self._library, self._resampler, self._setup = library, None, None
        self._parts: list[np.ndarray] = []
        self._firsts: list[np.ndarray] = []  # the first channel alone
        self._weights, self._peaks = np.ones(1, np.float32), np.zeros(1, np.float32)  # per channel
        self._setups = 0
        self.start: float | None = None  # seconds, in the file's own time, of the first sample
        self._end = self._last = 0.0
        self.gaps = 0.0  # seconds of silence put in
        self.notes: list[str] = []  # what had to be done to the sound

    def add(self, frame: Any) -> None:
        """Raises ValueError for more than ``MAX_SECONDS`` and for times that run backwards."""
        time = self._end if frame.time is None else float(frame.time)
        if self.start is None:
            self.start = self._end = self._last = time
        if time < self._last - BACK:
            raise ValueError(
                f"sound whose times jump back by {self._last - time:.1f} s: write the clip again"
            )
        if (missing := time - self._end) > GAP:
            if time - self.start > MAX_SECONDS:
                raise ValueError(f"more than {MAX_SECONDS} seconds of sound")
            self._flush()
            silence = np.zeros(round(missing * RATE), np.float32)
            self._parts.append(silence)
            self._firsts.append(silence)
            self._end, self.gaps = time, self.gaps + missing
        setup = frame.format.name, frame.layout.name, frame.sample_rate
        if setup != self._setup:  # a broadcast may go from stereo to 5.1
            self._flush()
            self._setup, self._setups = setup, self._setups + 1
        if self._resampler is None:
            own = frame.layout
            self._resampler = self._library.AudioResampler(format="fltp", layout=own, rate=RATE)
            weights = [_WEIGHTS.get(channel.name, HALF) for channel in own.channels]
            self._weights = np.array(weights, np.float32) / (sum(weights) or 1)
        self._take(self._resampler.resample(frame))
        self._end, self._last = self._end + frame.samples / frame.sample_rate, time
        if self._end - self.start > MAX_SECONDS:
            raise ValueError(f"more than {MAX_SECONDS} seconds of sound")

    def _take(self, frames: list[Any]) -> None:
        for frame in frames:
            channels = frame.to_ndarray()  # (C, S)
            one = len(channels) == 1
            peaks = np.abs(channels).max(axis=1, initial=0)
            alike = len(peaks) == len(self._peaks)
            self._peaks = np.maximum(peaks, self._peaks) if alike else peaks
            self._firsts.append(channels[0])
            self._parts.append(channels[0] if one else self._weights @ channels)

    def _flush(self) -> None:
        if self._resampler is not None:
            self._take(self._resampler.resample(None))
        self._resampler = None

    @property
    def end(self) -> float:
        """Seconds, in the file's own time, at which its last sample ends."""
        return self._end

    def signal(self) -> np.ndarray:
        """(S,) float32 in [-1, 1], from the track's first sample on; empty where there was none.
        Where the channels cancel each other, as two microphones wired in opposition do, it is the
        first of them. ``notes`` says afterwards what was done."""
        self._flush()
        mixed, first = (
            np.concatenate(parts or [np.zeros(0, np.float32)])
            for parts in (self._parts, self._firsts)
        )
        quiet = (self._peaks < SILENT) & (self._weights > 0)
        self.notes = []
        if silent(mixed) and not silent(first):
            mixed = first
            self.notes.append(
                "the channels of the sound cancel each other: the first is heard alone"
            )
        elif self._setups == 1 and quiet.any() and not silent(mixed):
            mixed = mixed / self._weights[~quiet].sum()
            channels = counted(int(quiet.sum()), "channel")
            self.notes.append(f"{channels} of the sound silent and left out")
        over = np.abs(mixed) > 1
        if len(mixed) and over.mean() > OVERLOADED:
            self.notes.append(f"{over.mean():.1%} of the sound beyond full scale, clipped")
        if self.gaps:
            self.notes.append(f"gaps of {self.gaps:.2f} s in the sound filled with silence")
        return mixed.clip(-1, 1) if over.any() else mixed


def silent(signal: np.ndarray) -> bool:
    """Whether nothing is to be heard in a signal (S,)."""
    return not len(signal) or float(np.abs(signal).max()) < SILENT


def placed(signal: np.ndarray, late: float) -> np.ndarray:
    """A signal (S,) that begins ``late`` seconds after the clip does: with silence before it, or,
    negative, cut."""
    samples = round(late * RATE)
    return signal[-samples:] if samples < 0 else np.pad(signal, (samples, 0)) if samples else signal
