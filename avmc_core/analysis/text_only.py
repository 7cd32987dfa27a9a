"""The simplest real model: ridge regression on the character n-grams of a transcript.

It needs nothing but the label table, and shows how much the text carries by itself: on the
published test split, on the clips whose source video is new to it, and on the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from sklearn.dummy import DummyRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline

from avmc_core.analysis.statistics import Interval, bootstrap
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.errors import InputError
from avmc_core.metrics import aggregate, clip_statistics, evaluate

# of the ridge penalty, tried on the validation split
STRENGTHS = tuple(10.0 ** np.arange(-2.0, 2.5, 0.5))
NGRAMS, MEAN = "character n-grams", "mean of train"


def fit(clips: pd.DataFrame, task: str) -> tuple[Pipeline, float]:
    """Fits on the training clips and takes the strength with the smallest MAE on the validation
    clips.

    ``clips`` has the columns text, split and ``task``, and should hold no test clip: fitting has no
    use for them. Raises InputError if either split has no labelled clip.
    """
    train, valid = (
        clips[(clips["split"] == split) & clips[task].notna()] for split in ("train", "valid")
    )
    if train.empty or valid.empty:
        raise InputError(
            f"label table, column {task}",
            f"{len(train)} train and {len(valid)} valid clips",
            "some of both",
        )
    features = TfidfVectorizer(analyzer="char", ngram_range=(1, 3)).fit(train["text"])
    x_train, x_valid = features.transform(train["text"]), features.transform(valid["text"])
    models = {strength: Ridge(strength).fit(x_train, train[task]) for strength in STRENGTHS}
    errors = {
        strength: evaluate(model.predict(x_valid), valid[task])["MAE"]
        for strength, model in models.items()
    }
    best = min(errors, key=errors.__getitem__)
    return make_pipeline(features, models[best]), best


def slices(clips: pd.DataFrame, task: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """The test clips of ``task``: all of them, those whose source video is new, those whose video
    is not.

    A unimodal task leaves placeholder clips out. Where fewer than two videos of a kind remain, only
    the first slice is returned, because one video says nothing about new videos in general.
    """
    test, whole = clips["split"].eq("test") & clips[task].notna(), "published test split"
    if task != "M" and (copied := test & placeholder_clips(clips)).any():
        test, whole = test & ~copied, f"{whole}, placeholders left out"
    known = _known(clips)
    yield whole, clips[test]
    if all(clips.loc[test & kind, "video_id"].nunique() >= 2 for kind in (known, ~known)):
        yield "source video new", clips[test & ~known]
        yield "source video in train or valid", clips[test & known]


def kinds_of_test_clips(clips: pd.DataFrame) -> str:
    """How test clips of new source videos differ from the others in further respects, in words:
    videos, placeholders, strength of M."""
    test, known, copied = clips["split"].eq("test"), _known(clips), placeholder_clips(clips)
    kinds = []
    for kind, rows in (("new to it", test & ~known), ("in train or valid", test & known)):
        strength = (
            f", mean strength of M {clips.loc[rows, 'M'].abs().mean():.2f}" if rows.any() else ""
        )
        kinds.append(
            f"{rows.sum()} test clips of {clips.loc[rows, 'video_id'].nunique()} source "
            f"videos {kind}, "
            f"{(rows & copied).sum()} of them with placeholder labels{strength}"
        )
    return "; ".join(kinds) + "."


def _known(clips: pd.DataFrame) -> pd.Series:
    """Whether a clip's source video has clips in train or valid."""
    return clips["video_id"].isin(clips.loc[clips["split"].isin(["train", "valid"]), "video_id"])


def score(
    clips: pd.DataFrame, tasks: tuple[str, ...] = ("M", "T"), *, n: int = 2000, seed: int = 1111
) -> pd.DataFrame:
    """Test figures with 95 % intervals over source videos, beside those of always predicting the
    training mean.

    ``clips``: video_id, text, M, T, A, V, split, as ``released.read_meta`` and ``Store`` give them.
    Raises InputError for labels beyond 1, whose metrics are others (``metric_conventions``).
    Returns one row for each task, model and slice: task, model, strength, slice, clips, videos, and
    an ``Interval`` for each metric.
    """
    if (largest := clips[list(tasks)].abs().max(axis=None)) > 1:
        raise InputError("label table", f"a label of size {largest:g}", "labels from -1 to 1")
    rows = []
    for task in tasks:
        seen = clips[clips["split"] != "test"]
        model, strength = fit(seen, task)
        train = seen[(seen["split"] == "train") & seen[task].notna()]
        mean = DummyRegressor().fit(train["text"], train[task])
        for name, part in slices(clips, task):
            for title, predictor, chosen in ((NGRAMS, model, strength), (MEAN, mean, np.nan)):
                statistics = clip_statistics(predictor.predict(part["text"]), part[task])
                rows.append(
                    {"task": task, "model": title, "strength": chosen, "slice": name}
                    | {"clips": len(part), "videos": part["video_id"].nunique()}
                    | bootstrap(
                        statistics, aggregate, part["video_id"].to_numpy(str), n=n, seed=seed
                    )
                )
    return pd.DataFrame(rows)


def plain(scores: pd.DataFrame) -> list[dict[str, Any]]:
    """The table of ``score`` as JSON-ready rows; each metric is a dict of estimate, low, high and
    level."""
    return [
        {
            name: asdict(value) if isinstance(value, Interval) else value
            for name, value in row.items()
        }
        for row in scores.to_dict("records")
    ]
