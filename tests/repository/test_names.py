"""Variables are named after what they hold, not after how it came about."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EMPTY = {"found", "said", "made", "told"}
# ``found`` is what an error or a table sets beside what was expected or printed
FIELDS = {"errors.py", "claims.py", "findings.py", "claim_outcome.py", "first_contact.py"}


def empty_names(source: str) -> list[str]:
    """The names among ``EMPTY`` that a module gives to a value, a parameter or a function."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.append(node.id)
        elif isinstance(node, ast.arg):
            names.append(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.append(node.name)
    return [name for name in names if name in EMPTY]


def test_names_say_what_a_value_holds():
    places = [*(ROOT / "avmc_core").rglob("*.py"), *(ROOT / "notebooks").glob("*.py")]
    places += (ROOT / "tools").glob("*.py")
    named = {path: empty_names(path.read_text(encoding="utf-8")) for path in places}
    assert not {path for path, names in named.items() if names and path.name not in FIELDS}
    assert set(empty_names("def told(said): found = made = said")) == EMPTY
