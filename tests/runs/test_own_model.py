"""The promise of the page "Add your own model": with one file and one line, the model is in the
benchmark's results."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"```\w*\n(.*?)```", re.DOTALL)
SCRIPT = """
import sys
from dataclasses import replace
from avmc_core.runs.experiments import experiment
from avmc_core.runs.grid import run_all
from avmc_core.analysis.results import per_run
from avmc_core.runs.store import RunStore
from avmc_core.data.store import open_store

store, runs = open_store(sys.argv[1]), RunStore(sys.argv[2])
names, short = ("Constant", "Wordless"), (("training.max_epochs", 2),)
grid = [run for run in experiment("benchmark").runs("ci", (1,)) if run.model in names]
grid = [replace(run, changes=short) if run.model == "Wordless" else run for run in grid]
run_all(grid, store, runs, jobs=1, progress_bar=False)
print(per_run(grid, store, runs).to_json(orient="records"))
"""


def test_the_pages_model_is_in_the_benchmark(tiny_store, tmp_path):
    file, line, *_ = FENCE.findall((ROOT / "book" / "add_a_model.md").read_text(encoding="utf-8"))
    package = tmp_path / "avmc_core"
    shutil.copytree(ROOT / "avmc_core", package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "models" / "wordless.py").write_text(file, encoding="utf-8")
    registry = package / "models" / "registry.py"
    start = "MODELS: dict[str, Entry] = {\n"
    registry.write_text(
        registry.read_text(encoding="utf-8").replace(start, start + line), encoding="utf-8"
    )
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tiny_store.path), str(tmp_path / "runs")],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    constant, own = json.loads(done.stdout)
    assert [(row["name"], row["status"]) for row in (constant, own)] == [
        ("Constant", "done"),
        ("Wordless", "done"),
    ]
    assert own["epochs"] > 0 and own["Corr"] is not None and own["MAE"] != constant["MAE"]


def test_the_pages_class_has_about_ten_lines():
    file = FENCE.search((ROOT / "book" / "add_a_model.md").read_text(encoding="utf-8"))[1]
    body = file[file.index("class Wordless(Model)") : file.index("SETTINGS =")]
    assert len([line for line in body.splitlines() if line.strip()]) <= 10


def test_the_pages_comparison_runs(tiny_store, tmp_path, monkeypatch, capsys):
    """The lines of the page, with other names of store, corpus and rows: the page compares the rows
    of a new reader, and the test two rows that need no training."""
    from avmc_core.analysis.pairwise import compare_rows
    from avmc_core.runs.experiments import experiment
    from avmc_core.runs.grid import run_all, run_store

    page = (ROOT / "book" / "add_a_model.md").read_text(encoding="utf-8")
    (code,) = (part for part in FENCE.findall(page) if "compare_rows" in part)
    assert len([line for line in code.splitlines() if line.strip()]) <= 11
    monkeypatch.setenv("AVMC_HOME", str(tmp_path))
    monkeypatch.setattr("avmc_core.simulated.corpus.ensure_corpus", lambda size: tiny_store)
    rows = ("Text-only ridge", "Constant")
    grid = [run for run in experiment("benchmark").runs("ci") if run.name in rows]
    records = run_all(grid, tiny_store, run_store(), jobs=1, progress_bar=False)
    names = {"Wordless": rows[0], "LF_DNN": rows[1]}
    for shown, ours in names.items():
        code = code.replace(f'"{shown}"', f'"{ours}"')
    found: dict = {}
    exec(compile(code, "add_a_model.md", "exec"), found)
    expected = compare_rows(records, tiny_store, *rows, ["Acc2", "Corr", "MAE"])
    assert found["table"].equals(expected)
    assert capsys.readouterr().out.count("better)") == 3 and len(found["missing"]) > 0
