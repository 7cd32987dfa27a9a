"""Score anyone's predictions: all metrics with intervals, beside a constant, and against another
model on the same clips.

Intervals resample whole source videos (``statistics.bootstrap``). A comparison of two files of
predictions has the interval of the difference from the same resamples, and a permutation test that
swaps whole videos (``comparison``), adjusted by Holm over the metrics. The range of the labels says
which metrics there are (``metric_conventions``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import nan

import numpy as np
import pandas as pd

from avmc_core.analysis.comparison import compare, holm, permutation_test
from avmc_core.analysis.statistics import Interval, bootstrap, comparable
from avmc_core.data import label_sets
from avmc_core.data.metric_conventions import ALL, NON0, SIMS, Convention, of_limit
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.data.scoring_tables import matched
from avmc_core.errors import InputError
from avmc_core.metrics import D14
from avmc_core.schema import LIMITS, TASKS

# source videos below which a bootstrap over them is known to give intervals that are too narrow
FEW_VIDEOS = 10
CONSTANT = 0.0  # the constant prediction whose score accompanies every score
# columns of the clip statistics whose sum is the number of clips that an accuracy is taken over
COUNTED = {
    "Acc2": ("clips",),
    "Acc2_weak": ("weak",),
    "Acc3": ("clips",),
    "Acc5": ("clips",),
    "Has0_acc_2": ("clips",),
    "Non0_acc_2": tuple(f"{part}_{NON0}" for part in ("tp", "fp", "fn", "tn")),
    "Mult_acc_5": ("clips",),
    "Mult_acc_7": ("clips",),
}


@dataclass(frozen=True)
class Contrast:
    """The scored predictions minus the others, in one metric: ``p`` of a permutation test,
    ``p_holm`` over all metrics."""

    other: Interval
    difference: Interval
    p: float
    p_holm: float


@dataclass(frozen=True)
class TaskScore:
    """Scores on one annotation, by metric. ``clips`` are scored, from ``videos`` source videos, and
    ``left_out`` placeholders of its annotation are not; ``counted`` says of each accuracy over how
    many clips it is taken."""

    task: str
    clips: int
    videos: int
    left_out: int
    counted: Mapping[str, int]
    scores: Mapping[str, Interval]
    constant: Mapping[str, Interval]
    against: Mapping[str, Contrast]
    cut: int = 0  # predictions beyond the range of the labels, where the convention cuts them

    @property
    def doubt(self) -> str:
        """What is to be said of the intervals, in a sentence; "" if there is nothing."""
        if self.videos == 1:
            alike = "all clips are of one source video, and those of one cannot be resampled"
            return f"no interval: {alike}"
        if self.videos < FEW_VIDEOS:
            return f"intervals over {self.videos} source videos are too narrow: they are few"
        return ""


@dataclass(frozen=True)
class ScoreReport:
    """The result of ``score`` on one split. ``data``: the data mark of the labels; ``labels``:
    which of the known label sets they are; ``convention``: the metrics of their range;
    ``unscored``: annotations that are predicted, but not labelled; ``repairs``: what had to be set
    right in the tables."""

    data: str
    split: str
    labels: str
    tasks: tuple[TaskScore, ...]
    unscored: tuple[str, ...] = ()
    convention: Convention = SIMS
    repairs: tuple[str, ...] = ()

    def frame(self) -> pd.DataFrame:
        """One row per annotation and metric, on the scale of the paper's tables: columns task,
        metric, value, low, high, constant, clips (that the accuracy counts) and step (what one clip
        changes), note (on the value or its interval); with another model also other, difference,
        difference low, difference high, p, p_holm."""
        return pd.DataFrame(
            [_row(task, name) for task in self.tasks for name in self.convention.metrics]
        )


def score(
    predictions: pd.DataFrame,
    labels: pd.DataFrame,
    *,
    split: str = "test",
    against: pd.DataFrame | None = None,
    where: str = "predictions",
    where_against: str = "the other predictions",
    draws: int = 2000,
    seed: int = 0,
) -> ScoreReport:
    """Score predictions under the conventions of ``metrics.D14``, or those that MMSA has for labels
    from -3 to 3.

    Args:
        predictions: video_id, clip_id, M, and if predicted T, A, V, as
            ``scoring_tables.read_predictions`` gives them.
        labels: video_id, clip_id, split, M, and if known T, A, V, as ``scoring_tables.read_labels``
            gives them; ``attrs["limit"]`` is the largest possible label (else 1).
        split: which clips are scored; all of them need a prediction.
        against: other predictions for the same clips. Annotations that only one of the two has are
            not compared.
        where, where_against: the names of the two in error messages.
        draws, seed: of the bootstrap; the permutation test draws five times as often.

    Raises InputError for clips that are missing or unknown, by name.
    """
    ours = matched(predictions, labels, split, where)
    theirs = (
        None
        if against is None
        else matched(against, labels, split, where_against, "the other predictions")
    )
    predicted = [task for task in TASKS if f"predicted {task}" in ours]
    # whether unimodal labels are placeholders shows in all four together
    whole = set(TASKS) <= set(labels)
    scored = [task for task in predicted if task == "M" or whole]
    limit = labels.attrs.get("limit", min(LIMITS))
    convention = of_limit(limit)
    tasks = tuple(_score(task, ours, theirs, draws, seed, convention) for task in scored)
    unscored = tuple(task for task in predicted if task not in scored)
    return ScoreReport(
        labels.attrs.get("mark", "labels"),
        split,
        str(label_sets.recognise(labels))
        if convention is SIMS
        else f"from {-limit:g} to {limit:g}",
        tasks,
        unscored,
        convention,
        _repairs(labels, ours, *([] if theirs is None else [theirs])),
    )


def _repairs(*tables: pd.DataFrame) -> tuple[str, ...]:
    """What had to be set right in the tables, with its count."""
    repairs = [repair for table in tables for repair in table.attrs.get("repairs", [])]
    return tuple(f"{repair['what']} ({repair['count']})" for repair in repairs)


def conventions(convention: Convention = SIMS) -> str:
    """The conventions of the scores, in a sentence."""
    if convention is not SIMS:
        return (
            f"Metrics are {convention.name}: predictions and labels are not cut; Has0 tells "
            "negative clips from all others, Non0 positive from negative ones, without those whose "
            "label is 0; F1 is weighted by support; Mult_acc_5 and Mult_acc_7 compare numbers cut "
            "to [-2, 2] and [-3, 3] and rounded."
        )
    return (
        f"Predictions and labels are cut to [-1, 1]; a label of 0 counts as {D14.zero}; F1 is "
        f"{D14.average} by support; "
        f"Acc2_weak counts clips with |label| <= {D14.weak:g}; classes are cut at "
        f"{_cuts(D14.cuts3)} (Acc3) and "
        f"{_cuts(D14.cuts5)} (Acc5); R2 is against the mean of the scored labels."
    )


def _score(
    task: str,
    ours: pd.DataFrame,
    theirs: pd.DataFrame | None,
    draws: int,
    seed: int,
    convention: Convention,
) -> TaskScore:
    keep = np.ones(len(ours), dtype=bool) if task == "M" else ~placeholder_clips(ours)
    if not keep.any():
        raise InputError(
            "the labels",
            f"only placeholders of {task} on this split",
            "clips with a label of its own",
        )
    label, videos = ours.loc[keep, task].to_numpy(), ours.loc[keep, "video_id"].to_numpy()
    prediction = ours.loc[keep, f"predicted {task}"].to_numpy()
    statistics = convention.statistics(prediction, label)
    sums = dict(zip(convention.columns, statistics.sum(axis=0), strict=True))
    resampled = (label, videos, draws, seed, convention)
    contrasts = {}
    if theirs is not None and f"predicted {task}" in theirs:
        other = theirs.loc[keep, f"predicted {task}"].to_numpy()
        contrasts = _against(prediction, other, *resampled)
    return TaskScore(
        task,
        len(label),
        len(set(videos)),
        int((~keep).sum()),
        {
            name: int(sum(sums[column] for column in columns))
            for name, columns in COUNTED.items()
            if name in convention.metrics
        },
        _intervals(prediction, *resampled),
        _intervals(np.full(len(label), CONSTANT), *resampled),
        contrasts,
        int((np.abs(prediction) > min(LIMITS)).sum()) if convention is SIMS else 0,
    )


def _intervals(
    prediction: np.ndarray,
    label: np.ndarray,
    videos: np.ndarray,
    draws: int,
    seed: int,
    convention: Convention,
) -> dict[str, Interval]:
    """Each metric with its interval; one that is not defined has no number and says why."""
    aggregate = partial(comparable, convention=convention)
    statistics = convention.statistics(prediction, label)
    intervals = bootstrap(statistics, aggregate, videos, n=draws, seed=seed)
    if len(set(videos)) == 1:  # every draw would be the same clips
        intervals = {name: replace(i, low=nan, high=nan) for name, i in intervals.items()}
    for name, why in convention.reasons(prediction, label).items():
        intervals[name] = Interval(nan, nan, nan, note=why)
    return intervals


def _against(
    ours: np.ndarray,
    theirs: np.ndarray,
    label: np.ndarray,
    videos: np.ndarray,
    draws: int,
    seed: int,
    convention: Convention,
) -> dict[str, Contrast]:
    both = [convention.statistics(prediction, label)[None] for prediction in (ours, theirs)]
    compared = compare(*both, videos, n=draws, seed=seed, convention=convention)
    differences = {name: compared[name].difference for name in convention.metrics}
    p = permutation_test(ours, theirs, label, videos, n=5 * draws, seed=seed, convention=convention)
    other, adjusted = _intervals(theirs, label, videos, draws, seed, convention), holm(p)
    if len(set(videos)) == 1:  # nothing to draw, and nothing to swap
        differences = {name: replace(d, low=nan, high=nan) for name, d in differences.items()}
        p = adjusted = dict.fromkeys(convention.metrics, nan)
    return {
        name: Contrast(other[name], differences[name], p[name], adjusted[name])
        for name in convention.metrics
    }


def _row(task: TaskScore, name: str) -> dict[str, object]:
    scale = ALL[name].scale  # of the paper's tables
    ours, constant = task.scores[name].scaled(scale), task.constant[name].scaled(scale)
    counted = task.counted.get(name)
    row: dict[str, object] = {
        "task": task.task,
        "metric": name,
        "value": ours.estimate,
        "low": ours.low,
        "high": ours.high,
        "constant": constant.estimate,
        "clips": counted or task.clips,
        "step": 100 / counted if counted else nan,
        "note": ours.note or task.doubt,
    }
    if contrast := task.against.get(name):
        difference = contrast.difference.scaled(scale)
        row |= {
            "other": contrast.other.estimate * scale,
            "difference": difference.estimate,
            "difference low": difference.low,
            "difference high": difference.high,
            "p": contrast.p,
            "p_holm": contrast.p_holm,
        }
    return row


def _cuts(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)
