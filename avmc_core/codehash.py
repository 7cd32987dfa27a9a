"""Which of our own source files a piece of code runs, found without running it: the code part of
every cache key.

A result depends on the code that made it, but not on all of ours: a run of one model must stay
valid when another model changes. So the imports are followed statically from the modules named,
through function-level ones too. Nor does a result depend on words: a reworded docstring or comment
leaves the keys as they are.
"""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from avmc_core.errors import InputError
from avmc_core.settings import digest

PACKAGE = "avmc_core"
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
ROOT = Path(__file__).resolve().parents[1]  # the folder that holds the package


def closure(modules: Iterable[str], root: Path = ROOT) -> dict[str, str]:
    """SHA-256 of what ``without_words`` leaves of the source of every module of ours that importing
    ``modules`` may run, by module name, sorted.

    ``modules`` are dotted names such as ``avmc_core.models.avmc``; their packages' ``__init__``
    count as well. An import anywhere in a file counts; a module named only in a string does not
    (name it in ``modules`` if it is used). Raises InputError for a name that is not a module of the
    package.
    """
    waiting, sources = list(modules), {}
    for name in waiting:
        if _file(name, root) is None:
            raise InputError("closure", f"module {name!r}", f"a module of {PACKAGE} under {root}")
    seen = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if (path := _file(name, root)) is None:  # `from module import thing`
            continue
        sources[name], imports = _read(path, name, os.stat(path).st_mtime_ns)
        waiting += [*imports, *_parents(name)]
    return dict(sorted(sources.items()))


def code_hash(modules: Iterable[str], root: Path = ROOT) -> str:
    """One SHA-256 (hex) over ``closure(modules)``."""
    return digest(closure(modules, root))


def modules_of(source: str, root: Path = ROOT) -> list[str]:
    """The modules of ours that a script or notebook with this Python ``source`` imports itself,
    sorted."""
    return [name for name in imports_of(source) if _file(name, root)]


def imports_of(source: str, name: str = "", is_package: bool = False) -> list[str]:
    """Dotted names under ``PACKAGE`` that Python ``source`` may import, sorted; some may turn out
    not to be modules.

    ``name`` is the module that ``source`` belongs to, needed to resolve relative imports.
    """
    package = name.split(".") if is_package else name.split(".")[:-1]
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names.update([stem, *(f"{stem}.{alias.name}" for alias in node.names)])
    return sorted(n for n in names if n == PACKAGE or n.startswith(PACKAGE + "."))


@lru_cache(maxsize=1024)
def _read(path: str, name: str, changed_ns: int) -> tuple[str, list[str]]:
    source = Path(path).read_text(encoding="utf-8")
    imports = imports_of(source, name, path.endswith("__init__.py"))
    return hashlib.sha256(without_words(source).encode()).hexdigest(), imports


def without_words(source: str) -> str:
    """Python ``source`` without the lines that only hold a docstring or a comment, or nothing.

    Whatever shares its line with code stays, and so does each line of every other string.
    """
    tree, lines = ast.parse(source), source.split("\n")
    words, strings = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            text = node.body[0]
            before = lines[text.lineno - 1].encode()[: text.col_offset]
            after = lines[text.end_lineno - 1].encode()[text.end_col_offset :]
            if not before.strip() and not after.strip():
                words.update(range(text.lineno, text.end_lineno + 1))
        elif isinstance(node, (ast.Constant, ast.JoinedStr)):
            strings.update(range(node.lineno + 1, node.end_lineno + 1))
    return "\n".join(
        line
        for row, line in enumerate(lines, start=1)
        if row not in words and (row in strings or line.split("#")[0].strip())
    )


def _file(name: str, root: Path) -> str | None:
    """Asked hundreds of times for each key of a run, hence strings in place of Path objects."""
    if name.split(".")[0] != PACKAGE:
        return None
    stem = f"{root}{os.sep}{name.replace('.', os.sep)}"
    files = (f"{stem}.py", f"{stem}{os.sep}__init__.py")
    return next((path for path in files if os.path.isfile(path)), None)


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts))]
