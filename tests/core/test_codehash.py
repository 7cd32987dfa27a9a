"""Cache keys must change with every source file that a result depends on, and with no other."""

import io
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

from avmc_core.codehash import ROOT, closure, code_hash, without_words
from avmc_core.errors import InputError

FILES = {
    "__init__.py": "",
    "a.py": "import numpy\nfrom avmc_core import b\n",
    "b.py": "def later():\n    from .models.deep import Thing\n    return Thing\n",
    "models/__init__.py": "",
    "models/deep.py": "from ..c import value\nfrom . import near\nclass Thing: pass\n",
    "models/near.py": "import avmc_core.b\n",  # a cycle
    "models/other.py": "import avmc_core.a\n",
    "c.py": "value = 1\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "avmc_core" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_follows_nested_relative_and_function_level_imports(root):
    names = [n.removeprefix("avmc_core").lstrip(".") for n in closure(["avmc_core.a"], root)]
    assert names == ["", "a", "b", "c", "models", "models.deep", "models.near"]


@pytest.mark.parametrize("file", FILES)
def test_hash_changes_exactly_with_the_files_reached(root, file):
    before = code_hash(["avmc_core.a"], root)
    path = root / "avmc_core" / file
    path.write_text(path.read_text() + "changed = True\n")
    assert (code_hash(["avmc_core.a"], root) != before) == (file != "models/other.py")


SOURCE = '''"""What it is for."""

import math  # the only comment on a line of code

# Why.
def area(radius):
    """The area of a circle.

    # no comment
    """
    return math.pi * radius**2


TEXT = """
# no comment either

"""
class Named: "A docstring beside code"; value = 1
def empty():
    "Nothing else."
'''


@pytest.mark.parametrize(
    "old, new, same",
    [
        ("The area of a circle", "pi r squared, for a circle", True),
        ("What it is for.", "Another sentence,\nand a second line.", True),
        ("# Why.\n", "", True),
        ("# Why.", "# For another reason,\n\n# told at length.", True),
        ("Nothing else.", "Something else.", True),
        ("radius**2", "radius**3", False),
        ("# no comment either\n", "", False),
        ("either\n\n", "either\n", False),
        ("value = 1", "value = 2", False),
        ("def area", "@cached\ndef area", False),
    ],
)
def test_words_do_not_count_and_all_else_does(old, new, same):
    """Docstrings, comments and empty lines leave a key alone; code and other strings do not."""
    assert old in SOURCE
    assert (without_words(SOURCE) == without_words(SOURCE.replace(old, new))) == same


def test_no_code_is_lost_in_any_of_our_files():
    """By Python's own tokenizer: the same tokens, comments and strings that stand alone aside."""
    for path in sorted((ROOT / "avmc_core").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        left = without_words(source) + "\n"
        assert len(left) <= len(source) + 1 and _tokens(left) == _tokens(source), path


def _tokens(source: str) -> list[str]:
    silent = (tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT)
    found = tokenize.generate_tokens(io.StringIO(source).readline)
    words = [token for token in found if token.type not in silent]
    alone = {
        place
        for place, token in enumerate(words)
        if token.type == tokenize.STRING
        and (place == 0 or words[place - 1].type == tokenize.NEWLINE)
        and words[place + 1].type == tokenize.NEWLINE
    }
    return [
        token.string
        for place, token in enumerate(words)
        if place not in alone and not (place - 1 in alone and token.type == tokenize.NEWLINE)
    ]


def test_an_unknown_module_is_named(root):
    with pytest.raises(InputError, match=r"avmc_core\.nothing"):
        closure(["avmc_core.nothing"], root)
    with pytest.raises(InputError, match="numpy"):
        closure(["numpy"], root)


def test_covers_what_python_really_loads():
    """Importing a module loads no file of ours that the static closure misses."""
    code = (
        "import sys, avmc_core.models.base as m; print(*sorted(n for n in sys.modules if "
        "n.startswith('avmc_core')))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert set(loaded.stdout.split()) <= set(closure(["avmc_core.models.base"]))
