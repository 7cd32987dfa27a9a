"""Single clips as in Figure 5, chosen by rule: the rule states what their labels must be like, and
a seed draws one of the clips that satisfy it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from avmc_core import schema
from avmc_core.analysis.scoring import FEW_VIDEOS
from avmc_core.analysis.statistics import Interval, bootstrap, mean
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.data.store import Split, Store
from avmc_core.errors import InputError
from avmc_core.simulated.clips import simulate
from avmc_core.simulated.settings import generator_of


@dataclass(frozen=True)
class Kind:
    """A kind of case: the relation of T, A and V to M, each 1 (on the same side of zero), 0
    (neutral) or -1 (on the other side)."""

    name: str
    says: str
    sides: tuple[int, int, int]
    only: int = 0  # 1: only clips with M > 0, -1: only those with M < 0

    def holds(self, signs: np.ndarray) -> np.ndarray:
        """Which clips are of this kind, (N,) bool, by the signs of M, T, A, V, (4, N)."""
        m, *others = signs
        on_side = [other == side * m for other, side in zip(others, self.sides, strict=True)]
        return np.logical_and.reduce([m == self.only if self.only else m != 0, *on_side])


KINDS = (
    Kind("all agree", "words, voice and face on the side of M", (1, 1, 1)),
    Kind("neutral words", "T is 0, voice and face on the side of M", (0, 1, 1)),
    Kind("words against", "T on the other side, voice and face on that of M", (-1, 1, 1)),
    Kind("voice against", "A on the other side, words and face on that of M", (1, -1, 1)),
    Kind("face against", "V on the other side, words and voice on that of M", (1, 1, -1)),
    Kind(
        "smile alone",
        "M and V positive, words and voice negative: the paper's failure",
        (-1, -1, 1),
        only=1,
    ),
    Kind(
        "smile overruled",
        "V positive, but M, words and voice negative: nearest to it",
        (1, 1, -1),
        only=-1,
    ),
)


@dataclass(frozen=True)
class Case:
    """One clip of a kind; ``row`` is None where the split has no such clip."""

    kind: Kind
    row: int | None
    clips: np.ndarray  # rows of all clips of this kind


def choose(split: Split, seed: int = 0, kinds: tuple[Kind, ...] = KINDS) -> list[Case]:
    """One clip of each kind, drawn with ``seed`` from all that satisfy its rule; never one whose
    unimodal labels are placeholders. Raises InputError for the training split, which a model has
    seen."""
    if split.name == "train":
        raise InputError(
            "cases", "clips of train", "clips that no model has been trained on: test or valid"
        )
    usable = ~placeholder_clips(split.clips) & np.isfinite(split.labels).all(axis=1)
    signs = np.sign(np.nan_to_num(split.labels)).astype(int).T  # (4, N)
    cases = []
    for number, kind in enumerate(kinds):
        clips = np.flatnonzero(usable & kind.holds(signs))
        row = int(np.random.default_rng([seed, number]).choice(clips)) if len(clips) else None
        cases.append(Case(kind, row, clips))
    return cases


def glosses(store: Store) -> dict[str, str]:
    """English glosses of the sentences by clip id: those of the generator for a simulated corpus,
    none for other stores."""
    generator = generator_of(store.manifest)
    if generator is None:
        return {}
    tables = simulate(generator)
    return {row.id: row.gloss for table in tables.values() for row in table.itertuples()}


def table(
    cases: list[Case], split: Split, predictions: Mapping[str, np.ndarray], gloss: Mapping[str, str]
) -> pd.DataFrame:
    """One row per case: its kind, the sentence, the labels, predictions (R, N) by task as "mean
    [lowest, highest]" over seeds, and the error of M. As in ``errors``, predictions are cut to the
    range of the labels."""
    rows = []
    for case in cases:
        row = {"case": case.kind.name, "clips of this kind": len(case.clips)}
        if case.row is not None:
            facts, label = split.clips.iloc[case.row], split.labels[case.row]
            row |= {
                "id": facts["id"],
                "sentence": facts["text"],
                "gloss": gloss.get(facts["id"], ""),
            }
            for task, value in zip(schema.TASKS, label, strict=True):
                row[task] = f"{value:+.1f}"
            for task, runs in predictions.items():
                values = np.clip(runs[:, case.row], -1, 1)
                row[f"predicted {task}"] = (
                    f"{values.mean():+.2f} [{values.min():+.2f}, {values.max():+.2f}]"
                )
            values = np.clip(predictions["M"][:, case.row], -1, 1)
            row["error of M"] = f"{np.abs(values - label[0]).mean():.2f}"
        rows.append(row)
    return pd.DataFrame(rows).fillna("")


def errors(
    cases: list[Case], split: Split, predictions: Mapping[str, np.ndarray]
) -> dict[str, dict[str, Interval]]:
    """The mean absolute error of M over all clips of each kind, by kind and name, from
    predictions (R, N) by name. Intervals come from resampling seeds and source videos. Where all
    clips of a kind are of one video, there is none (``low`` and ``high`` are NaN): seeds alone say
    nothing of other clips. ``note`` says so, and where videos are few. Kinds without clips are left
    out."""
    groups = split.clips["video_id"].to_numpy()
    intervals: dict[str, dict[str, Interval]] = {}
    for case in (case for case in cases if len(case.clips)):
        for name, runs in predictions.items():
            error = np.abs(np.clip(runs[:, case.clips], -1, 1) - split.labels[case.clips, 0])
            statistics = np.stack([error, np.ones_like(error)], axis=-1)  # (R, n, 2)
            interval = bootstrap(statistics, mean, groups[case.clips], n=1000)["mean"]
            intervals.setdefault(case.kind.name, {})[name] = _doubted(
                interval, len(set(groups[case.clips]))
            )
    return intervals


def _doubted(interval: Interval, videos: int) -> Interval:
    if videos == 1:
        return replace(interval, low=np.nan, high=np.nan, note="no interval: one source video")
    few = f"too narrow: {videos} source videos" if videos < FEW_VIDEOS else ""
    return replace(interval, note=few)
