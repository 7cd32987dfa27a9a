"""``avmc score``: score any predictions under the stated conventions."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import click

from avmc_core.commands.options import format_option, split_option
from avmc_core.errors import counted

# the accuracies of two classes, whose digits are looked at
BINARY = ("Acc2", "Acc2_weak", "Has0_acc_2", "Non0_acc_2")

if TYPE_CHECKING:
    import pandas as pd

    from avmc_core.analysis.scoring import TaskScore


@click.command("score")
@click.argument("predictions", type=click.Path())
@click.option(
    "--labels",
    required=True,
    envvar="AVMC_STORE",
    type=click.Path(),
    help="A label table (CSV) or an imported store.",
)
@click.option(
    "--against", type=click.Path(), help="Predictions of another model for the same clips."
)
@click.option(
    "--limit",
    type=click.Choice(["1", "3"]),
    help="The largest label of a table that is not the released one; default: 1. A store says its "
    "own.",
)
@split_option
@format_option("csv", "json")
def main(
    predictions: str, labels: str, against: str | None, limit: str | None, split: str, form: str
) -> None:
    """Score the file PREDICTIONS: columns video_id and clip_id (or id), M, and if predicted T, A,
    V; or MMSA's columns Ids and SResults.

    All metrics of labels in their range (from -1 to 1 those of the paper, from -3 to 3 those of
    MMSA) with 95 % intervals over source videos, beside those of a constant, and with
    --against the paired difference from another file. Every clip of the split needs one prediction;
    clips that are missing, listed twice or unknown are named. Every form of the result has
    accuracies, F1, Corr and R2 in points of 100, and MAE in label units.
    """
    from avmc_core.analysis.scoring import conventions, score
    from avmc_core.data.scoring_tables import read_labels, read_predictions

    report = score(
        read_predictions(predictions),
        read_labels(labels, float(limit) if limit else None),
        split=split,
        against=read_predictions(against, "the other table of predictions") if against else None,
        where=predictions,
        where_against=against or "",
    )
    frame = report.frame()
    for repair in report.repairs:
        click.echo(f"repaired: {repair}", err=True)
    if form == "csv":  # a row says what it is about wherever it is copied to
        about = {"data": report.data, "labels": report.labels, "split": split}
        click.echo(frame.assign(**about).to_csv(index=False), nl=False)
    elif form == "json":
        rows = [
            {name: None if isinstance(v, float) and math.isnan(v) else v for name, v in row.items()}
            for row in frame.to_dict("records")
        ]
        facts = {
            "data": report.data,
            "split": split,
            "labels": report.labels,
            "conventions": conventions(report.convention),
            "repaired": list(report.repairs),
            "cut": {part.task: part.cut for part in report.tasks},
        }
        click.echo(json.dumps({**facts, "unscored": report.unscored, "scores": rows}, indent=1))
    else:
        click.echo(f"data: {report.data}; labels: {report.labels}; split {split}")
        click.echo(conventions(report.convention))
        for part in report.tasks:
            click.echo(f"\n{_clips(part)}")
            click.echo(_table(frame[frame["task"] == part.task]).to_string(index=False))
            click.echo(_digits(part))
            if part.doubt:
                click.echo(f"note: {part.doubt}")
        for task in report.unscored:
            click.echo(
                f"note: {task} is predicted, but these labels do not have all four annotations"
            )


def _clips(part: TaskScore) -> str:
    """What an annotation was scored on."""
    from avmc_core.schema import TASK_NAMES

    left_out = f", without {part.left_out} whose labels are placeholders" if part.left_out else ""
    were = "was" if part.cut == 1 else "were"
    cut = f"; {counted(part.cut, 'prediction')} beyond -1 to 1 {were} cut" if part.cut else ""
    return (
        f"{part.task} ({TASK_NAMES[part.task]}): {counted(part.clips, 'clip')} of "
        f"{counted(part.videos, 'source video')}{left_out}{cut}"
    )


def _table(frame: pd.DataFrame) -> pd.DataFrame:
    """One annotation's rows in words."""
    import pandas as pd

    from avmc_core.data.metric_conventions import ALL

    def text(metric: str, value: float, sign: str = "") -> str:
        return "n/a" if math.isnan(value) else f"{value:{sign}.{ALL[metric].decimals}f}"

    def between(metric: str, low: float, high: float, sign: str = "") -> str:
        if math.isnan(low):
            return "–"
        return f"[{text(metric, low, sign)}, {text(metric, high, sign)}]"

    rows = []
    for row in frame.to_dict("records"):
        metric = row["metric"]
        interval = between(metric, row["low"], row["high"])
        line = {
            "metric": metric,
            "score": text(metric, row["value"]),
            "95 % interval": row["note"] if math.isnan(row["value"]) else interval,
            "constant 0": text(metric, row["constant"]),
        }
        if "difference" in row and not math.isnan(row["difference"]):
            ends = (row[f"difference {end}"] for end in ("low", "high"))
            difference = text(metric, row["difference"], "+")
            line |= {
                "other": text(metric, row["other"]),
                "difference": f"{difference} {between(metric, *ends, '+')}",
                "p": "–" if math.isnan(row["p"]) else f"{row['p']:.4f}",
                "p, Holm": "–" if math.isnan(row["p_holm"]) else f"{row['p_holm']:.4f}",
            }
        rows.append(line)
    return pd.DataFrame(rows).fillna("n/a")


def _digits(part: TaskScore) -> str:
    """How fine the printed accuracies can be."""
    from avmc_core.paper.granularity import chance

    over = {name: clips for name in BINARY if (clips := part.counted.get(name))}
    steps = " and ".join(
        f"{name} by {100 / n:.2f} points ({counted(n, 'clip')})" for name, n in over.items()
    )
    chances = " and ".join(f"{100 * chance(n):.1f} %" for n in over.values())
    return (
        f"digits: one clip changes {steps}; of all figures with two decimals {chances} can be "
        "the score of one run over "
        "these clips"
    )
