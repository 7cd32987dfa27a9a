"""Two rows of an experiment on the same clips: the comparison that a review asks for, as one
table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from avmc_core.analysis.comparison import compare, holm, permutation_test
from avmc_core.analysis.results import stacked
from avmc_core.analysis.statistics import comparable
from avmc_core.data.metric_conventions import ALL, of_limit
from avmc_core.data.store import Store
from avmc_core.errors import InputError
from avmc_core.runs.store import Record, Run

CLEAR = 0.05  # Holm's adjusted p below which a difference is called clear


def compare_rows(
    records: Mapping[Run, Record],
    store: Store,
    first: str,
    second: str,
    names: Sequence[str],
    split: str = "test",
) -> pd.DataFrame:
    """One row per metric, on its display scale: metric, first, second (means over runs), difference
    (first minus second) with low and high (95 %, resampling source videos for both rows together
    and runs for each), improvement (the probability that a run of the first is better than one of
    the second, ties counting half) with its ends, p, p_holm (over ``names``) and test.

    With several runs p comes from the same bootstrap; with one run each from a permutation test
    that swaps whole videos ("test" says which). Raises InputError for a row without a finished run.
    """
    statistics, groups = stacked(dict(records), store, split)
    for name in (first, second):
        if name not in statistics:
            raise InputError(f"row {name!r}", "no finished run", "one at least: see `avmc run`")
    a, b = statistics[first], statistics[second]
    convention = of_limit(store.limit)
    differences = compare(a, b, groups, convention=convention)
    single = len(a) == len(b) == 1
    p = {name: differences[name].p for name in names}
    if single:
        kept = {run.name: record for run, record in records.items() if record.status == "done"}
        predictions = [kept[name].predictions(split)["M"] for name in (first, second)]
        label = store.split(split).labels[:, 0]
        swapped = permutation_test(*predictions, label, groups, convention=convention)
        p = {name: swapped[name] for name in names}
    adjusted = holm(p)
    means = [comparable(part, None, convention) for part in (a, b)]
    rows = []
    for name in names:
        scale, d, chance = (
            ALL[name].scale,
            differences[name].difference,
            differences[name].improvement,
        )
        rows.append(
            {
                "metric": name,
                "first": means[0][name].mean() * scale,
                "second": means[1][name].mean() * scale,
                "difference": d.estimate * scale,
                "low": d.low * scale,
                "high": d.high * scale,
                "improvement": chance.estimate,
                "improvement_low": chance.low,
                "improvement_high": chance.high,
                "p": p[name],
                "p_holm": adjusted[name],
                "test": "permutation" if single else "bootstrap",
            }
        )
    return pd.DataFrame(rows)


def as_text(table: pd.DataFrame) -> str:
    """The table of ``compare_rows`` for a terminal, with the decimals of each metric."""
    shown = []
    for row in table.itertuples():
        metric = ALL[row.metric]
        d, way = metric.decimals, "higher" if metric.higher_is_better else "lower"
        shown.append(
            {
                "metric": f"{row.metric} ({way} is better)",
                "first": f"{row.first:.{d}f}",
                "second": f"{row.second:.{d}f}",
                "difference": f"{row.difference:+.{d}f} [{row.low:+.{d}f}, {row.high:+.{d}f}]",
                "improvement": f"{row.improvement:.2f} [{row.improvement_low:.2f}, "
                f"{row.improvement_high:.2f}]",
                "p": f"{row.p:.3f}",
                "p_holm": f"{row.p_holm:.3f}",
                "test": row.test,
            }
        )
    return pd.DataFrame(shown).to_string(index=False)
