"""Compares the benchmark with what others have published of it, and the unimodal experiment with
Table 3."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import combinations

import pandas as pd

from avmc_core.analysis import results
from avmc_core.analysis.comparison import compare
from avmc_core.analysis.estimate import Cell
from avmc_core.analysis.statistics import Interval
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.data.store import Store
from avmc_core.metrics import BY_COLUMN, METRICS
from avmc_core.published import PARTIES, published
from avmc_core.runs.store import Record, Run
from avmc_core.schema import TASKS

Source = dict[str, dict[str, float]]  # row to metric to figure, on the metric's display scale
Summary = Mapping[str, Mapping[str, Interval]]

# Table 3's rows, and what was run beside each: a row of the experiment is "<modality>, annotation
# <task>".
TABLE_3 = {
    "Text/default": ("text", "T"),
    "Acoustic/default": ("audio", "A"),
    "Acoustic/wav2vec 2.0": ("audio (wav2vec 2.0)", "A"),  # run where the store has the features
    "Visual/default": ("vision", "V"),
}
KINDS = ("unimodal", "multimodal")  # the two columns of Table 3
NOT_RUN = "needs wav2vec features"


def sources() -> dict[str, Source]:
    """Table 2 and the later tables of others, each by the name of who published it. Metrics have
    our names."""
    tables = {"paper": published()["table2_benchmark"], **published()["later_tables"]}
    return {
        PARTIES[key]: {
            row: dict(
                zip((BY_COLUMN[column].name for column in table["metrics"]), cells, strict=True)
            )
            for row, cells in table["rows"].items()
        }
        for key, table in tables.items()
    }


def disagreements(tables: Mapping[str, Source], metric: str) -> pd.DataFrame:
    """One line per model that at least two tables have: its figure in each, and the largest minus
    the smallest."""
    rows = {}
    for row in dict.fromkeys(row for table in tables.values() for row in table):
        cells = {
            label: table[row][metric]
            for label, table in tables.items()
            if metric in table.get(row, {})
        }
        if len(cells) > 1:
            rows[row] = {**cells, "largest difference": max(cells.values()) - min(cells.values())}
    return pd.DataFrame(rows, index=[*tables, "largest difference"]).T.astype(float)


def reversals(tables: Mapping[str, Source], metric: str) -> pd.DataFrame:
    """How often two tables put two models in opposite order: columns first, second, models (that
    both have), pairs, reversed, example. Ties are not counted as an order."""
    rows = []
    for (first, a), (second, b) in combinations(tables.items(), 2):
        shared = [row for row in a if metric in a[row] and metric in b.get(row, {})]
        pairs = list(combinations(shared, 2))
        opposite = [
            (x, y)
            for x, y in pairs
            if (a[x][metric] - a[y][metric]) * (b[x][metric] - b[y][metric]) < 0
        ]
        widest = max(opposite, key=lambda p: abs(a[p[0]][metric] - a[p[1]][metric]), default=())
        rows.append((first, second, len(shared), len(pairs), len(opposite), " / ".join(widest)))
    return pd.DataFrame(rows, columns=["first", "second", "models", "pairs", "reversed", "example"])


def beats_constant(table: pd.DataFrame, models: Mapping[str, tuple[str, ...]]) -> pd.DataFrame:
    """For each baseline the mean MAE as run and mended over the seeds in a table of runs, and
    whether each is below the constant's: columns model, constant, as run, mended, as run beats it,
    mended beats it. A baseline without a run is left out."""
    mae = table.groupby("name")["MAE"].mean()
    rows = [
        {
            "model": m,
            "constant": mae["Constant"],
            "as run": mae.get(m),
            "mended": mae.get(f"{m} mended"),
        }
        for m in models
        if m in mae or f"{m} mended" in mae
    ]
    beaten = pd.DataFrame(rows)
    for kind in ("as run", "mended"):
        beaten[f"{kind} beats it"] = beaten[kind] < beaten["constant"]
    return beaten


def stopping(runs: Iterable[Run]) -> str:
    """Whether the networks of a grid end their training by the same rule, in words: without a limit
    on epochs (D10) they do; limits that differ make a table of them no ranking."""
    trained = {
        run.model: run.settings.training for run in runs if hasattr(run.settings, "training")
    }
    limits = {model: training.max_epochs for model, training in trained.items()}
    if not any(limits.values()):
        return (
            f"One protocol: all {len(trained)} networks train until the validation loss stops "
            "falling, without a limit."
        )
    short = [
        model for model, training in trained.items() if 0 < training.max_epochs <= training.patience
    ]
    fewest, most = min(filter(None, limits.values())), max(limits.values())
    return (
        f"Not one protocol: networks stop after {fewest} to {most} epochs at the latest "
        f"(D10), and {len(short)} of "
        f"{len(trained)} ({', '.join(short) or 'none'}) before the rule on the validation "
        "loss can act. So a table of these "
        "runs ranks nothing."
    )


def beside_constant(cells: list[Cell], metric: str) -> str:
    """How many rows of ``results.comparison`` are better than the constant in a metric, in
    words."""
    means = {
        cell.row: cell.value for cell in cells if cell.metric == metric and cell.value is not None
    }
    constant, sign = means.pop("Constant"), METRICS[metric].sign
    better = [row for row, value in means.items() if sign * value > sign * constant]
    names = f" ({', '.join(better)})" if 0 < len(better) <= 3 else ""
    figure = f"{constant:.{METRICS[metric].decimals}f}"
    return (
        f"In {metric} the constant has {figure}; rows with a better mean: {len(better)} of "
        f"{len(means)}{names}."
    )


def explained(model: str, table: pd.DataFrame, constant: float) -> str:
    """Which single differences, put right alone, bring a baseline below the constant's MAE, by how
    much and in how many of their runs; from a table of such runs. A correction counts as an
    explanation only if it holds for every one of several seeds."""
    alone = table[table["model"] == model].groupby("name", sort=False)["MAE"]
    cures = []
    for name, values in alone:
        gained, better = constant - values.mean(), int((values < constant).sum())
        if gained > 0:
            sure = len(values) > 1 and better == len(values)
            cures.append(
                f"{name.removeprefix(f'{model}, ').removesuffix(' mended')} alone "
                f"{'brings it' if sure else 'may bring it'} below, by {gained:.3f} "
                + (
                    f"in {better} of {len(values)} seeds"
                    if len(values) > 1
                    else "in the one seed that was run"
                )
            )
    return "; ".join(cures) or "unexplained by any single difference"


def all_tasks(records: dict[Run, Record], store: Store) -> dict[str, dict[str, Interval]]:
    """The summaries of rows that predict different annotations, each scored on the one that it was
    trained on."""
    return {
        name: scores
        for task in TASKS
        for name, scores in results.summarise(records, store, task=task).items()
    }


def table_3(summary: Summary) -> list[Cell]:
    """For each row and metric of Table 3 two cells: on the row's own annotation, and on the
    multimodal one. A row that was not run has no value, and its note says what it needs."""
    printed = published()["table3_unimodal"]
    cells = []
    for row, run in TABLE_3.items():
        for column, kind in enumerate(KINDS):
            name = f"{run[0]}, annotation {(run[1], 'M')[column]}"
            for metric, pair in zip(
                (BY_COLUMN[c].name for c in printed["metrics"]), printed["rows"][row], strict=True
            ):
                interval = summary[name][metric] if name in summary else None
                place = {"row": f"{row}, {kind}", "run": name, "published_row": row}
                cell = Cell.of(metric, interval, pair[column], **place)
                needs = interval is None and "wav2vec" in row
                cells.append(replace(cell, note=NOT_RUN) if needs else cell)
    return cells


def own_minus_whole(records: Mapping[Run, Record], store: Store) -> pd.DataFrame:
    """What a modality gains on its own annotation over the multimodal one: columns row, metric,
    ours (Interval; None where it was not run), Table 3, on the display scale of each metric.

    Ours compares the two networks of each modality on the same clips, those with an annotation of
    the modality, and draws source videos for both together; the paper's columns may rest on other
    clips each.
    """
    figures = {(cell.row, cell.metric): cell.published for cell in table_3({})}
    own = {task: results.stacked(dict(records), store, task=task) for task in TASKS}
    keep = ~placeholder_clips(store.split("test").clips)
    rows = []
    for row, (name, task) in TABLE_3.items():
        first, groups = own[task][0].get(f"{name}, annotation {task}"), own[task][1]
        second = own["M"][0].get(f"{name}, annotation M")
        both = first is not None and second is not None
        differences = compare(first, second[:, keep], groups) if both else {}
        for metric in dict.fromkeys(metric for _, metric in figures):
            printed = [figures[f"{row}, {kind}", metric] for kind in KINDS]
            d, scale = differences.get(metric), METRICS[metric].scale
            ours = d and d.difference.scaled(scale)
            rows.append((row, metric, ours, printed[0] - printed[1]))
    return pd.DataFrame(rows, columns=["row", "metric", "ours", "Table 3"])


def easier(differences: pd.DataFrame) -> str:
    """In how many rows and metrics of ``own_minus_whole`` a modality does better on its own
    annotation, in words: of our differences only those count that are clear of zero; those of Table
    3 count as printed."""
    sign = differences["metric"].map(lambda name: METRICS[name].sign)
    ran = [(s, i) for s, i in zip(sign, differences["ours"], strict=True) if i is not None]
    clear = [s * i.estimate for s, i in ran if i.low > 0 or i.high < 0]
    up, down = sum(v > 0 for v in clear), sum(v < 0 for v in clear)
    other = differences[sign * differences["Table 3"] <= 0]
    names = "; ".join(
        f"{row}: {', '.join(part['metric'])}" for row, part in other.groupby("row", sort=False)
    )
    return (
        f"Here the own annotation is clearly the easier one in {up} of {len(ran)} comparisons, "
        f"clearly the harder one in {down}, and {len(ran) - len(clear)} are undecided, their "
        f"intervals containing zero; in Table 3, which gives no intervals, it is the easier one in "
        f"{len(differences) - len(other)} of {len(differences)}"
        + (f" (not in {names})." if names else ".")
    )
