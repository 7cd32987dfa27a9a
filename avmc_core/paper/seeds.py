"""What a seed is worth on the real files: 98 runs of other people's models on CH-SIMS v2.0, one
line per seed.

The runs are of MSE-Adapter, a small module beside a frozen language model (``resources/seeds.csv``:
metrics as its authors' evaluator wrote them, percentages in points, MAE in label units). They say
nothing about AV-MC; they are the only public record of how far apart two runs of one model on these
files lie. A batch is five seeds that were run together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import pandas as pd
from scipy import stats

from avmc_core.data.label_sets import MIXED, RELABELLED
from avmc_core.home import resource
from avmc_core.metrics import METRICS
from avmc_core.paper import digits, granularity, successors
from avmc_core.paper.claim_tables import benchmark_rows, best_of_benchmark, cell

SOURCE = (
    "runs of others: AZYoung233/MSE-Adapter (MIT; commit 5023cce, files later removed) and "
    "its issue 10, and "
    "lishuaitong16/MSE-Adapter"
)
BATCH = ["model", "source_file", "warm_up_epochs", "batch"]
SINGLE = "three single runs"
LEVEL = 0.95
SHORT = {"__1simsv2-regression": ", first file", "__simsv2-regression": ""}


@dataclass(frozen=True)
class Spread:
    """Spread of a metric, in its unit, as standard deviations. ``within``: of a seed about its
    batch's mean, pooled over all batches; ``between``: of the means of batches that repeat one
    setting; ``expected``: what the seeds alone would give those means; ``p``: of a one-way analysis
    of variance over the repeated batches; ``batches``: how many there are."""

    within: float
    between: float
    expected: float
    p: float
    batches: int


def runs() -> pd.DataFrame:
    """All runs as recorded: ``BATCH``, seed, and a column for each metric."""
    return pd.read_csv(resource("seeds.csv"), encoding="utf-8")


def repeated() -> int:
    """How many runs stand in two files, with the same seed and all metrics equal."""
    return int(runs().duplicated(["model", "seed", *METRICS]).sum())


def batches() -> pd.DataFrame:
    """One line per batch of five: ``BATCH``, ``name``, and the mean of every metric."""
    table = runs()
    grouped = table.groupby(BATCH, dropna=False, sort=False)
    means = grouped[list(METRICS)].mean()[grouped.size() == 5].reset_index()
    return means.assign(name=[_name(row) for row in means.itertuples()])


def spread(metric: str) -> Spread:
    """How far seeds and batches lie apart in a metric. The setting with the most batches is the
    repeated one."""
    table = runs()
    grouped = [
        part[metric].to_numpy() for _, part in table.groupby(BATCH, dropna=False) if len(part) == 5
    ]
    within = sqrt(np.mean([part.var(ddof=1) for part in grouped]))
    setting = batches().groupby(["model", "warm_up_epochs"]).size().idxmax()
    same = table[(table["model"] == setting[0]) & (table["warm_up_epochs"] == setting[1])]
    parts = [part[metric].to_numpy() for _, part in same.groupby(BATCH)]
    between = float(np.std([part.mean() for part in parts], ddof=1))
    expected = sqrt(np.mean([part.var(ddof=1) for part in parts]) / 5)
    return Spread(within, between, expected, float(stats.f_oneway(*parts).pvalue), len(parts))


def residuals(metric: str) -> np.ndarray:
    """Every seed of a batch minus the batch's mean, widened by sqrt(5/4) so that their variance is
    that of a seed; runs that stand in two files count once."""
    table = runs()
    sizes = table.groupby(BATCH, dropna=False)[metric].transform("size")
    centred = table[metric] - table.groupby(BATCH, dropna=False)[metric].transform("mean")
    kept = (sizes == 5) & ~table.duplicated(["model", "seed", *METRICS])
    return np.sort(centred[kept].to_numpy()) * sqrt(5 / 4)


def best_of(values: np.ndarray, draws: int) -> float:
    """The expected largest of ``draws`` draws from an empirical distribution, minus its mean.

    With x_(1) <= ... <= x_(n): sum over i of x_(i) ((i / n)^draws - ((i - 1) / n)^draws) - mean.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    reached = (np.arange(len(ordered) + 1) / len(ordered)) ** draws
    return float(ordered @ np.diff(reached) - ordered.mean())


def best_of_equals(accuracy: float, clips: int, draws: int) -> float:
    """By how many points the best of ``draws`` equally good models exceeds their true accuracy (a
    share), when each is right on every clip independently: this is luck with the clips only. Models
    that err on the same clips gain less. The result is in points of 100."""
    k = np.arange(clips + 1)
    below = stats.binom.cdf(k, clips, accuracy) ** draws  # all draws have at most k right
    return float(100 * ((1 - below)[:-1].sum() / clips - accuracy))


def needed(metric: str, runs_of_one: int, runs_of_other: int) -> float:
    """The difference of two means below which 95 % of pairs of equally good models stay, by the
    spread of seeds in a batch."""
    z = stats.norm.ppf((1 + LEVEL) / 2)
    return float(z * spread(metric).within * sqrt(1 / runs_of_one + 1 / runs_of_other))


def spreads() -> pd.DataFrame:
    """``spread`` of the accuracies as a table, and what it means for a comparison: the differences
    that equally good models stay below in 95 of 100 cases when single runs, a single run and a mean
    of three, and two means of three are compared, together with the margin that Table 2 prints for
    AV-MC, and how many benchmark rows are at least that far from it."""
    lines = []
    for metric in ("Acc2", "Acc2_weak"):
        s = spread(metric)
        least = needed(metric, 1, 3)
        leads = [
            cell("table2_benchmark", "AV-MC", metric) - cell("table2_benchmark", row, metric)
            for row in benchmark_rows()
        ]
        lines.append(
            {
                "metric": metric,
                "within a batch": s.within,
                "between batches": s.between,
                "expected between": s.expected,
                "p": s.p,
                "1 run against 1": needed(metric, 1, 1),
                "1 against a mean of 3": least,
                "mean of 3 against mean of 3": needed(metric, 3, 3),
                "AV-MC's margin": margin(metric),
                "rows further below": f"{sum(lead > least for lead in leads)} of {len(leads)}",
            }
        )
    return pd.DataFrame(lines)


def margin(metric: str, row: str = "AV-MC") -> float:
    """How far a row of Table 2 leads the best benchmark model of the column, as printed."""
    column = METRICS[metric].column
    return abs(
        cell("table2_benchmark", row, column)
        - cell("table2_benchmark", best_of_benchmark(column), column)
    )


def by_name() -> dict[str, pd.DataFrame]:
    """The runs of each batch of five, keyed by the name of the batch. The runs that belong to no
    batch stand under a name of their own."""
    table = runs()
    five = table.groupby(BATCH, dropna=False)["seed"].transform("size") == 5
    parts = {
        _name(next(part.itertuples())): part
        for _, part in table[five].groupby(BATCH, dropna=False, sort=False)
    }
    return parts | {SINGLE: table[~five]}


def printed_batch() -> tuple[str, dict[str, float]]:
    """The batch that a later paper printed for this model, by name: the one whose mean Acc2 and
    Acc2_weak are the figures of ``successors``; and those figures."""
    row = successors.recorded().set_index("model").loc["MSE-Adapter ChatGLM3-6B"]
    printed = {metric: float(row[metric]) for metric in ("Acc2", "Acc2_weak")}
    table = batches()
    (name,) = table.loc[
        [all(round(b[m], 2) == v for m, v in printed.items()) for _, b in table.iterrows()], "name"
    ]
    return name, printed


def fitting_runs() -> dict[str, int]:
    """How many of the single runs of others print an Acc2_weak that fits each set's weak test
    clips."""
    weak = runs()["Acc2_weak"]
    clips = {RELABELLED: digits.weak_clips(RELABELLED), MIXED: digits.weak_clips(MIXED)}
    return {name: int(granularity.fits(weak, n).sum()) for name, n in clips.items()} | {
        "runs": len(weak)
    }


def curves(draws: Sequence[int]) -> tuple[dict[str, dict[str, list[float]]], dict[str, float]]:
    """How much the best of several draws gains, for Acc2 and for Acc2_weak, by the source of the
    luck; and AV-MC's margin in Table 2. Both are keyed by the metric with its number of clips.
    The gain comes from ``best_of`` over the seeds that others published, and from
    ``best_of_equals`` at AV-MC's printed accuracy."""
    gains, margins = {}, {}
    clips = {"Acc2": digits.clips("Acc2"), "Acc2_weak": digits.weak_clips(RELABELLED)}
    for metric, n in clips.items():
        title = f"{metric}, {n} clips"
        accuracy = cell("table2_benchmark", "AV-MC", metric) / 100
        gains[title] = {
            "the seed: runs of others": [best_of(residuals(metric), k) for k in draws],
            "the clips alone: equally good models": [best_of_equals(accuracy, n, k) for k in draws],
        }
        margins[title] = margin(metric)
    return gains, margins


def _name(row) -> str:
    """A batch in a few words."""
    model = row.model.removeprefix("MSE-")
    if pd.isna(row.warm_up_epochs):
        return f"{model}, issue 10"
    file = next(words for part, words in SHORT.items() if part in row.source_file)
    return f"{model}, warm-up {row.warm_up_epochs:.0f}{file}, batch {row.batch}"
