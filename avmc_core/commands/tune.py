"""``avmc tune``: choose settings on the validation split."""

from __future__ import annotations

import json
import sys

import click

from avmc_core.commands.options import profile_option, read_seeds, store_option


@click.command("tune")
@click.argument("model")
@profile_option
@store_option
@click.option(
    "--trials",
    type=click.IntRange(1),
    help="Settings that are tried; default: 8 at the profile ci, 50 at full.",
)
@click.option(
    "--seeds",
    default="",
    help="Seeds of each trial, comma-separated; default: 1111,1112 at the profile ci, "
    "1111,1112,1113 at full.",
)
@click.option(
    "-o",
    "--over",
    multiple=True,
    metavar="SETTING=[JSON]",
    help="A setting and the values to draw from; may be repeated; default: our space.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Processes for --score and --both-ways; default: the number of cores.",
)
@click.option("--score", is_flag=True, help="Then score the choice on the test split.")
@click.option(
    "--both-ways",
    is_flag=True,
    help="Then show what choosing on the test split would have gained (D12).",
)
def main(
    model: str,
    profile: str,
    store: str,
    trials: int | None,
    seeds: str,
    over: tuple[str, ...],
    jobs: int | None,
    score: bool,
    both_ways: bool,
) -> None:
    """Search settings of MODEL on the validation split; an interrupted search is continued."""
    from avmc_core.analysis.results import carried_out, in_points
    from avmc_core.data.metric_conventions import ALL
    from avmc_core.data.store import open_store
    from avmc_core.errors import InputError
    from avmc_core.metrics import format_metric
    from avmc_core.models.registry import entry
    from avmc_core.runs.declaration import PROFILE_CHANGES
    from avmc_core.runs.grid import checked_device, run_all
    from avmc_core.runs.scores import scores
    from avmc_core.simulated.corpus import ensure_corpus

    try:
        from avmc_core.analysis import choices
        from avmc_core.runs import tuning
    except ImportError as error:
        remedy = "the extra: pip install '.[tune]' in the checkout"
        raise InputError("avmc tune", str(error), remedy) from error
    try:
        space = {
            name: tuple(json.loads(values))
            for name, _, values in (pair.partition("=") for pair in over)
        }
    except (ValueError, TypeError) as error:
        raise click.UsageError(f"-o wants SETTING=[value, ...]: {error}") from error
    if empty := [name for name, values in space.items() if not values]:
        raise InputError(f"-o {empty[0]}", "no value", "at least one to draw")
    entry(model)
    trials, chosen_seeds = (
        trials or tuning.SIZE[profile][0],
        read_seeds(seeds) or tuning.SIZE[profile][1],
    )
    if score or both_ways:
        checked_device(None)
    space = space or tuning.SPACES.get(model, {})
    if not space:
        raise InputError(
            "avmc tune", f"no space for {model!r}", f"-o, or one of {', '.join(tuning.SPACES)}"
        )
    opened = open_store(store) if store else ensure_corpus("ci")
    plan = tuning.Search(
        model, tuple(space.items()), trials, chosen_seeds, PROFILE_CHANGES[profile]
    )
    result = tuning.search(plan, opened, progress_bar=sys.stderr.isatty())
    best = result.trials[result.chosen]
    click.echo(
        f"chosen: trial {result.chosen} of {trials}, validation MAE "
        f"{format_metric('MAE', best['validation'])}"
    )
    for name, value in best["changes"].items():
        click.echo(f"  {name} = {value}")
    if both_ways:
        records = run_all(tuning.runs_of_trials(result, opened, every=True), opened, jobs=jobs)
        click.echo(in_points(choices.both_ways(result, records, opened).T).T.to_string())
        click.echo(carried_out(records))
    if score:
        for run, record in run_all(
            tuning.runs_of_trials(result, opened), opened, jobs=jobs
        ).items():
            own = scores(record, opened).get("M", {}).items()
            words = ", ".join(f"{name} {format_metric(name, value, ALL)}" for name, value in own)
            click.echo(f"seed {run.seed}: {words or f'failed: {record.reason}'}")
