"""One neutral sentence in several voices and faces, after Figure 6: from strongly negative to
strongly positive.

The paper's recordings are not released. A scenario comes instead from donors of a split
(``from_donors``), from one's own clips (``from_own_clips``), or from the generator of the embedded
corpus (``composed_scenario``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real

import numpy as np
import pandas as pd

from avmc_core import schema
from avmc_core.analysis.recombination import crossed
from avmc_core.artefacts import data_mark
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.data.store import Split, Store
from avmc_core.errors import InputError
from avmc_core.simulated.clips import simulate
from avmc_core.simulated.label_model import expected_multimodal
from avmc_core.simulated.settings import generator_of

# six contexts, evenly spaced; the paper does not give its own
TARGETS = (-1.0, -0.6, -0.2, 0.2, 0.6, 1.0)
TOLERANCE = 0.1  # a label is on target within half a step of the label scale

Target = float | tuple[float, float]  # one label for voice and face, or (A, V)


@dataclass(frozen=True)
class Scenarios:
    """K contexts of one sentence."""

    source: str  # source of the voices and faces, in words
    sentence: str
    gloss: str  # in English, "" where there is none
    # K clips; T, A, V are the labels of who gave the modality, NaN where nobody labelled it
    clips: Split
    # (K,) M: the generating rule's expectation, or an annotation; NaN where neither is known
    truth: np.ndarray

    def __len__(self) -> int:
        return len(self.clips)

    def table(self) -> pd.DataFrame:
        """One row per scenario: which clips gave voice and face, the labels, and the true M."""
        clips = self.clips.clips
        donors = {
            who: clips.get(f"{name}_id", clips["id"])
            for who, name in (("voice", "audio"), ("face", "vision"))
        }
        table = pd.DataFrame(
            {**donors, **clips[["T", "A", "V"]].round(2), "M": np.round(self.truth, 2)}
        )
        return table.set_axis([f"AV-{number}" for number in range(1, len(self) + 1)])


def from_donors(
    store: Store,
    targets: Sequence[Target] = TARGETS,
    *,
    sentence: str = "",
    donors: Mapping[int, tuple[str, str]] | None = None,
    split: str = "test",
    seed: int = 0,
    tolerance: float = TOLERANCE,
) -> Scenarios:
    """The words of one neutral clip with voices and faces of others whose A and V are on target.

    ``sentence``: id of a clip with T = 0; else one is drawn. ``donors``: for some scenarios,
    counted from 1, the ids of the clips that give voice and face, in place of a target. For a
    target that is a single label, clips in which A and V both have it are preferred, so that voice
    and face belong to one person. The same seed gives the same choice; no clip is used in two
    scenarios, or for the words and a scenario.

    Raises InputError for donors of the training split, for clips with placeholders in place of
    unimodal labels, for a sentence that is not neutral, for a named clip that would be used twice,
    and for a target from which every remaining clip is farther than ``tolerance``.
    """
    if split == "train":
        raise InputError(
            "scenarios",
            "donors from train",
            "a split that no model has been trained on: test or valid",
        )
    chosen = store.split(split)
    usable = ~placeholder_clips(chosen.clips) & chosen.mask & np.isfinite(chosen.labels).all(axis=1)
    labels = np.where(usable[:, None], chosen.labels, np.nan)
    donors = {} if donors is None else donors
    if unknown := sorted(set(donors) - set(range(1, len(targets) + 1))):
        raise InputError("donors", f"scenario {unknown[0]}", f"1 to {len(targets)}")
    rows = {
        number: tuple(_row(store, chosen, labels, name) for name in pair)
        for number, pair in donors.items()
    }
    taken = [row for pair in rows.values() for row in set(pair)]
    words = _sentence(store, chosen, labels, sentence, tolerance, seed, taken)
    taken.append(words)
    if twice := [row for row in taken if taken.count(row) > 1]:
        repetition = f"{chosen.clips['id'].iloc[twice[0]]!r} more than once"
        raise InputError(
            "donors", repetition, "other clips for each scenario, none of them the sentence's own"
        )
    for number, target in enumerate(targets, start=1):
        if number not in rows:
            rng = np.random.default_rng([seed, number])
            rows[number] = _choice(
                chosen, np.delete(labels, 0, axis=1), pair_of(target), tolerance, taken, rng
            )
            taken += rows[number]
    audio, vision = np.array([rows[number] for number in sorted(rows)]).T
    clips = crossed(chosen, np.full(len(rows), words), chosen, audio, chosen, vision)
    truth = np.full(len(rows), np.nan)
    if generator_of(store.manifest):
        truth = expected_multimodal(clips.labels[:, 1:], split)
    text = chosen.clips["text"].iloc[words]
    source = f"donors of the {split} split, {data_mark(store)}"
    return Scenarios(
        source, text, _gloss(store, split, chosen.clips["id"].iloc[words]), clips, truth
    )


def from_own_clips(
    store: Store, ids: Sequence[str] = (), split: str = schema.UNLABELLED
) -> Scenarios:
    """The user's own performances of one sentence: clips of a store that ``avmc extract`` made
    (default: all of ``split``).

    The truth is the clips' annotation M where there is one. Raises InputError for clips of the
    training split, for unknown ids, and for clips with different words.
    """
    if split == "train":
        raise InputError("scenarios", "clips of train", "a split that no model has been trained on")
    chosen = store.split(split)
    names = chosen.clips["id"].tolist()
    if missing := [name for name in ids if name not in names]:
        raise InputError(
            f"split {split}", f"no clip {missing[0]!r}", f"one of {', '.join(names)[:200]}"
        )
    rows = np.array([names.index(name) for name in ids or names], dtype=np.int64)
    texts = sorted(set(chosen.clips["text"].iloc[rows]))
    if len(texts) != 1:
        sentences = f"{len(texts)} sentences" + (
            f": {texts[0]!r}, {texts[1]!r} ..." if texts else ""
        )
        raise InputError(f"split {split}", sentences, "one sentence in all clips: name them by id")
    clips = crossed(chosen, rows, chosen, rows, chosen, rows)
    clips = replace(clips, clips=clips.clips.assign(id=[names[row] for row in rows]))
    return Scenarios(
        data_mark(store), texts[0], "", clips, chosen.labels[rows, 0].astype(np.float64)
    )


def pair_of(target: Target) -> tuple[float, float]:
    """The labels (A, V) of a target. Raises InputError for anything but a label from -1 to 1 or a
    pair of them."""
    pair = tuple(target) if isinstance(target, Sequence) else (target, target)
    if len(pair) != 2 or not all(isinstance(x, Real) and abs(x) <= 1 for x in pair):
        raise InputError("target", repr(target), "a label from -1 to 1, or a pair (A, V) of them")
    return pair


def _sentence(
    store: Store,
    split: Split,
    labels: np.ndarray,
    name: str,
    tolerance: float,
    seed: int,
    taken: Sequence[int],
) -> int:
    """The row of the clip that gives the words: the one named, else one drawn from those not
    ``taken``."""
    neutral = np.abs(labels[:, 1]) <= tolerance
    if name:
        row = _row(store, split, labels, name)
        if not neutral[row]:
            raise InputError(
                f"sentence {name}", f"T = {labels[row, 1]:.1f}", "neutral words, T = 0"
            )
        return row
    neutral[list(taken)] = False
    if not neutral.any():
        raise InputError(f"split {split.name}", "no clip with T = 0", "one with neutral words")
    return int(np.random.default_rng([seed, 0]).choice(np.flatnonzero(neutral)))


def _row(store: Store, split: Split, labels: np.ndarray, name: str) -> int:
    """The row of a clip that may be used, by its id."""
    rows = np.flatnonzero((split.clips["id"] == name).to_numpy())
    if not len(rows):
        others = [
            other.name for other in store.splits.values() if (other.clips["id"] == name).any()
        ]
        origin = f"{name!r}, a clip of {others[0]}" if others else f"no clip {name!r}"
        raise InputError(
            "scenarios", origin, f"the id of a clip of {split.name}; never one of train"
        )
    if np.isnan(labels[rows[0]]).any():
        raise InputError(
            "scenarios",
            f"{name!r}, whose unimodal labels are placeholders or missing",
            "one that is labelled",
        )
    return int(rows[0])


def _choice(
    split: Split,
    labels: np.ndarray,
    target: tuple[float, float],
    tolerance: float,
    taken: Sequence[int],
    rng: np.random.Generator,
) -> tuple[int, int]:
    """Rows of the clips that give voice and face; ``labels`` (N, 3) T, A, V."""
    free = ~np.isin(np.arange(len(labels)), taken)
    fits = {
        task: free & (np.abs(labels[:, place] - wanted) <= tolerance + 1e-6)
        for place, (task, wanted) in enumerate(zip("AV", target, strict=True), start=1)
    }
    for place, (task, wanted) in enumerate(zip("AV", target, strict=True), start=1):
        if not fits[task].any():
            left = np.where(free, np.abs(labels[:, place] - wanted), np.nan)
            near = (
                "none is left"
                if np.isnan(left).all()
                else f"the nearest has {labels[np.nanargmin(left), place]:+.1f}"
            )
            shortage = (
                f"no unused clip of {split.name} with {task} within {tolerance:g} of "
                f"{wanted:+.1f} ({near})"
            )
            raise InputError("scenarios", shortage, "a target that a donor has, or more tolerance")
    both = fits["A"] & fits["V"]
    if both.any():
        row = int(rng.choice(np.flatnonzero(both)))
        return row, row
    return int(rng.choice(np.flatnonzero(fits["A"]))), int(rng.choice(np.flatnonzero(fits["V"])))


def _gloss(store: Store, split: str, name: str) -> str:
    """The English meaning of a generated sentence."""
    generator = generator_of(store.manifest)
    if generator is None:
        return ""
    table = simulate(generator)[split]
    return table.loc[table["id"] == name, "gloss"].item()
