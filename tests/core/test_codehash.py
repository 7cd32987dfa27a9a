"""Cache keys must change with every source file that a result depends on, and with no other."""

import subprocess
import sys
from pathlib import Path

import pytest

from avmc_core.codehash import ROOT, closure, code_hash
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
    path.write_text(path.read_text() + "# changed\n")
    assert (code_hash(["avmc_core.a"], root) != before) == (file != "models/other.py")


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
