"""The prediction of a trained ensemble for one clip, and the contribution of each modality to
it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import factorial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from avmc_core import schema
from avmc_core.clips.clip_features import (
    ClipReport,
    ExtractionSettings,
    backend,
    cut_text,
    extract_clip,
    unknown_text,
)
from avmc_core.clips.media import shown
from avmc_core.data.batches import SplitData
from avmc_core.data.ragged import Ragged
from avmc_core.data.store import Split
from avmc_core.errors import InputError, counted
from avmc_core.runs.execution import deterministic
from avmc_core.runs.packages import Package
from avmc_core.text_encoder import encode, words

# standard deviations from the training clips' mean at which a feature counts as unlike them
STRANGE = 4.0


@dataclass(frozen=True)
class Clip:
    """One clip's features."""

    name: str
    sentence: str
    text: np.ndarray  # (T, 768) float32 states, [CLS] first
    audio: np.ndarray  # (T, 25) float32
    vision: np.ndarray  # (T, 177) float32
    tokens: np.ndarray  # (3, 50) int64
    frames: np.ndarray  # (T,) which frame of the clip each visual step is
    signal: np.ndarray | None = None  # (S,) float32 at 16 kHz, where the sound is available
    notes: tuple[str, ...] = ()  # faces and speaker, what was cut, silent or assumed


@dataclass(frozen=True)
class Account:
    """Predictions of K seeds for one clip."""

    tasks: dict[str, np.ndarray]  # M and, if the model has them, T, A, V: (K,)
    shares: dict[str, np.ndarray]  # per modality (K,): its Shapley share of M
    # (K,) M when every modality is an average one; with the shares it adds up to M
    empty: np.ndarray
    # per modality: share of its features that are unlike the training clips'
    strange: dict[str, float]
    limit: float = min(schema.LIMITS)  # the largest label

    @property
    def shown(self) -> dict[str, np.ndarray]:
        """The predictions cut to the range of the labels, (K,) by task: a network may go beyond
        it."""
        return {task: np.clip(v, -self.limit, self.limit) for task, v in self.tasks.items()}

    @property
    def cut(self) -> str:
        """How many predictions ``shown`` cuts, in a sentence; "" if none. The metrics of labels
        from -1 to 1 cut them, too; the shares of M add up to the number before."""
        parts = []
        for task, values in self.tasks.items():
            beyond = values[np.abs(values) > self.limit]
            if len(beyond):
                far = beyond[np.argmax(np.abs(beyond))]
                parts.append(f"{len(beyond)} of {task} (as far as {far:+.3f})")
        seeds = counted(len(self.empty), "seed")
        scale = f"beyond the labels, {-self.limit:g} to {self.limit:g}, are shown cut"
        return f"predictions {scale}: of {seeds} {', '.join(parts)}" if parts else ""

    def table(self) -> pd.DataFrame:
        """Mean, lowest and highest over the seeds, one row per prediction, cut to the range of the
        labels (``cut`` says whether any was beyond), or share."""
        rows = {f"prediction {task}": values for task, values in self.shown.items()}
        rows |= {f"share of {name} in M": values for name, values in self.shares.items()}
        rows["M of an average clip"] = self.empty
        return pd.DataFrame(
            {n: {"mean": v.mean(), "lowest": v.min(), "highest": v.max()} for n, v in rows.items()}
        ).T


def clip_of(split: Split, row: int) -> Clip:
    """A clip of a store's split."""
    parts = {name: np.asarray(getattr(split, name)[row]) for name in schema.MODALITIES}
    facts = split.clips.iloc[row]
    return Clip(
        facts["id"],
        facts["text"],
        **parts,
        tokens=split.tokens[row],
        frames=np.arange(len(parts["vision"])),
    )


def read_clip(path: str | Path, sentence: str, encoder, extraction: ExtractionSettings) -> Clip:
    """The features of a video file with its transcript. ``encoder``: tokenizer and model.

    Needs the extra "extract". Raises InputError when the clip cannot be used or the 25 % rule
    discards it.
    """
    path = Path(path)
    if not sentence.strip():
        raise InputError(shown(path), "no transcript", "the words that are spoken, in Chinese")
    features, report = extract_clip(path, backend(extraction), extraction)
    if features is None:
        reason = (
            f"{report.reason.removesuffix(' found')}{f' ({report.notes})' if report.notes else ''}"
        )
        raise InputError(
            shown(path), reason, "a clip whose speaker is seen in three quarters of the frames"
        )
    states, _, tokens = encode([sentence], encoder)
    ((length,), (unknown,)) = words([sentence], encoder)
    of_text = (cut_text(int(length)), unknown_text(int(length), int(unknown)))
    return Clip(
        shown(path.name),
        sentence,
        states,
        features.audio,
        features.vision,
        tokens[0],
        features.frames,
        features.signal,
        notes=(*_remarks(report), *filter(None, of_text)),
    )


def _remarks(report: ClipReport) -> tuple[str, ...]:
    """The remarks of ``avmc extract`` on a clip, sentence by sentence."""
    faces = counted(report.faces, "face") + " found" if report.vision_steps and report.faces else ""
    if report.faces > 1:
        faces += f"; taken for the speaker's: {report.chosen}, by {report.speaker}"
    return tuple(
        part for part in (faces, *report.reason.split("; "), *report.notes.split("; ")) if part
    )


def explain(package: Package, clip: Clip) -> Account:
    """Predictions and exact Shapley shares.

    The share of a modality is what it adds to M, averaged over the orders in which the three can be
    added (Shapley 1953). An absent modality is replaced by an average one: each of its steps
    becomes the mean of the training clips.
    """
    # text, audio, vision present; the last has all
    coalitions = list(product((False, True), repeat=3))
    split = _coalitions(package, clip, coalitions)
    tasks: dict[str, list[float]] = {}
    worth = []
    for network in package.networks().values():
        # on one thread, as runs are: so small a batch gains nothing from more
        with deterministic(1), torch.no_grad():
            output = network(SplitData(split, network.inputs).batch(torch.arange(len(coalitions))))
        for task in network.tasks:
            if task in output:
                tasks.setdefault(task, []).append(float(output[task][-1]))
        worth.append(output["M"].double().numpy())
    worth = np.stack(worth)  # (K, 8)
    means = {name: getattr(clip, name).mean(axis=0) for name in schema.MODALITIES}
    strange = {
        name: float((np.abs(means[name] - mean) > STRANGE * sd + 1e-6).mean())
        for name, (mean, sd) in ((name, package.statistics[name]) for name in schema.MODALITIES)
    }
    shares = dict(zip(schema.MODALITIES, shapley(worth, coalitions), strict=True))
    return Account(
        {task: np.array(values) for task, values in tasks.items()},
        shares,
        worth[:, 0],
        strange,
        package.sizes.limit,
    )


def shapley(worth: np.ndarray, coalitions: list[tuple[bool, ...]]) -> np.ndarray:
    """Shapley values (players, K) of K games; ``worth`` (K, 2^players) in the order of
    ``coalitions``."""
    players = len(coalitions[0])
    place = {coalition: number for number, coalition in enumerate(coalitions)}
    values = np.zeros((players, len(worth)))
    for coalition, number in place.items():
        size = sum(coalition)
        for player in (p for p in range(players) if not coalition[p]):
            joined = place[(*coalition[:player], True, *coalition[player + 1 :])]
            weight = factorial(size) * factorial(players - size - 1) / factorial(players)
            values[player] += weight * (worth[:, joined] - worth[:, number])
    return values


def _coalitions(package: Package, clip: Clip, coalitions: list[tuple[bool, ...]]) -> Split:
    """The clip once for each coalition, absent modalities replaced."""
    ragged = {}
    for place, name in enumerate(schema.MODALITIES):
        steps = getattr(package.sizes, f"{name}_steps")
        present = getattr(clip, name)[:steps].astype(np.float32)
        absent = np.tile(package.statistics[name][0].astype(np.float32), (len(present), 1))
        if name == "text":
            absent[0] = package.statistics["first"]
        values = np.concatenate(
            [present if coalition[place] else absent for coalition in coalitions]
        )
        offsets = np.arange(len(coalitions) + 1) * len(present)
        ragged[name] = Ragged.of(((values, offsets),), steps)
    rows = len(coalitions)
    labels = np.full((rows, len(schema.TASKS)), np.nan, dtype=np.float32)
    tokens = np.repeat(clip.tokens[None], rows, axis=0)
    return Split(
        clip.name, pd.DataFrame(), **ragged, tokens=tokens, labels=labels, mask=np.zeros(rows, bool)
    )
