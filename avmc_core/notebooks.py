"""Execute the py:percent notebooks: only what changed, to the same bytes every time, and never a silent failure.

The ``.py`` file is the truth. Its executed ``.ipynb``, and beside it a ``.json`` with the key of everything that went
into it, are made from it; the key decides whether it runs again.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from avmc_core import artefacts, registry
from avmc_core.atomic import new_file
from avmc_core.codehash import ROOT, closure, modules_of
from avmc_core.errors import InputError
from avmc_core.home import home
from avmc_core.settings import digest

# tqdm's bars carry timings; sets and dicts of strings iterate in the order of their hashes
KERNEL_ENVIRONMENT = {"TQDM_DISABLE": "1", "PYTHONHASHSEED": "0"}


class NotebookError(RuntimeError):
    """A cell failed; says where in one line. The notebook up to that cell is kept as ``<name>.failed.ipynb``."""


@dataclass(frozen=True)
class Executed:
    """One executed notebook: ``path`` is the ``.ipynb``, ``results`` the artefacts that it wrote, ``seconds`` its wall
    time (0 when it was ``reused``)."""

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
) -> list[Executed]:
    """Bring the executed notebooks of ``folder`` (those named in ``only``, else all) up to date in ``out``.

    ``profile``, ``store``, ``meta`` and ``seed``, as far as given, go to the notebooks that declare them; ``parameters``
    must be declared by each. Raises InputError for an unknown notebook or parameter, NotebookError for a failing cell.
    """
    only = list(only)
    sources = {path.stem: path for path in sorted(Path(folder).glob("*.py"))}
    if unknown := [name for name in only or ["any"] if name not in sources and (only or not sources)]:
        raise InputError(folder, f"no notebook {unknown[0]!r}", f"one of {', '.join(sources) or 'its .py files'}")
    shared = {"profile": profile, "store": store, "meta": meta, "seed": seed}
    shared = {name: value for name, value in shared.items() if value is not None}
    done = []
    for name in only or sources:
        declared = declared_parameters(sources[name])
        fitting = {key: value for key, value in shared.items() if key in declared}
        done.append(execute(sources[name], Path(out) / f"{name}.ipynb", fitting | dict(parameters or {})))
    return done


def declared_parameters(source: Path) -> list[str]:
    """Names assigned in the one cell tagged ``parameters``. Raises InputError unless there is exactly one such cell."""
    cells = [cell for cell in _read(source).cells if "parameters" in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        raise InputError(source, f"{len(cells)} cells tagged 'parameters'", "exactly one")
    targets = []
    for statement in ast.parse(cells[0].source).body:
        targets += getattr(statement, "targets", [getattr(statement, "target", None)])
    return [target.id for target in targets if isinstance(target, ast.Name)]


def execute(source: Path, target: Path, parameters: Mapping[str, Any]) -> Executed:
    """Run one notebook into ``target`` (.ipynb), unless nothing that it depends on has changed since it last ran."""
    declared = declared_parameters(source)
    if unknown := sorted(set(parameters) - set(declared)):
        raise InputError(source, f"unknown parameter {unknown[0]!r}", f"one of {', '.join(declared)}")
    key = notebook_key(source, parameters)
    record_path = target.with_suffix(".json")
    if (results := _up_to_date(record_path, key)) is not None:
        return Executed(source.stem, target, results, True, 0.0)

    start, log = time.perf_counter(), target.with_suffix(".saved").absolute()
    log.unlink(missing_ok=True)
    with _environment({**KERNEL_ENVIRONMENT, artefacts.LOG: str(log)}):
        notebook = _run(source, target, parameters)
    target.with_suffix(".failed.ipynb").unlink(missing_ok=True)
    with new_file(target) as temporary:
        temporary.write_text(notebook, encoding="utf-8")
    results = sorted(set(log.read_text(encoding="utf-8").split())) if log.is_file() else []
    log.unlink(missing_ok=True)
    files = [target, *(home() / "results" / f"{name}.json" for name in results)]
    record = {"key": key, "results": results, "files": {str(path): _sha256(path) for path in files}}
    with new_file(record_path) as temporary:
        temporary.write_text(json.dumps(record, indent=1), encoding="utf-8")
    return Executed(source.stem, target, tuple(results), False, time.perf_counter() - start)


def _up_to_date(record: Path, key: str) -> tuple[str, ...] | None:
    """The results of a notebook that ran with this key, if all it wrote is as it left it; a damaged record counts as none."""
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
        same = found["key"] == key and all(_sha256(Path(path)) == sha for path, sha in found["files"].items())
        return tuple(found["results"]) if same else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def notebook_key(source: Path, parameters: Mapping[str, Any]) -> str:
    """Digest of all that an executed notebook depends on: its source, the modules of ours that it reaches, package data,
    pinned packages, parameters, and the content (not the place) of its data."""
    settings = {name: value for name, value in sorted(os.environ.items()) if name.startswith("AVMC_") and value}
    settings = {**settings, **parameters}
    for name in ("AVMC_META", "meta"):
        if settings.get(name):
            settings[name] = _sha256(Path(settings[name]), required=True)
    for name in ("AVMC_STORE", "store"):
        if settings.get(name):
            settings[name] = _store_digest(settings[name])
    resources = [path for path in sorted((ROOT / "avmc_core" / "resources").iterdir()) if path.is_file()]
    files = [source, Path(__file__), *resources, ROOT / "requirements.lock"]
    code = "\n".join(cell.source for cell in _read(source).cells if cell.cell_type == "code")
    return digest(
        {
            "settings": settings,
            "files": {path.name: _sha256(path) for path in files},
            "modules": _modules(code),
            "python": platform.python_version(),
            "torch": version("torch"),  # the one package that is not in the lock
        }
    )


def _modules(code: str) -> dict[str, str]:
    """Source digests of the modules that ``code`` reaches. The registry imports models by name: it reaches them all."""
    modules = modules_of(code)
    if registry.__name__ in closure(modules):
        modules += [entry.module for entry in registry.MODELS.values()]
    return closure(modules)


def _run(source: Path, target: Path, parameters: Mapping[str, Any]) -> str:
    import nbformat
    import papermill
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    partial = target.with_suffix(".failed.ipynb")
    partial.parent.mkdir(parents=True, exist_ok=True)
    config = Config({"KernelManager": {"transport": "ipc"}})  # no TCP port, and no warning about one
    try:
        notebook = papermill.execute_notebook(
            _read(source), partial, dict(parameters), kernel_name="python3", progress_bar=False, config=config
        )
    except PapermillExecutionError as error:
        reason = f"{error.ename}: {error.evalue}".splitlines()[0]
        raise NotebookError(f"{source}: In [{error.exec_count}] failed: {reason} (kept {partial})") from error
    except Exception as error:  # a kernel that does not start, or dies: whatever the reason, no page may be built
        raise NotebookError(f"{source}: {type(error).__name__}: {error} (kept {partial})".replace("\n", " ")) from error
    return nbformat.writes(_normalised(notebook, parameters))


def _normalised(notebook: Any, parameters: Mapping[str, Any]) -> Any:
    """The notebook without what differs from run to run (ids, times, how output was chunked) or between machines."""
    from nbconvert.preprocessors import CoalesceStreamsPreprocessor

    notebook, _ = CoalesceStreamsPreprocessor().preprocess(notebook, {})
    notebook.cells = [cell for cell in notebook.cells if not _repeats(cell, notebook)]
    for i, cell in enumerate(notebook.cells):
        cell.id = f"cell-{i:03d}"
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            for path in (Path(parameters.get(name) or ".") for name in ("store", "meta")):
                cell.source = cell.source.replace(str(path), path.name) if path.is_absolute() else cell.source
    notebook.metadata.pop("papermill", None)
    return notebook


def _repeats(cell: Any, notebook: Any) -> bool:
    """Whether an injected cell says only what the notebook's own parameters cell says."""
    if "injected-parameters" not in cell.metadata.get("tags", []):
        return False
    own = next(other for other in notebook.cells if "parameters" in other.metadata.get("tags", []))
    return _assigned(cell).items() <= _assigned(own).items()


def _assigned(cell: Any) -> dict[str, str]:
    """Name to value, as source text, of a cell's assignments."""
    return {
        ast.unparse(target): ast.unparse(statement.value)
        for statement in ast.parse(cell.source).body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
    }


def _read(source: Path) -> Any:
    import jupytext

    notebook = jupytext.read(source, fmt="py:percent")
    notebook.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return notebook


def _sha256(path: Path, required: bool = False) -> str | None:
    if not path.is_file():
        if required:
            raise InputError(path, "no such file", "the real label table (meta.csv)")
        return None
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _store_digest(path: str) -> str:
    from avmc_core.store import open_store

    return open_store(path).digest


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
                "--folder", default="notebooks", show_default=True, help="Where the py:percent notebooks are."
            ),
            click.option("--profile", envvar="AVMC_PROFILE", default="ci", show_default=True, help="ci or full."),
            click.option("--store", envvar="AVMC_STORE", help="An imported store of the real features."),
            click.option("--meta", envvar="AVMC_META", help="The real label table, meta.csv."),
            click.option("--seed", type=int, help="Instead of the notebooks' own."),
        ]
    ):
        command = option(command)
    return command


def report(notebook: Executed) -> str:
    """One line for the terminal."""
    return f"{notebook.name}: " + ("unchanged" if notebook.reused else f"executed in {notebook.seconds:.1f} s")


@click.command()
@click.argument("names", nargs=-1)
@click.option("--out", default="_build/notebooks", show_default=True, help="Where the executed ones go.")
@click.option("-p", "--parameter", "pairs", multiple=True, metavar="NAME=JSON", help="Any other declared parameter.")
@notebook_options
def main(names: tuple[str, ...], pairs: tuple[str, ...], **options: Any) -> None:
    """Execute the notebooks (all, or NAMES) that changed."""
    try:
        parameters = {name: json.loads(value) for name, _, value in (pair.partition("=") for pair in pairs)}
        for notebook in build_notebooks(only=names, parameters=parameters, **options):
            click.echo(report(notebook))
    except json.JSONDecodeError as error:
        raise click.UsageError(f"-p wants NAME=JSON: {error}") from error
    except (InputError, NotebookError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2 if isinstance(error, InputError) else 1)


if __name__ == "__main__":
    main()
