"""Options that several commands share, each written once."""

from __future__ import annotations

import click

from avmc_core.errors import InputError

profile_option = click.option(
    "--profile",
    envvar="AVMC_PROFILE",
    default="ci",
    show_default=True,
    type=click.Choice(["ci", "full"]),
    help="ci: few epochs, for the simulated corpus; full: the published settings.",
)
store_option = click.option(
    "--store",
    envvar="AVMC_STORE",
    default="",
    help="An imported store; default: the simulated corpus.",
)
trained_on_option = click.option(
    "--store",
    envvar="AVMC_STORE",
    default="",
    help="What the run was trained on; default: the simulated corpus.",
)
device_option = click.option("--device", help="Where the runs were computed; as in avmc run.")
seeds_option = click.option(
    "--seeds", default="", help="Seeds, comma-separated; default: the experiment's own."
)
rows_option = click.option(
    "--row",
    "rows",
    multiple=True,
    help="Only this row of the experiment; may be repeated; default: all.",
)
init_option = click.option(
    "--init",
    default="",
    type=click.Path(),
    help="The runs of this model package's model, started from its weights.",
)
split_option = click.option(
    "--split",
    default="test",
    show_default=True,
    type=click.Choice(["train", "valid", "test"]),
    help="The clips that the scores are about.",
)


def format_option(*others: str):
    """``--format``, read as ``form``: a table, or one of the ``others``."""
    forms = click.Choice(["table", *others])
    return click.option(
        "--format",
        "form",
        default="table",
        show_default=True,
        type=forms,
        help=f"A table to read, or {' or '.join(others)} for other programs.",
    )


def read_seeds(text: str) -> tuple[int, ...]:
    """Seeds as the command line gives them. Raises InputError for what NumPy and PyTorch do not
    take."""
    seeds = [seed.strip() for seed in text.split(",") if seed.strip()]
    if not all(
        seed.isascii() and seed.isdigit() and len(seed) <= 10 and int(seed) < 2**32
        for seed in seeds
    ):
        raise InputError("--seeds", repr(text), "whole numbers from 0, separated by commas")
    return tuple(dict.fromkeys(int(seed) for seed in seeds))
