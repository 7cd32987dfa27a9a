"""``avmc export``: writes a run as a model package."""

from __future__ import annotations

import click

from avmc_core.commands.options import trained_on_option


@click.command("export")
@click.argument("run")
@click.argument("file", required=False, type=click.Path())
@trained_on_option
@click.option("--card", is_flag=True, help="Also print the model card.")
def main(run: str, file: str | None, store: str, card: bool) -> None:
    """Write the networks of RUN (its key, see avmc status) and of its other seeds to one FILE that
    avmc predict reads."""
    from avmc_core.commands.predict import ensemble
    from avmc_core.runs.exporting import model_card, write_package
    from avmc_core.runs.packages import SUFFIX

    package = ensemble(run, store)
    path = write_package(package, file or f"{package.facts['model']}-{run[:12]}{SUFFIX}")
    if card:
        click.echo(model_card(package))
    seeds = package.facts["seeds"]
    listed = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
    click.echo(f"{path}: {package.facts['model']}, {listed}")
