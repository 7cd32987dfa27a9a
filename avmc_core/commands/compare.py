"""``avmc compare``: two rows of an experiment on the same clips."""

from __future__ import annotations

import click

from avmc_core.commands.options import (
    device_option,
    format_option,
    profile_option,
    seeds_option,
    split_option,
    store_option,
)
from avmc_core.commands.run import plan
from avmc_core.errors import InputError


@click.command("compare")
@click.argument("experiment")
@click.argument("first")
@click.argument("second")
@click.option(
    "--metric",
    "names",
    multiple=True,
    help="A metric to compare; may be repeated; default: all of the paper's tables.",
)
@profile_option
@store_option
@seeds_option
@split_option
@format_option("csv")
@click.option(
    "--figure",
    type=click.Path(),
    help="Also draw the differences into this file (PNG, PDF or SVG).",
)
@device_option
def main(
    experiment: str,
    first: str,
    second: str,
    names: tuple[str, ...],
    profile: str,
    store: str,
    seeds: str,
    split: str,
    form: str,
    figure: str | None,
    device: str | None,
) -> None:
    """Compare the rows FIRST and SECOND of EXPERIMENT: FIRST minus SECOND.

    Differences have 95 % intervals from resampling source videos (the same for both rows) and
    seeds. "improvement" is the probability that a run of FIRST is better than a run of SECOND.
    p_holm holds over all the metrics asked for. Where each row has one run only, p comes from a
    permutation test that swaps whole videos.
    Both forms have accuracies, F1, Corr and R2 in points of 100, and MAE in label units.
    """
    from avmc_core.analysis.pairwise import CLEAR, as_text, compare_rows
    from avmc_core.analysis.results import finished
    from avmc_core.artefacts import data_mark
    from avmc_core.data.metric_conventions import of_limit
    from avmc_core.runs.grid import checked_device, run_store
    from avmc_core.schema import LIMITS

    pair, opened = plan(experiment, profile, seeds, store, rows=(first, second))
    known_metrics = of_limit(opened.limit).metrics
    for name in names:
        if name not in known_metrics:
            raise InputError("--metric", repr(name), f"one of {', '.join(known_metrics)}")
    printed = tuple(name for name, metric in known_metrics.items() if metric.column)
    own = opened.limit == min(LIMITS)
    chosen = names or (printed if own else tuple(known_metrics))
    records, missing = finished(pair, opened, run_store(), checked_device(device, here=False))
    table, mark = compare_rows(records, opened, first, second, chosen, split), data_mark(opened)
    if form == "csv":
        click.echo(table.assign(data=mark).to_csv(index=False))
    else:
        ours, theirs = (sum(run.name == name for run in records) for name in (first, second))
        click.echo(
            f"data: {mark}, split {split}; {first} (runs: {ours}) minus {second} (runs: {theirs})"
        )
        click.echo(as_text(table))
        clear = table.loc[table["p_holm"] <= CLEAR, "metric"]
        click.echo(
            f"clear after Holm's correction (p_holm <= {CLEAR:g}): {', '.join(clear) or 'none'}"
        )
    if missing:
        click.echo(
            f"missing: {', '.join(f'{run.name}, seed {run.seed}' for run in missing)}", err=True
        )
    if figure:
        from avmc_core.drawing import contrast_figures, figures

        figures.use_style()
        drawn = contrast_figures.pair_forest(table, first, second)
        figures.mark(drawn, opened).savefig(figure)
        click.echo(figure)
