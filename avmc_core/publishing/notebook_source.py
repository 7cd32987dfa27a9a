"""A notebook before it runs: its cells, its parameters, and the key of everything that its
execution depends on."""

from __future__ import annotations

import ast
import hashlib
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from avmc_core.codehash import ROOT, closure, modules_of
from avmc_core.errors import InputError
from avmc_core.models import registry
from avmc_core.settings import digest
from avmc_core.speed import gpu_record

# they reach a notebook as parameters that it declares
AS_PARAMETERS = ("AVMC_META", "AVMC_STORE", "AVMC_PROFILE")
RUNNER = (
    "notebooks.py",
    "notebook_source.py",
    "notebook_run.py",
    "notebook_kernel.py",
    "kernel_template.py",
)


def read_notebook(source: Path) -> Any:
    """A py:percent file as a notebook, with nothing in its metadata but the kernel's name."""
    import jupytext

    notebook = jupytext.read(source, fmt="py:percent")
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
    }
    return notebook


def declared_parameters(source: Path) -> list[str]:
    """Names assigned in the one cell tagged ``parameters``. Raises InputError unless there is
    exactly one such cell."""
    cells = [
        cell
        for cell in read_notebook(source).cells
        if "parameters" in cell.metadata.get("tags", [])
    ]
    if len(cells) != 1:
        raise InputError(source, f"{len(cells)} cells tagged 'parameters'", "exactly one")
    targets = []
    for statement in ast.parse(cells[0].source).body:
        targets += getattr(statement, "targets", [getattr(statement, "target", None)])
    return [target.id for target in targets if isinstance(target, ast.Name)]


def notebook_key(source: Path, parameters: Mapping[str, Any]) -> str:
    """Digest of all that an executed notebook depends on (``notebook_parts``)."""
    return digest(notebook_parts(source, parameters))


def notebook_parts(source: Path, parameters: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """All that an executed notebook depends on: its source, the modules of ours that it reaches,
    package data, pinned packages, parameters, the content (not the place) of its data, and this
    machine's benchmark of a GPU where it shows that. Raises InputError for source that is not
    Python."""
    settings = {
        name: value
        for name, value in sorted(os.environ.items())
        if name.startswith("AVMC_") and value
    }
    settings = {
        name: value for name, value in settings.items() if name not in AS_PARAMETERS
    } | dict(parameters)
    if settings.get("meta"):
        settings["meta"] = _table_digest(Path(settings["meta"]))
    if settings.get("store"):
        settings["store"] = _store_digest(settings["store"])
    resources = [
        path for path in sorted((ROOT / "avmc_core" / "resources").iterdir()) if path.is_file()
    ]
    runner = [Path(__file__).with_name(name) for name in RUNNER]
    files = [source, *runner, *resources, ROOT / "requirements.lock"]
    read = {path.name: sha256(path) for path in files}
    code = "\n".join(
        cell.source for cell in read_notebook(source).cells if cell.cell_type == "code"
    )
    if "gpu_record" in code and (own := gpu_record.own()).is_file():
        read[f"results/{own.name}"] = sha256(own)
    try:
        modules = reached_modules(code)
    except SyntaxError as error:
        raise InputError(source, _syntax(source, error), "Python that can be compiled") from None
    return {
        "setting": settings,
        "file": read,
        "module": modules,
        # torch alone is not in the lock
        "version": {"Python": platform.python_version(), "torch": version("torch")},
    }


def changed_parts(
    before: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """What differs between two ``notebook_parts``: "module avmc_core.metrics", "setting meta",
    ..."""
    return [
        f"{kind} {name}"
        for kind in now
        for name in sorted({*before.get(kind, {}), *now[kind]})
        if before.get(kind, {}).get(name) != now[kind].get(name)
    ]


def _syntax(source: Path, error: SyntaxError) -> str:
    """Where and what: the line of the file, not of the cells strung together."""
    wrong = (error.text or "").strip()
    lines = source.read_text(encoding="utf-8").splitlines()
    at = next(
        (number for number, line in enumerate(lines, 1) if wrong and line.strip() == wrong), None
    )
    where = f"line {at}" if at else "a cell"
    return f"{error.msg} in {where}: {wrong}"


def reached_modules(code: str) -> dict[str, str]:
    """Source digests of the modules that ``code`` reaches. The registry imports models by name: it
    reaches them all."""
    modules = modules_of(code)
    if registry.__name__ in closure(modules):
        modules += [entry.module for entry in registry.MODELS.values()]
    return closure(modules)


def sha256(path: Path) -> str | None:
    """The SHA-256 (hex) of a file's content; None where there is no file."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _table_digest(path: Path) -> str:
    if (digest_of_table := sha256(path)) is None:
        raise InputError(path, "no such file", "the real label table (meta.csv)")
    return digest_of_table


def _store_digest(path: str) -> str:
    from avmc_core.data.store import open_store

    return open_store(path).digest
