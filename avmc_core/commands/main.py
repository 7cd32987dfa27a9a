"""The command line: ``avmc data``, ``run``, ``status``, ``results``, ``notebooks``, ``book``.

Heavy modules are imported by the command that needs them, so that help and data commands start at
once.
"""

from __future__ import annotations

import sys
from importlib import import_module

import click

from avmc_core import __version__
from avmc_core.errors import InputError, RunsLost
from avmc_core.runs.stopping import ended_at_once, heard

LAZY = {  # command to the module and function that carry it out
    "demo": "avmc_core.commands.demo:main",
    "run": "avmc_core.commands.run:run",
    "status": "avmc_core.commands.status:status",
    "clean": "avmc_core.commands.status:clean",
    "device": "avmc_core.commands.device:main",
    "compare": "avmc_core.commands.compare:main",
    "results": "avmc_core.commands.run:results",
    "data": "avmc_core.commands.data:main",
    "bench": "avmc_core.speed.bench:main",
    "bench-check": "avmc_core.speed.bench_check:main",
    "notebooks": "avmc_core.publishing.notebooks:main",  # needs the extra "book", as the next
    "book": "avmc_core.publishing.book:main",
    "bundle": "avmc_core.publishing.bundle:main",
    "extract": "avmc_core.commands.extract:main",  # needs the extra "extract", as predict
    "predict": "avmc_core.commands.predict:main",
    "export": "avmc_core.commands.export:main",
    "score": "avmc_core.commands.score:main",
    "tune": "avmc_core.commands.tune:main",  # needs the extra "tune"
}


class Commands(click.Group):
    """Bad input ends in its one sentence and exit status 2, lost runs in exit status 1; some
    commands are imported only when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *LAZY])

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in LAZY:
            return super().get_command(ctx, name)
        module, _, function = LAZY[name].partition(":")
        with ended_at_once():
            return getattr(import_module(module), function)

    def invoke(self, ctx: click.Context):
        for stream in (sys.stdout, sys.stderr):
            # a character that the terminal has not, or a name in other bytes
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        try:
            with heard():
                return super().invoke(ctx)
        except InputError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(2)
        except KeyboardInterrupt:
            click.echo(
                "stopped; what is finished is kept, and the same command goes on where this "
                "one was",
                err=True,
            )
            sys.exit(130)
        except RunsLost as error:
            click.echo(f"error: {error}\nThe same command goes on where this one was.", err=True)
            sys.exit(1)
        except OSError as error:
            place = error.filename2 or error.filename
            if place is None:  # not about a place: a closed pipe, which click knows
                raise
            click.echo(
                f"error: {place}: {error.strerror}; expected a place that this command can use",
                err=True,
            )
            sys.exit(2)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """The companion to CH-SIMS v2.0 and AV-MC (Liu et al., ICMI 2022).

    Start with `avmc demo`: a first result within two minutes.
    """
