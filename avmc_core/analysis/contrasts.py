"""A declared family of paired comparisons between the rows of an experiment, as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import norm

from avmc_core.analysis.comparison import compare, holm, permutation_test
from avmc_core.analysis.results import stacked
from avmc_core.analysis.statistics import Interval
from avmc_core.data.metric_conventions import ALL, SIMS, Convention, of_limit
from avmc_core.data.store import Store
from avmc_core.runs.store import Record, Run


def contrasts(
    records: dict[Run, Record],
    store: Store,
    pairs: Sequence[tuple[str, str]],
    names: Sequence[str],
) -> pd.DataFrame:
    """One row per pair and metric: columns first, second, metric, difference (Interval, first minus
    second, on the metric's display scale), improvement (Interval), p, and p_holm, adjusted over all
    rows of this table.

    Pairs with a row that has no finished run are left out.
    """
    return family(*stacked(records, store), pairs, names, of_limit(store.limit))


def family(
    statistics: Mapping[str, np.ndarray],
    groups: np.ndarray,
    pairs: Sequence[tuple[str, str]],
    names: Sequence[str],
    convention: Convention = SIMS,
) -> pd.DataFrame:
    """``contrasts`` from clip statistics (R, N, K) of the convention, by row, and the source video
    (N,) of each clip."""
    rows = []
    for first, second in pairs:
        if first not in statistics or second not in statistics:
            continue
        compared = compare(statistics[first], statistics[second], groups, convention=convention)
        for name in names:
            d, scale = compared[name], convention.metrics[name].scale
            rows.append((first, second, name, d.difference.scaled(scale), d.improvement, d.p))
    columns = ["first", "second", "metric", "difference", "improvement", "p"]
    table = pd.DataFrame(rows, columns=columns)
    adjusted = holm(dict(table["p"].items()))
    return table.assign(p_holm=[adjusted[row] for row in table.index])


def detectable(difference: Interval) -> float:
    """The smallest true difference that such a comparison would distinguish from zero, at a level
    of 5 %, with probability 0.8: (z(.975) + z(.8)) standard errors, where the standard
    error is that of a normal distribution with this 95 % interval."""
    error = (difference.high - difference.low) / (2 * norm.ppf(0.975))
    return float((norm.ppf(0.975) + norm.ppf(0.8)) * error)


def fixed_models(
    records: dict[Run, Record],
    store: Store,
    pairs: Sequence[tuple[str, str]],
    names: Sequence[str],
    seed: int,
) -> pd.DataFrame:
    """Permutation tests on the test split of the runs with one seed: p values, one row per pair,
    one column per metric."""
    test = store.split("test")
    label, groups = test.labels[:, 0], test.clips["video_id"].to_numpy()
    done = {run.name: r for run, r in records.items() if run.seed == seed and r.status == "done"}
    rows = {}
    for first, second in ((a, b) for a, b in pairs if a in done and b in done):
        predictions = [done[name].predictions("test")["M"] for name in (first, second)]
        p = permutation_test(*predictions, label, groups, convention=of_limit(store.limit))
        rows[f"{first} against {second}"] = {name: p[name] for name in names}
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(names))


def tally(table: pd.DataFrame, level: float = 0.05) -> str:
    """How many comparisons of a family remain significant after correction, in one sentence."""
    clear = table[table["p_holm"] <= level]
    alone = int((table["p"] <= level).sum())
    return (
        f"{len(table)} comparisons; {alone} of them have p <= {level:g} taken alone, "
        f"{len(clear)} after Holm's correction over the whole family."
    )


def estimates(table: pd.DataFrame, first: str) -> str:
    """In how many comparisons of a family the estimate, whatever its interval, favours ``first``,
    in one sentence. Equal estimates favour neither."""
    gains = [ALL[row.metric].sign * row.difference.estimate for row in table.itertuples()]
    better, worse = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
    return (
        f"By its estimate, whatever the interval, {first} is better in {better} and worse in "
        f"{worse} of these {len(gains)} comparisons."
    )


def ahead(table: pd.DataFrame) -> str:
    """How often the first of a pair is better or worse after Holm's correction, as a clause without
    a full stop. Unless a count is zero or all, the first rows and the metrics follow it."""
    clear = table[table["p_holm"] <= 0.05]
    better, worse = {}, {}
    for row in clear.itertuples():
        ahead = ALL[row.metric].sign * row.difference.estimate > 0
        (better if ahead else worse).setdefault(row.first, []).append(row.metric)

    def which(some: dict[str, list[str]]) -> str:
        count = sum(map(len, some.values()))
        if count in (0, len(table)):
            return str(count)
        rows = "; ".join(f"{first}: {', '.join(names)}" for first, names in some.items())
        return f"{count} ({rows})"

    return (
        f"after Holm's correction, of {len(table)} comparisons, it is better in {which(better)} "
        f"and worse in {which(worse)}"
    )
