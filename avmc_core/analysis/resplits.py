"""The effect of having clips of the same source video in training and test: slices of the published
test split, and re-splits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from avmc_core import schema
from avmc_core.analysis.results import averaged, stacked
from avmc_core.analysis.statistics import Interval
from avmc_core.data.metric_conventions import of_limit
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.data.splits import FOLDS, pooled_clips, resplit_rows
from avmc_core.data.store import Store
from avmc_core.runs.store import Record, Run

SLICES = {"seen": "source video in train", "new": "source video new"}


def videos_shared(store: Store) -> pd.DataFrame:
    """One row for valid and test: clips, source videos, and how many clips have their source video
    in train."""
    train = set(store.split("train").clips["video_id"])
    rows = []
    for name in schema.SPLITS[1:]:
        videos = store.split(name).clips["video_id"]
        shared = int(videos.isin(train).sum())
        rows.append(
            {
                "split": name,
                "clips": len(videos),
                "videos": videos.nunique(),
                "clips of a video in train": shared,
            }
        )
    return pd.DataFrame(rows)


def new_and_placeholders(store: Store) -> str:
    """How many test clips have a source video that train does not have, and how many of those are
    placeholders, in words."""
    clips = store.split("test").clips
    new = ~clips["video_id"].isin(store.split("train").clips["video_id"]).to_numpy()
    copied = int((new & placeholder_clips(clips)).sum())
    return (
        f"{new.sum()} of {len(clips)} test clips, from {clips.loc[new, 'video_id'].nunique()} "
        "videos, have a source video that "
        f"is not in train; {copied} of them are placeholders."
    )


def on_slices(
    records: Mapping[Run, Record], store: Store
) -> dict[str, dict[str, dict[str, Interval]]]:
    """Slice ("seen", "new": is the clip's source video in train?) to row to metric of M on the
    published test split, as in ``results.summarise``: Corr of equal predictions is undefined."""
    statistics, groups = stacked(dict(records), store)
    convention = of_limit(store.limit)
    seen = np.isin(groups, store.split("train").clips["video_id"].unique())
    slices = {name: rows for name, rows in (("seen", seen), ("new", ~seen)) if rows.any()}
    return {
        name: averaged(
            {row: values[:, rows] for row, values in statistics.items()}, groups[rows], convention
        )
        for name, rows in slices.items()
    }


def out_of_fold(
    records: Mapping[Run, Record], store: Store
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The clip statistics (R, N, K) of the R seeds of each "<model>, <way>", and the source
    video (N,) of each clip. Each clip is predicted by the run that used it neither for training nor
    for early stopping. A seed with a failed fold is left out."""
    label = np.concatenate([store.split(name).labels[:, 0] for name in schema.SPLITS])
    tested: dict[tuple[str, int], dict[int, np.ndarray]] = {}
    places: dict[tuple[str, int, int], np.ndarray] = {}
    for run, record in records.items():
        if record.status == "done":
            way = f"{run.model}, {run.protocol.resplit}"
            place = (run.protocol.resplit, run.seed, run.protocol.fold)
            if place not in places:
                places[place] = resplit_rows(store, run.protocol, run.seed)["test"]
            tested.setdefault((way, run.seed), {})[run.protocol.fold] = record.predictions("test")[
                "M"
            ]
    convention = of_limit(store.limit)
    statistics: dict[str, list[np.ndarray]] = {}
    rows = np.array([], int)
    for (way, seed), folds in tested.items():
        if len(folds) == FOLDS:
            at = np.concatenate([places[way.split(", ")[1], seed, fold] for fold in folds])
            order = np.argsort(at)
            rows = at[order]
            predicted = np.concatenate(list(folds.values()))[order]
            statistics.setdefault(way, []).append(convention.statistics(predicted, label[rows]))
    videos = pooled_clips(store)["video_id"].to_numpy()[rows]
    return {way: np.stack(runs) for way, runs in statistics.items()}, videos
