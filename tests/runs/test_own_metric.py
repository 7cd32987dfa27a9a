"""The promise of the page "Add your own metric": after one entry, stored runs have the metric
without being computed again."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from avmc_core import metrics
from avmc_core.codehash import closure
from avmc_core.models import registry
from avmc_core.runs.grid import run_all
from avmc_core.runs.store import RunStore

ROOT = Path(__file__).parents[2]
COMMAND = "from avmc_core.commands.main import main; main()"
FENCE = re.compile(r"```\w*\n(.*?)```", re.DOTALL)


def test_stored_runs_have_the_pages_metric_without_training(tiny_store, tmp_path):
    """``avmc results`` of a changed copy of the package, in a separate process, on runs that the
    unchanged package stored."""
    from avmc_core.runs.experiments import experiment

    names = {"Constant", "Text-only ridge"}
    grid = [run for run in experiment("benchmark").runs("ci", (1,)) if run.name in names]
    home = tmp_path / "home"
    records = run_all(grid, tiny_store, RunStore(home / "runs"), jobs=1, progress_bar=False)
    entry, *_ = FENCE.findall((ROOT / "book" / "add_a_metric.md").read_text(encoding="utf-8"))
    shutil.copytree(
        ROOT / "avmc_core", tmp_path / "avmc_core", ignore=shutil.ignore_patterns("__pycache__")
    )
    source = tmp_path / "avmc_core" / "metrics.py"
    text = source.read_text(encoding="utf-8")
    assert "_ALL = (\n" in text
    source.write_text(text.replace("_ALL = (\n", "_ALL = (\n" + entry), encoding="utf-8")
    words = ("results", "benchmark", "--store", str(tiny_store.path), "--seeds", "1")
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *words, "--format", "json"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path), "AVMC_HOME": str(home)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    shown = {row["name"]: row for row in json.loads(done.stdout)}
    assert set(shown) == names and list(shown["Constant"])[-9:] == ["CCC", *metrics.METRICS]
    y = tiny_store.split("test").labels[:, 0].astype(float)
    for run, record in records.items():
        p = record.predictions("test")["M"].astype(float)
        expected = 2 * np.mean((p - p.mean()) * (y - y.mean()))
        expected /= p.var() + y.var() + (p.mean() - y.mean()) ** 2
        assert shown[run.name]["CCC"] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("model", registry.MODELS)
def test_no_runs_key_holds_the_metrics(model):
    modules = closure([registry.entry(model).module, "avmc_core.runs.execution"])
    assert not {"avmc_core.metrics", "avmc_core.clip_statistics"} & set(modules)
    assert "avmc_core.metrics" not in closure(["avmc_core.runs.warm_start"])
    assert "avmc_core.metrics" not in closure(["avmc_core.runs.tuning"])


def test_the_direction_of_a_metric_has_no_default():
    with pytest.raises(TypeError, match="higher_is_better"):
        metrics.Metric(name="X", formula=lambda s, c: s["clips"], percent=False)
