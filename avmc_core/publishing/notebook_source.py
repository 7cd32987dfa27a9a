"""A notebook before it runs: its cells, its parameters, and the key of everything that its execution depends on."""

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

RUNNER = ("notebooks.py", "notebook_source.py")


def read_notebook(source: Path) -> Any:
    """A py:percent file as a notebook, with nothing in its metadata but the kernel's name."""
    import jupytext

    notebook = jupytext.read(source, fmt="py:percent")
    notebook.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return notebook


def declared_parameters(source: Path) -> list[str]:
    """Names assigned in the one cell tagged ``parameters``. Raises InputError unless there is exactly one such cell."""
    cells = [cell for cell in read_notebook(source).cells if "parameters" in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        raise InputError(source, f"{len(cells)} cells tagged 'parameters'", "exactly one")
    targets = []
    for statement in ast.parse(cells[0].source).body:
        targets += getattr(statement, "targets", [getattr(statement, "target", None)])
    return [target.id for target in targets if isinstance(target, ast.Name)]


def notebook_key(source: Path, parameters: Mapping[str, Any]) -> str:
    """Digest of all that an executed notebook depends on: its source, the modules of ours that it reaches, package data,
    pinned packages, parameters, and the content (not the place) of its data."""
    settings = {name: value for name, value in sorted(os.environ.items()) if name.startswith("AVMC_") and value}
    settings = {**settings, **parameters}
    for name in ("AVMC_META", "meta"):
        if settings.get(name):
            settings[name] = _table_digest(Path(settings[name]))
    for name in ("AVMC_STORE", "store"):
        if settings.get(name):
            settings[name] = _store_digest(settings[name])
    resources = [path for path in sorted((ROOT / "avmc_core" / "resources").iterdir()) if path.is_file()]
    runner = [Path(__file__).with_name(name) for name in RUNNER]
    files = [source, *runner, *resources, ROOT / "requirements.lock"]
    code = "\n".join(cell.source for cell in read_notebook(source).cells if cell.cell_type == "code")
    return digest(
        {
            "settings": settings,
            "files": {path.name: sha256(path) for path in files},
            "modules": reached_modules(code),
            "python": platform.python_version(),
            "torch": version("torch"),  # the one package that is not in the lock
        }
    )


def reached_modules(code: str) -> dict[str, str]:
    """Source digests of the modules that ``code`` reaches. The registry imports models by name: it reaches them all."""
    modules = modules_of(code)
    if registry.__name__ in closure(modules):
        modules += [entry.module for entry in registry.MODELS.values()]
    return closure(modules)


def sha256(path: Path) -> str | None:
    """Of a file's content; None where there is no file."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _table_digest(path: Path) -> str:
    if (found := sha256(path)) is None:
        raise InputError(path, "no such file", "the real label table (meta.csv)")
    return found


def _store_digest(path: str) -> str:
    from avmc_core.data.store import open_store

    return open_store(path).digest
