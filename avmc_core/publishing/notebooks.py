"""Execute the py:percent notebooks: only those that changed, to the same bytes every time, and
never a silent failure.

The ``.py`` file is the source. Its executed ``.ipynb``, and beside it a ``.json`` with the key of
everything that went into it, are made from it; the key decides whether it runs again.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path
from typing import Any

import click

from avmc_core import artefacts
from avmc_core.errors import InputError
from avmc_core.files.atomic import new_file
from avmc_core.home import home
from avmc_core.publishing.before import announce
from avmc_core.publishing.notebook_run import NotebookError, run_notebook
from avmc_core.publishing.notebook_source import (
    changed_parts,
    declared_parameters,
    notebook_key,
    notebook_parts,
    sha256,
)
from avmc_core.runs.workers import side_by_side
from avmc_core.settings import digest

# what reading a record or a notebook that is absent or damaged may raise
DAMAGED = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
# notebooks at a time; each computes its missing runs on all cores
JOBS = min(2, os.cpu_count() or 1)
# tqdm's bars carry timings; sets and dicts of strings iterate in the order of their hashes; the
# last digits of NumPy's products depend on the number of threads, which slow each other down, too
KERNEL_ENVIRONMENT = {
    "TQDM_DISABLE": "1",
    "PYTHONHASHSEED": "0",
    "OPENBLAS_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
}


@dataclass(frozen=True)
class Executed:
    """One executed notebook: ``path`` is the ``.ipynb``, ``results`` the artefacts that it wrote,
    ``seconds`` its wall time (0 when it was ``reused``)."""

    name: str
    path: Path
    results: tuple[str, ...]
    reused: bool
    seconds: float


def build_notebooks(
    folder: str | Path = "notebooks",
    out: str | Path = "_build/notebooks",
    *,
    profile: str | None = None,
    store: str | None = None,
    meta: str | None = None,
    seed: int | None = None,
    only: Iterable[str] = (),
    parameters: Mapping[str, Any] | None = None,
    jobs: int | None = None,
    done: Callable[[Executed], None] = lambda notebook: None,
    because: Callable[[str, str], None] | None = None,
) -> list[Executed]:
    """Bring the executed notebooks of ``folder`` (those named in ``only``, else all) up to date in
    ``out``.

    ``profile``, ``store``, ``meta`` and ``seed``, as far as given, go to the notebooks that declare
    them; ``parameters`` must be declared by each. ``jobs`` (default: ``JOBS``) are executed at a
    time, ``done`` is called with each; ``because`` is called with the name of each that will be
    executed, and why. Raises InputError for an unknown notebook or parameter, and for one in
    ``out`` that somebody else wrote; NotebookError for a failing cell, which ends the others too.
    """
    only = list(only)
    sources = {path.stem: path for path in sorted(Path(folder).glob("*.py"))}
    if not sources:
        expected = "the folder of the checkout's notebooks: call this there, or give --folder"
        raise InputError(folder, "no notebooks", expected)
    if unknown := [name for name in only if name not in sources]:
        raise InputError(folder, f"no notebook {unknown[0]!r}", f"one of {', '.join(sources)}")
    shared = {"profile": profile, "store": store, "meta": meta, "seed": seed}
    shared = {name: value for name, value in shared.items() if value is not None}
    calls = {}
    for name in only or sources:
        declared = declared_parameters(sources[name])
        fitting = {key: value for key, value in shared.items() if key in declared}
        calls[name] = sources[name], Path(out) / f"{name}.ipynb", fitting | dict(parameters or {})
        _check_replaceable(calls[name][1])
    for name, call in calls.items() if because else ():
        if reason := why(*call):
            because(name, reason)
    by_name = {}
    for executed in _each(calls, jobs or JOBS):
        by_name[executed.name] = executed
        done(executed)
    return [by_name[name] for name in calls]


def _check_replaceable(target: Path) -> None:
    """Raises InputError for a notebook that was not executed here, as the ids of its cells tell; a
    damaged file is not taken for one."""
    try:
        cells = json.loads(target.read_text(encoding="utf-8"))["cells"]
        foreign = [cell for cell in cells if not re.fullmatch(r"cell-\d{3,}", cell.get("id", ""))]
    except DAMAGED:
        return
    if foreign:
        raise InputError(
            target, "a notebook that was not executed here", "another folder for the executed ones"
        )


def _each(
    calls: Mapping[str, tuple[Path, Path, Mapping[str, Any]]], jobs: int
) -> Iterator[Executed]:
    """Those that are up to date, then the others as they are executed."""
    kept = {name: up_to_date(*call) for name, call in calls.items()}
    yield from filter(None, kept.values())
    stale = [calls[name] for name, executed in kept.items() if executed is None]
    copied = len(stale) > jobs  # so that a process executes several
    stale = [(*call, copied) for call in stale]
    try:
        yield from (
            side_by_side(execute, stale, jobs)
            if min(jobs, len(stale)) > 1
            else starmap(execute, stale)
        )
    except ChildProcessError as error:
        raise NotebookError(str(error)) from error


def up_to_date(source: Path, target: Path, parameters: Mapping[str, Any]) -> Executed | None:
    """The executed notebook if nothing that it depends on has changed since it ran, and all that it
    wrote is as it left it."""
    declared = declared_parameters(source)
    if unknown := sorted(set(parameters) - set(declared)):
        raise InputError(
            source, f"unknown parameter {unknown[0]!r}", f"one of {', '.join(declared)}"
        )
    results = _results(target.with_suffix(".json"), notebook_key(source, parameters))
    return None if results is None else Executed(source.stem, target, results, True, 0.0)


def why(source: Path, target: Path, parameters: Mapping[str, Any]) -> str:
    """Why a notebook would be executed, in one sentence; "" where it is up to date."""
    if up_to_date(source, target, parameters) is not None:
        return ""
    try:
        record = json.loads(target.with_suffix(".json").read_text(encoding="utf-8"))
        changed = changed_parts(record["parts"], notebook_parts(source, parameters))
        gone = [
            Path(path).name for path, sha in record["files"].items() if sha256(Path(path)) != sha
        ]
    except DAMAGED:
        return "it has not been executed yet, or its record cannot be read"
    changed += [f"output {name}" for name in gone]
    more = f" and {len(changed) - 8} more" if len(changed) > 8 else ""
    return f"changed since: {', '.join(changed[:8])}{more}"


def execute(
    source: Path, target: Path, parameters: Mapping[str, Any], copied: bool = False
) -> Executed:
    """Run one notebook into ``target`` (.ipynb); ``copied`` as for ``run_notebook``."""
    parts = notebook_parts(source, parameters)
    start, log = time.perf_counter(), target.with_suffix(".saved").absolute()
    log.unlink(missing_ok=True)
    drawn_by = f"avmc notebooks {source.stem}"
    if profile := parameters.get("profile"):
        drawn_by += f" --profile {profile}"
    known = {artefacts.LOG: str(log), artefacts.DRAWN_BY: drawn_by}
    with _environment({**KERNEL_ENVIRONMENT, **known}):
        notebook = run_notebook(source, target, parameters, copied)
    target.with_suffix(".failed.ipynb").unlink(missing_ok=True)
    with new_file(target) as temporary:
        temporary.write_text(notebook, encoding="utf-8")
    results = sorted(set(log.read_text(encoding="utf-8").split())) if log.is_file() else []
    log.unlink(missing_ok=True)
    files = [target, *(home() / "results" / f"{name}.json" for name in results)]
    record = {
        "key": digest(parts),
        "parts": parts,
        "results": results,
        "files": {str(path): sha256(path) for path in files},
    }
    with new_file(target.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(record, indent=1), encoding="utf-8")
    return Executed(source.stem, target, tuple(results), False, time.perf_counter() - start)


def _results(record: Path, key: str) -> tuple[str, ...] | None:
    """The results of a notebook that ran with this key, if all it wrote is as it left it; a damaged
    record counts as none."""
    try:
        saved = json.loads(record.read_text(encoding="utf-8"))
        same = saved["key"] == key and all(
            sha256(Path(path)) == sha for path, sha in saved["files"].items()
        )
        return tuple(saved["results"]) if same else None
    except DAMAGED:
        return None


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def notebook_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command line's options for ``build_notebooks``."""
    for option in reversed(
        [
            click.option(
                "--folder",
                default="notebooks",
                show_default=True,
                help="Where the py:percent notebooks are.",
            ),
            click.option(
                "--profile",
                envvar="AVMC_PROFILE",
                default="ci",
                show_default=True,
                type=click.Choice(["ci", "full"]),
                help="ci: few epochs, for the simulated corpus; full: the published settings.",
            ),
            click.option(
                "--store", envvar="AVMC_STORE", help="An imported store of the real features."
            ),
            click.option("--meta", envvar="AVMC_META", help="The real label table, meta.csv."),
            click.option(
                "--seed", type=click.IntRange(0), help="A seed in place of the notebooks' own."
            ),
            click.option(
                "--jobs",
                type=click.IntRange(1),
                default=JOBS,
                show_default=True,
                help="Notebooks executed at a time.",
            ),
        ]
    ):
        command = option(command)
    return command


def report(notebook: Executed) -> None:
    """What became of a notebook, in one line for the terminal."""
    how = "unchanged" if notebook.reused else f"executed in {notebook.seconds:.1f} s"
    click.echo(f"{notebook.name}: {how}")


@click.command()
@click.argument("names", nargs=-1)
@click.option(
    "--out", default="_build/notebooks", show_default=True, help="Where the executed ones go."
)
@click.option(
    "-p",
    "--parameter",
    "pairs",
    multiple=True,
    metavar="NAME=JSON",
    help="Any other declared parameter.",
)
@click.option(
    "--why",
    "explained",
    is_flag=True,
    help="Say of each notebook that is executed what has changed.",
)
@notebook_options
def main(names: tuple[str, ...], pairs: tuple[str, ...], explained: bool, **options: Any) -> None:
    """Execute the notebooks (all, or NAMES) that changed."""
    try:
        parameters = {
            name: json.loads(value) for name, _, value in (pair.partition("=") for pair in pairs)
        }
        if options["store"]:
            paths = sorted(Path(options["folder"]).glob("*.py"))
            chosen = [path for path in paths if not names or path.stem in names]
            for line in announce(options["store"], options["profile"], chosen):
                click.echo(line)
        because = (lambda name, reason: click.echo(f"{name}: {reason}")) if explained else None
        build_notebooks(only=names, parameters=parameters, done=report, because=because, **options)
    except json.JSONDecodeError as error:
        raise click.UsageError(f"-p wants NAME=JSON: {error}") from error
    except (InputError, NotebookError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2 if isinstance(error, InputError) else 1)


if __name__ == "__main__":
    main()
