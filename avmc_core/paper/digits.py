"""What the printed digits of Tables 2 to 4 reveal about how their rows were computed
(``granularity`` has the arithmetic).

Acc2 is over the 1034 test clips of Table 1, Acc2_weak over those of them that its weak and neutral
classes hold. Table 3's figures on unimodal annotations are left out of Acc2_weak: how many of their
clips are weak is printed nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from scipy.stats import binom

from avmc_core.data import label_sets
from avmc_core.paper import granularity
from avmc_core.paper.granularity import RUNS
from avmc_core.published import published
from avmc_core.schema import GRID

METRICS = ("Acc2", "Acc2_weak")
TABLES = {"Table 2": "table2_benchmark", "Table 4": "table4_ablation"}
CANDIDATES = range(100, 1101)  # numbers of clips that a column may have been computed over
WEAK = 0.4  # |label| of a weak clip, Section 5.1


@dataclass(frozen=True)
class Kinds:
    """Rows whose figures all fit single runs; those that only fit means of three; those that fit
    neither. ``p``: the probability that at least as many rows would look like single runs if all
    were means of three."""

    one_run: tuple[str, ...]
    means: tuple[str, ...]
    neither: tuple[str, ...]
    p: float


def clips(metric: str) -> int:
    """The test clips that a metric counts, by Table 1 as printed: all, or its weak and neutral
    ones."""
    row = dict(
        zip(
            published()["table1_splits"]["columns"],
            published()["table1_splits"]["test"],
            strict=True,
        )
    )
    return row["total"] if metric == "Acc2" else row["WNEG"] + row["NEU"] + row["WPOS"]


def weak_clips(labels: str, split: str = "test") -> int:
    """The weak clips of a split in one of the two sets of labels (``label_sets``)."""
    counts = label_sets.total(label_sets.of_set(labels), split=split)
    return int(counts[np.abs(GRID) <= WEAK + 1e-6].sum())


def figures() -> pd.DataFrame:
    """Every printed Acc2 and Acc2_weak of Tables 2 to 4, one line each: columns table, row,
    annotation ("M", or "own" for those of Table 3 on unimodal annotations), metric, figure. Table 4
    repeats AV-MC's row of Table 2, which is listed here once."""
    rows = [
        (name, row, "M", metric, dict(zip(published()[key]["metrics"], cells, strict=True))[metric])
        for name, key in TABLES.items()
        for row, cells in published()[key]["rows"].items()
        if (name, row) != ("Table 4", "AV-MC")
        for metric in METRICS
    ]
    table = published()["table3_unimodal"]
    for row, cells in table["rows"].items():
        pairs = dict(zip(table["metrics"], cells, strict=True))
        rows += [
            ("Table 3", row, of, m, pairs[m][at])
            for at, of in enumerate(("own", "M"))
            for m in METRICS
        ]
    return pd.DataFrame(rows, columns=["table", "row", "annotation", "metric", "figure"])


def readings() -> pd.DataFrame:
    """``figures`` with what each allows: clips (by Table 1), a column for each number of runs
    (whether the figure can be the mean of as many) and one for the chance of each (that a random
    figure can). Figures whose number of clips is not printed are left out."""
    table = figures()
    table = table[(table["annotation"] == "M") | (table["metric"] == "Acc2")].reset_index(drop=True)
    table["clips"] = [clips(metric) for metric in table["metric"]]
    for s in RUNS:
        pairs = list(zip(table["figure"], table["clips"], strict=True))
        table[s] = [bool(granularity.fits([figure], n, s)[0]) for figure, n in pairs]
        table[f"chance {s}"] = [granularity.chance(n, s) for _, n in pairs]
    return table


def rows_read(read: pd.DataFrame) -> pd.DataFrame:
    """One line per printed row, from ``readings``: columns table, row, annotation, Acc2, Acc2_weak,
    runs (a tuple: the numbers of runs that all its figures fit) and kind in words."""
    lines = []
    for (table, row, annotation), part in read.groupby(["table", "row", "annotation"], sort=False):
        runs = tuple(s for s in RUNS if part[s].all())
        printed = dict(zip(part["metric"], part["figure"], strict=True))
        cells = [printed.get(metric) for metric in METRICS]
        lines.append((table, row, annotation, *cells, runs, kind(runs)))
    return pd.DataFrame(lines, columns=["table", "row", "annotation", *METRICS, "runs", "kind"])


def kind(runs: tuple[int, ...]) -> str:
    """What a row whose figures fit these numbers of runs (out of ``RUNS``) can be, in words."""
    if not runs:
        return f"no mean of {', '.join(map(str, RUNS[:-1]))} or {RUNS[-1]} runs"
    return (
        "can be one run" if runs[0] == 1 else f"only a mean: of {' or '.join(map(str, runs))} runs"
    )


def kinds(table: str) -> Kinds:
    """The rows of Table 2 or 4 (there with AV-MC's) by what they can be."""
    lines = rows_read(readings())
    lines = lines[(lines["table"] == table) | ((table == "Table 4") & (lines["row"] == "AV-MC"))]
    runs = dict(zip(lines["row"], lines["runs"], strict=True))
    one_run = tuple(row for row in runs if 1 in runs[row])
    means = tuple(row for row in runs if row not in one_run and 3 in runs[row])
    looks_single = np.prod(
        [granularity.chance(clips(m), 1) / granularity.chance(clips(m), 3) for m in METRICS]
    )
    p = float(binom.sf(len(one_run) - 1, len(runs), looks_single))
    return Kinds(one_run, means, tuple(row for row in runs if row not in one_run + means), p)


def misfits(table: str) -> list[tuple[str, str, float, bool]]:
    """The figures of Table 2 or 4 that fit no single run: row, metric, figure, and whether one that
    differs from it by a unit of the last digit does."""
    lines = figures()
    outside = []
    for line in lines[lines["table"] == table].itertuples():
        n, unit = clips(line.metric), 10.0**-granularity.DECIMALS
        near = [round(line.figure + step * unit, granularity.DECIMALS) for step in (-1, 0, 1)]
        below, fits, above = granularity.fits(near, n)
        if not fits:
            outside.append((line.row, line.metric, line.figure, bool(below or above)))
    return outside


def fits_rounded_runs(table: str, row: str) -> bool:
    """Whether all figures of a row can be means of three runs each of which was rounded to the
    printed digits first."""
    lines = figures()
    lines = lines[(lines["table"] == table) & (lines["row"] == row) & (lines["annotation"] == "M")]
    cells = zip(lines["figure"], lines["metric"], strict=True)
    return all(
        granularity.fits([figure], clips(metric), 3, "per run")[0] for figure, metric in cells
    )


def by_rounding() -> pd.DataFrame:
    """How many of the figures of Tables 2 and 4 fit single runs and means of three under each
    reading of "rounded": columns rounding, metric, figures, and for one run and a mean of 3 the
    number that fits and the number expected of random figures."""
    table = figures()
    lines = []
    for rounding, metric in product(granularity.ROUNDINGS, METRICS):
        printed = table.loc[
            (table["metric"] == metric) & table["table"].isin(TABLES), "figure"
        ].unique()
        line: dict[str, object] = {"rounding": rounding, "metric": metric, "figures": len(printed)}
        for s in (1, 3):
            kind_of_row = "one run" if s == 1 else "a mean of 3"
            line[f"fit {kind_of_row}"] = int(
                granularity.fits(printed, clips(metric), s, rounding).sum()
            )
            line[f"{kind_of_row}, by chance"] = len(printed) * granularity.chance(
                clips(metric), s, rounding
            )
        lines.append(line)
    return pd.DataFrame(lines)


def ranking(metric: str) -> pd.DataFrame:
    """How well every number of clips of ``CANDIDATES`` fits the figures of Tables 2 and 4 in a
    metric, as single runs and as means of three (``granularity.ranked``)."""
    table = figures()
    return granularity.ranked(
        table.loc[(table["metric"] == metric) & table["table"].isin(TABLES), "figure"], CANDIDATES
    )


def simulated_check() -> pd.DataFrame:
    """How often ``granularity.read_column`` finds the number of clips and of runs of 100 simulated
    tables of 19 rows, and how often it says that they are undecidable: columns clips, runs, found,
    undecidable, wrong."""
    rng, lines, tables = np.random.default_rng(0), [], 100
    candidates = range(clips("Acc2") // 3, clips("Acc2") + 1)
    for n, s in product((clips("Acc2"), clips("Acc2_weak")), RUNS):
        columns = (granularity.simulated_column(19, n, s, rng) for _ in range(tables))
        read = [granularity.read_column(column, candidates) for column in columns]
        identified = sum((answer.n, answer.runs) == (n, s) for answer in read)
        undecidable = sum(answer.n is None for answer in read)
        lines.append((n, s, identified, undecidable, tables - identified - undecidable))
    return pd.DataFrame(lines, columns=["clips", "runs", "found", "undecidable", "wrong"])


def own_check(accuracies: pd.DataFrame, n: int) -> pd.DataFrame:
    """The same reading of a table of our own runs, of which we know the answer: columns figures,
    clips, runs, read.

    ``accuracies``: columns name, seed, Acc2 (a share), one line per run on the same ``n`` clips. It
    reads the single runs of the first seed, and the means of the rows that have all seeds. Numbers
    of clips from half to twice ``n`` may be the answer.
    """
    known = accuracies.dropna(subset=["Acc2"])
    seeds = sorted(known["seed"].unique())
    of_all = (
        known.groupby("name")
        .filter(lambda part: set(part["seed"]) == set(seeds))
        .groupby("name")["Acc2"]
        .mean()
    )
    columns = {1: known.loc[known["seed"] == seeds[0], "Acc2"], len(seeds): of_all}
    lines = []
    for s, column in columns.items():
        printed = (100 * column).round(granularity.DECIMALS)
        answer = granularity.read_column(printed, range(n // 2, 2 * n + 1), sorted({*RUNS, s}))
        lines.append((len(printed), n, s, str(answer)))
    return pd.DataFrame(lines, columns=["figures", "clips", "runs", "read"])


def marked() -> dict[str, dict[str, int]]:
    """The numbers of clips that matter in each column, by what they are."""
    weak = {
        "weak test clips by Table 1 as printed": clips("Acc2_weak"),
        "of the relabelled set, as released": weak_clips(label_sets.RELABELLED),
        "of the mixed set": weak_clips(label_sets.MIXED),
    }
    return {"Acc2": {"test clips by Table 1": clips("Acc2")}, "Acc2_weak": weak}
