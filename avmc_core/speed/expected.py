"""How long runs are expected to take before any like them has been computed: from the benchmark
that the package carries, scaled to a store.

The benchmark timed an epoch of each model on made-up clips of the released number and sizes, on a
CPU. What follows from it is an order of magnitude: another processor differs by a factor of a few,
and how many epochs a run takes is not known beforehand.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from avmc_core import schema
from avmc_core.errors import InputError, counted
from avmc_core.home import resource_text
from avmc_core.models import registry
from avmc_core.runs.execution import sizes_of
from avmc_core.speed.bench_cases import MEAN_STEPS
from avmc_core.speed.bench_models import CLIPS

if TYPE_CHECKING:
    from avmc_core.data.store import Store
    from avmc_core.runs.store import Run

EPOCHS = 40  # an assumption, of a run whose settings set no limit
FRAMES = ("frames", "padded")  # views of sound and picture that are as long as a clip


@dataclass(frozen=True)
class Expected:
    """``core_seconds`` of each run, NaN where the benchmark has no such model; ``peak_mb``: the
    most memory that a process took there."""

    core_seconds: tuple[float, ...]
    peak_mb: float

    @property
    def unknown(self) -> int:
        """The number of runs of models that the benchmark has not timed."""
        return int(np.isnan(self.core_seconds).sum())

    def wall(self, cores: int) -> float:
        """Seconds on so many cores: the work divided evenly, but never less than the longest
        run."""
        known = [seconds for seconds in self.core_seconds if not np.isnan(seconds)]
        return max(sum(known) / cores, max(known, default=0.0))


def expected(grid: Sequence[Run], store: Store) -> Expected:
    """What the runs of a grid are expected to cost on ``store``, from the recorded benchmark in
    proportion to clips, and to frames where a model reads them one by one."""
    recorded = _recorded()["models"]
    seconds = [_core_seconds(run, store, recorded.get(run.model)) for run in grid]
    peaks = [recorded[run.model]["peak_mb"] for run in grid if run.model in recorded]
    return Expected(tuple(seconds), max(peaks, default=0.0))


def machine() -> str:
    """The processor on which the benchmark was recorded, and the number of threads, in words."""
    facts = _recorded()["machine"]
    return f"{facts['processor']}, {facts['threads']} threads"


def duration(seconds: float) -> str:
    """About how long, in words.

    >>> [duration(s) for s in (20, 70, 400, 9000, 400_000)]
    ['less than a minute', 'about 1 minute', 'about 7 minutes', 'about 2.5 hours', 'about 4.6 days']
    """
    if seconds < 60:
        return "less than a minute"
    for size, word in ((86_400, "days"), (3600, "hours")):
        if seconds >= 2 * size:
            return f"about {seconds / size:.1f} {word}"
    return f"about {counted(round(seconds / 60), 'minute')}"


@cache
def _recorded() -> dict[str, Any]:
    return json.loads(resource_text("bench.json"))["data"]


def _core_seconds(run: Run, store: Store, known: dict[str, Any] | None) -> float:
    settings = run.settings
    if hasattr(registry.builder(run.model), "fit_predict"):
        return 0.0  # fitted in closed form, within seconds
    if known is None:
        return float("nan")
    epochs = settings.training.max_epochs or EPOCHS
    clips = len(store.split("train").mask) * run.protocol.labelled
    released = CLIPS["train"]
    if getattr(settings, "semi", False) and schema.UNLABELLED in store.splits:
        clips += len(store.split(schema.UNLABELLED).mask)
        released = CLIPS[schema.TRAIN_MIX]
    frames = _frames(store) if _reads_frames(run, store) else 1.0
    return known["epoch"] * known["threads"] * epochs * clips / released * frames


def _frames(store: Store) -> float:
    """Numbers of sound and picture in a mean training clip, relative to a released one."""
    train = store.split("train")
    own, released = 0.0, 0.0
    for name in ("audio", "vision"):
        own += float(getattr(train, name).lengths.mean()) * store.dims[name]
        released += MEAN_STEPS[name] * schema.DIMS[name]
    return own / released


def _reads_frames(run: Run, store: Store) -> bool:
    """Whether the steps of a clip decide what an epoch takes: not where a text encoder runs in
    each, which takes nearly all of it."""
    if run.capabilities.text_encoder:
        return False
    try:
        with torch.device("meta"):
            inputs = registry.builder(run.model)(run.settings, sizes_of(store)).inputs
    except InputError:
        return True
    return inputs.audio in FRAMES or inputs.vision in FRAMES
