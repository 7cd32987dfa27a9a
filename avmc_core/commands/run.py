"""``avmc run`` and ``avmc results``: compute the runs of an experiment, and show their metrics."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from avmc_core.commands.options import (
    device_option,
    format_option,
    init_option,
    profile_option,
    read_seeds,
    rows_option,
    seeds_option,
    split_option,
    store_option,
)
from avmc_core.errors import InputError, counted
from avmc_core.runs.stopping import ended_at_once


def plan(
    experiment: str,
    profile: str,
    seeds: str,
    store: str,
    init: str = "",
    rows: tuple[str, ...] = (),
):
    """The runs and the store that the options of ``run`` and ``results`` select; reports the rows
    that cannot run on the store. ``rows`` are the names of the rows wanted; if empty, all rows.
    Raises InputError for a row that the experiment does not have, for a wanted one that cannot run
    on the store, and if none can."""
    from avmc_core.data.store import open_store
    from avmc_core.runs.declaration import NO_ENCODER
    from avmc_core.runs.experiments import experiment as declared
    from avmc_core.simulated.corpus import ensure_corpus

    chosen, wanted = read_seeds(seeds), declared(experiment)
    names = [row.name for row in wanted.rows]
    for row in rows:
        if row not in names:
            expected = f"one of {', '.join(names)}"
            raise InputError(f"experiment {experiment}", f"no row {row!r}", expected)
    opened = open_store(store) if store else ensure_corpus(wanted.corpora[0])
    asked = set(rows or names)
    grid = [run for run in wanted.runs(profile, chosen or None, opened) if run.name in asked]
    lost = {row: why for row, why in wanted.left_out(opened, profile).items() if row in asked}
    if not grid or (rows and lost):
        reasons = "; ".join(f"{row}: {why}" for row, why in lost.items())
        raise InputError(opened.path, reasons, f"what a row of {experiment} needs")
    for row, lacking in lost.items():
        where = "" if lacking.startswith(NO_ENCODER) else f" in {opened.path}"
        click.echo(f"left out: {row}: {lacking}{where}", err=True)
    return (_started_from(init, grid, opened) if init else grid), opened


def _started_from(package: str, grid: list, store) -> list:
    """The runs that can start from the weights of a package. Raises InputError when there are
    none."""
    from dataclasses import replace

    from avmc_core.runs.warm_start import check_warm_start, model_of

    model, path = model_of(package), Path(package).resolve()
    named = [replace(run, init=str(path), label=f"{run.name} from {path.name}") for run in grid]
    chosen = [run for run in named if run.model == model]
    if not chosen:
        raise InputError(
            package, f"a model package of {model}", "one of a model that the experiment trains"
        )
    fitting, reasons = [], []
    for run in chosen:  # AV-MC as printed and as released are two networks under one name
        try:
            check_warm_start(run, store)
            fitting.append(run)
        except InputError as error:
            reasons.append(error)
    if not fitting:
        raise reasons[0]
    return fitting


@click.command("run")
@click.argument("experiment")
@profile_option
@store_option
@seeds_option
@rows_option
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Processes; default: the number of cores, and 1 in a job of a cluster.",
)
@click.option("--device", help="cpu or cuda; default: $AVMC_DEVICE, or a GPU where there is one.")
@click.option("--dry-run", is_flag=True, help="Say what would be computed.")
@init_option
@click.option(
    "--cluster", type=click.Choice(["slurm"]), help="Compute in jobs of a cluster, not here."
)
@click.option(
    "--block",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="Runs per job, which differ only in their seed.",
)
@click.option(
    "--minutes",
    default=60,
    show_default=True,
    type=click.IntRange(1),
    help="Time limit of a job, which then goes on in another.",
)
@click.option("--gpus", default=0, show_default=True, type=click.IntRange(0), help="GPUs of a job.")
@click.option(
    "--sbatch",
    multiple=True,
    metavar="NAME=VALUE",
    help="Further options of sbatch; may be repeated.",
)
@click.pass_context
def run(
    context: click.Context,
    experiment: str,
    profile: str,
    store: str,
    seeds: str,
    rows: tuple[str, ...],
    jobs: int | None,
    device: str | None,
    dry_run: bool,
    init: str,
    cluster: str | None,
    **job: Any,
) -> None:
    """Compute the runs of EXPERIMENT that are missing. Interrupted runs are continued. An unknown
    name lists the known ones.

    With --dry-run nothing is computed: it says how many runs there are, and after earlier runs like
    them how long they take and how much memory.
    """
    with ended_at_once():  # PyTorch's own code aborts at an interrupt while it is loaded
        from avmc_core.analysis.results import estimate
        from avmc_core.runs.grid import check_grid, checked_device, run_all, run_store

    executor = None
    if cluster:
        from avmc_core.runs.slurm import Slurm

        executor, device = (
            Slurm(jobs=jobs or 1, **job),
            device or ("cuda" if job["gpus"] else "cpu"),
        )
        if device == "cuda" and not job["gpus"]:
            raise InputError("--device", "cuda for jobs without a GPU", "--gpus 1, or more")
    elif given := [
        f"--{name}"
        for name in job
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]:
        raise InputError(
            given[0],
            "given without --cluster",
            "--cluster slurm beside it: it is about the jobs of a cluster",
        )
    device = checked_device(device, here=not cluster)
    grid, opened = plan(experiment, profile, seeds, store, init, rows)
    runs = run_store()
    if dry_run:
        check_grid(grid, opened)
        click.echo(estimate(grid, opened, runs, device, jobs))
        return
    records = run_all(grid, opened, runs, jobs=jobs, device=device, executor=executor)
    failed = [
        f"{run.name}, seed {run.seed}: {r.reason}"
        for run, r in records.items()
        if r.status != "done"
    ]
    click.echo(f"{counted(len(records), 'run')} in {runs.root}, {len(failed)} failed")
    for line in failed:
        click.echo(f"failed: {line}")
    sys.exit(1 if failed else 0)


@click.command("results")
@click.argument("experiment")
@profile_option
@store_option
@seeds_option
@rows_option
@init_option
@split_option
@click.option(
    "--task",
    default="M",
    show_default=True,
    type=click.Choice(["M", "T", "A", "V"]),
    help="The annotation that is scored: multimodal, or of the text, the sound or the picture.",
)
@format_option("csv", "json")
@device_option
def results(
    experiment: str,
    profile: str,
    store: str,
    seeds: str,
    rows: tuple[str, ...],
    init: str,
    split: str,
    task: str,
    form: str,
    device: str | None,
) -> None:
    """Metrics of EXPERIMENT from the run records: one row per finished run, and which runs are
    missing.

    The table shows accuracies, F1, Corr and R2 as the paper does, in points of 100, and MAE in
    label units; csv and json hold the same numbers unrounded as shares of 1, 0.795 for 79.50.
    """
    with ended_at_once():
        from avmc_core.analysis.results import as_text, per_run
        from avmc_core.artefacts import facts
        from avmc_core.runs.grid import checked_device, run_store

    device = checked_device(device, here=False)
    grid, opened = plan(experiment, profile, seeds, store, init, rows)
    table = per_run(grid, opened, run_store(), split, task, device)
    if form == "table":
        click.echo(f"data: {table.attrs['mark']}, split {split}, task {task}")
        click.echo(as_text(table))
        click.echo(*facts({"runs": len(table), "failed": int((table["status"] != "done").sum())}))
    else:
        click.echo(
            table.to_csv(index=False)
            if form == "csv"
            else table.to_json(orient="records", indent=1)
        )
    if missing := table.attrs["missing"]:
        shown = "; ".join(missing[:5]) + ("; ..." if len(missing) > 5 else "")
        click.echo(
            f"missing: {len(missing)} of {counted(len(missing) + len(table), 'run')}: {shown}",
            err=True,
        )
