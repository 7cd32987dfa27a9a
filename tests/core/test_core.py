"""The core stands alone: what its three files import, how large they are, and that the example in
the README runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from avmc_core.codehash import ROOT, closure

CORE = ("avmc_core.mixup", "avmc_core.metrics", "avmc_core.models.avmc_paper")
HEAVY = {"pandas", "matplotlib", "transformers", "click", "sklearn", "safetensors"}


def source(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"


def test_the_core_is_small_and_holds_no_files_and_no_run_store():
    """The code that implements the paper has at most 1,500 lines, not counting blank ones; the
    kernels that make it fast have at most 1,000 more, and those for a GPU at most 400 more."""
    modules = closure(CORE)
    assert not [
        name for name in modules if re.match(r"avmc_core\.(files|data|runs|commands)\b", name)
    ]
    lines = {
        name: sum(map(bool, map(str.strip, source(name).read_text(encoding="utf-8").splitlines())))
        for name in modules
    }
    kernels = {n: count for n, count in lines.items() if n.startswith("avmc_core.kernels")}
    of_a_gpu = sum(count for n, count in kernels.items() if "launched" in n)
    fast = sum(kernels.values())
    assert of_a_gpu <= 400 and fast - of_a_gpu <= 1000 and sum(lines.values()) - fast <= 1500


def test_the_top_of_the_library_can_be_taken_in_at_a_glance():
    """What does not belong to every layer lies in a folder, so that the tree shows the layers."""
    assert len([*(ROOT / "avmc_core").glob("*.py")]) <= 14


def test_the_example_of_the_readme_runs_and_loads_nothing_heavy():
    """In a fresh interpreter, so that what other tests imported does not count."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    code = f"{example}\nimport sys; print(*sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "'MAE':" in done.stdout
    assert not HEAVY & set(done.stderr.split())
