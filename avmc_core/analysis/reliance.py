"""How much trained models rely on each modality, measured on the test clips.

A condition is a changed test split. ``measure`` scores every run under every condition, clip by
clip; whatever is read from that, a loss or a Shapley value, gets its interval from one bootstrap
over seeds and source videos that draws the same ones for all conditions.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from avmc_core import schema
from avmc_core.analysis.conditions import ALL, COALITIONS, USUAL, Condition, Plan, named
from avmc_core.analysis.predicting import predictions_of
from avmc_core.analysis.statistics import Interval, bootstrap, comparable
from avmc_core.clips.prediction import shapley
from avmc_core.data.metric_conventions import SIMS, Convention, of_limit
from avmc_core.data.store import Split, Store, open_store
from avmc_core.runs.kept import kept
from avmc_core.runs.store import Record, Run
from avmc_core.runs.workers import side_by_side
from avmc_core.settings import as_dict

WAYS = ("permuted", "removed", "noised")
SAME = 1e-5  # predictions that differ by less differ by rounding: they count as one

Predictor = Callable[[Split], Mapping[str, np.ndarray]]  # clips to name to predictions of M (R, N)
# condition to metric to (R,), or (R, n) for n resamples
Scores = Mapping[Condition, Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Measured:
    """Clip statistics (R, N, K) of R runs by condition, and the source video of each clip (N,)."""

    statistics: dict[Condition, np.ndarray]
    groups: np.ndarray
    convention: Convention = SIMS  # the metrics of these statistics

    def figures(
        self, read: Callable[[Scores], Mapping[str, np.ndarray]], draws: int = 1000
    ) -> dict[str, Interval]:
        """The figures that ``read`` computes from the metrics under all conditions (as in
        ``statistics.comparable``), each with its interval from ``draws`` bootstrap draws."""
        table = np.stack(list(self.statistics.values()), axis=-2)  # (R, N, C, K)
        shape = table.shape[-2:]

        def aggregate(flat: np.ndarray, weights: np.ndarray | None) -> Mapping[str, np.ndarray]:
            # (C, R, G, K)
            by_condition = np.moveaxis(flat.reshape(*flat.shape[:-1], *shape), -2, 0)
            scores = comparable(by_condition, weights, self.convention)
            return read(
                {
                    c: {name: values[i] for name, values in scores.items()}
                    for i, c in enumerate(self.statistics)
                }
            )

        return bootstrap(table.reshape(*table.shape[:2], -1), aggregate, self.groups, n=draws)


def kept_runs(
    records: Mapping[Run, Record], store: Store, plan: Plan = USUAL
) -> dict[str, Measured]:
    """``measure_runs``, computed once for these runs under this plan."""
    done = {run: record for run, record in records.items() if record.status == "done"}
    names = list(dict.fromkeys(run.name for run in done))
    depends = {
        "runs": [(names.index(run.name), record.key) for run, record in done.items()],
        "data": store.digest,
        "plan": as_dict(plan),
    }
    arrays = kept(
        "reliance",
        [__name__],
        depends,
        lambda: {
            json.dumps([names.index(name), condition]): values
            for name, measured in measure_runs(done, store, plan).items()
            for condition, values in measured.statistics.items()
        },
    )
    groups = store.split("test").clips["video_id"].to_numpy()
    by_name: dict[str, dict[Condition, np.ndarray]] = {}
    order = {condition: k for k, condition in enumerate(named(plan))}
    for key, values in arrays.items():
        number, condition = json.loads(key)
        by_name.setdefault(names[number], {})[_tuples(condition)] = values
    return {
        name: Measured(
            dict(sorted(by_name[name].items(), key=lambda item: order[item[0]])),
            groups,
            of_limit(store.limit),
        )
        for name in names
        if name in by_name
    }


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def measure_runs(
    records: Mapping[Run, Record], store: Store, plan: Plan = USUAL, *, jobs: int | None = None
) -> dict[str, Measured]:
    """By name, the runs that are done and predict M, under all conditions of a plan; ``store`` is
    what they were trained on.

    ``jobs`` processes (default: the number of cores) share the conditions, because creating one can
    cost more than predicting under it: the text encoder reads every misheard transcript. The result
    does not depend on ``jobs``.
    """
    done = {run: record for run, record in records.items() if record.status == "done"}
    order = [*named(plan)]
    jobs = min(jobs or os.cpu_count() or 1, len(order))
    shares = [order[k::jobs] for k in range(jobs)]
    if jobs <= 1:
        parts = [_measure_share(share, done, store.path, plan) for share in shares]
    else:
        calls = [(share, done, store.path, plan) for share in shares]
        parts = [*side_by_side(_measure_share, calls, jobs)]
    groups = store.split("test").clips["video_id"].to_numpy()
    by_name: dict[str, list[dict[Condition, np.ndarray]]] = {}
    for place, run in enumerate(done):
        by_condition = {c: values for part in parts for c, values in part.get(place, {}).items()}
        if by_condition:
            by_name.setdefault(run.name, []).append(by_condition)
    return {
        name: Measured(
            {c: np.concatenate([run[c] for run in runs]) for c in order if c in runs[0]},
            groups,
            of_limit(store.limit),
        )
        for name, runs in by_name.items()
    }


def _measure_share(
    conditions: Sequence[Condition], records: Mapping[Run, Record], path: Path, plan: Plan
) -> dict[int, dict[Condition, np.ndarray]]:
    """The scores under ``conditions`` of each run that predicts M, by its index in ``records``."""
    store = open_store(path)
    # a name for each run
    alone = {
        dataclasses.replace(run, label=str(place)): record
        for place, (run, record) in enumerate(records.items())
    }

    def answer(clips: Split) -> dict[str, np.ndarray]:
        return {
            k: predictions["M"]
            for k, predictions in predictions_of(alone, store, clips).items()
            if "M" in predictions
        }

    conditions_here = plan.conditions(store, {*conditions}.__contains__)
    measured = measure(
        answer, store.split("test"), conditions_here, convention=of_limit(store.limit)
    )
    statistics = {int(k): m.statistics for k, m in measured.items()}
    for run in alone:
        if run.capabilities.tokens:  # noise in text features does not reach it
            statistics.get(int(run.label), {}).pop(("noised", "text", plan.scale), None)
    return statistics


def measure(
    answer: Predictor,
    split: Split,
    conditions: Iterable[tuple[Condition, Split]],
    keep: np.ndarray | None = None,
    convention: Convention = SIMS,
) -> dict[str, Measured]:
    """By name, the scores of M under all conditions against the labels of ``split``; ``keep`` (N,)
    bool: the clips that count; ``convention``: the metrics of the labels' range."""
    rows = np.ones(len(split), dtype=bool) if keep is None else keep
    label = split.labels[rows, schema.TASKS.index("M")]
    groups = split.clips["video_id"].to_numpy()[rows]
    by_name: dict[str, dict[Condition, np.ndarray]] = {}
    for condition, changed in conditions:
        for name, predictions in answer(changed).items():
            statistics = np.stack(
                [convention.statistics(_settled(run[rows]), label) for run in predictions]
            )
            by_name.setdefault(name, {})[condition] = statistics
    return {name: Measured(statistics, groups, convention) for name, statistics in by_name.items()}


def losses(measured: Mapping[str, Measured]) -> pd.DataFrame:
    """What each model loses when a modality is permuted (mean over permutations), removed or
    noised: columns name, modality, way, metric, loss (Interval: intact minus changed, in the
    metric's unit)."""
    rows = []
    for name, scores in measured.items():
        figures = scores.figures(_losses)
        rows += [(name, *key.split("/"), interval) for key, interval in figures.items()]
    return pd.DataFrame(rows, columns=["name", "modality", "way", "metric", "loss"])


def shares(measured: Mapping[str, Measured]) -> pd.DataFrame:
    """Shapley values of the modalities for each metric: columns name, metric, part (a modality;
    "none", the metric without any modality; "all", with all three), value (Interval, in the
    metric's unit). The modalities' values add up to "all" minus "none", which for MAE is normally
    negative."""
    rows = []
    for name, scores in measured.items():
        figures = scores.figures(_shares)
        rows += [(name, *key.split("/"), interval) for key, interval in figures.items()]
    return pd.DataFrame(rows, columns=["name", "metric", "part", "value"])


def remainder(table: pd.DataFrame) -> np.ndarray:
    """The value of "all" minus that of "none" minus the sum of the modalities' values, for each
    model and metric in ``shares``: 0 except for rounding."""
    values = table.assign(value=table["value"].map(lambda interval: interval.estimate))
    parts = values.pivot(index=["name", "metric"], columns="part", values="value")
    return (parts["all"] - parts["none"] - parts[list(schema.MODALITIES)].sum(axis=1)).to_numpy()


def hearing(measured: Mapping[str, Measured]) -> pd.DataFrame:
    """What recognition errors cost: columns name, kind, rate, metric, loss (Interval: the same
    sentences without errors minus with them). Empty where none were made."""
    rows = []
    for name, scores in measured.items():
        if ("heard", "none", 0.0) in scores.statistics:
            for key, interval in scores.figures(_heard).items():
                kind, rate, metric = key.split("/")
                rows.append((name, kind, float(rate), metric, interval))
    return pd.DataFrame(rows, columns=["name", "kind", "rate", "metric", "loss"])


def _losses(scores: Scores) -> dict[str, np.ndarray]:
    intact, losses = scores["with", ALL], {}
    changed: dict[tuple[str, str], list[Mapping[str, np.ndarray]]] = {}
    for place, modality in enumerate(schema.MODALITIES):
        without = tuple(k != place for k in range(len(schema.MODALITIES)))
        changed[modality, "removed"] = [scores["with", without]]
    for way, modality, *_ in (condition for condition in scores if condition[0] in WAYS):
        changed.setdefault((modality, way), []).append(scores[way, modality, *_])
    for (modality, way), draws in changed.items():
        for metric, value in intact.items():
            losses[f"{modality}/{way}/{metric}"] = value - np.mean(
                [draw[metric] for draw in draws], axis=0
            )
    return losses


def _heard(scores: Scores) -> dict[str, np.ndarray]:
    intact = scores["heard", "none", 0.0]
    return {
        f"{kind}/{rate}/{metric}": value - scores["heard", kind, rate][metric]
        for way, kind, rate in (condition for condition in scores if condition[0] == "heard")
        for metric, value in intact.items()
    }


def _shares(scores: Scores) -> dict[str, np.ndarray]:
    shares = {}
    for metric in scores["with", ALL]:
        # (R, 8) or (R, n, 8)
        worth = np.stack([scores["with", present][metric] for present in COALITIONS], axis=-1)
        values = shapley(worth.reshape(-1, len(COALITIONS)), list(COALITIONS)).reshape(
            -1, *worth.shape[:-1]
        )
        parts = dict(zip(schema.MODALITIES, values, strict=True)) | {
            "none": worth[..., 0],
            "all": worth[..., -1],
        }
        shares |= {f"{metric}/{part}": value for part, value in parts.items()}
    return shares


def _settled(predictions: np.ndarray) -> np.ndarray:
    """Predictions (N,) of one run; their mean where they differ by rounding only."""
    equal = np.ptp(predictions) < SAME
    return np.full_like(predictions, predictions.mean()) if equal else predictions
