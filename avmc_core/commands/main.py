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

# command to the module and function that carry it out, and what it does
LAZY = {
    "demo": ("commands.demo:main", "Train four small networks, and show a first result."),
    "run": ("commands.run:run", "Compute the runs of an experiment that are missing."),
    "status": ("commands.status:status", "List the finished runs and what uses them."),
    "clean": ("commands.status:clean", "List what nothing uses any more, or remove it."),
    "device": ("commands.device:main", "Report where runs are computed on this machine."),
    "compare": ("commands.compare:main", "Compare two rows of an experiment on the same clips."),
    "results": ("commands.run:results", "Show the metrics of an experiment's finished runs."),
    "data": ("commands.data:main", "Import, export, check, audit or simulate data."),
    "bench": ("speed.bench:main", "Measure how fast this machine trains and reads."),
    "bench-check": ("speed.bench_check:main", "Measure again, and compare with the record."),
    # needs the extra "book", as the next
    "notebooks": ("publishing.notebooks:main", "Execute the notebooks that changed."),
    "book": ("publishing.book:main", "Execute the notebooks that changed, and build the book."),
    "bundle": ("publishing.bundle:main", "Write all results into a folder, to hand on."),
    # needs the extra "extract", as predict
    "extract": ("commands.extract:main", "Extract the features of clips into a store."),
    "predict": ("commands.predict:main", "Predict the sentiment of one clip."),
    "export": ("commands.export:main", "Write a run and its other seeds to one file."),
    "score": ("commands.score:main", "Score a file of predictions, from whatever model."),
    # needs the extra "tune"
    "tune": ("commands.tune:main", "Search settings of a model on the validation split."),
}


class Commands(click.Group):
    """Bad input ends in its one sentence and exit status 2, lost runs in exit status 1; some
    commands are imported only when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *LAZY])

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in LAZY:
            return super().get_command(ctx, name)
        place, summary = LAZY[name]
        module, _, function = place.partition(":")
        with ended_at_once():
            command = getattr(import_module(f"avmc_core.{module}"), function)
        command.short_help = summary
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, LAZY[name][1]) for name in self.list_commands(ctx)])

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
