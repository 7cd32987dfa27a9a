"""The promise of the page "Add your own features": a user's own arrays train the models, in the
released width and in another."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import released_factory as factory

from avmc_core import schema

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"```python\n(.*?)```", re.DOTALL)
TRAIN = """
from avmc_core.runs.grid import run_all
from avmc_core.data.importing import import_released
from avmc_core.runs.store import Run, RunStore
store = import_released("my-features", "mine.pkl", progress=False)
run = Run("AV-MC", 1, (("semi", False), ("training.max_epochs", 1)))
(record,) = run_all([run], store, RunStore("runs"), jobs=1, progress_bar=False).values()
print(store.split("test").audio[0].shape, record.status, record.reason)
"""


@pytest.mark.parametrize("width", [schema.DIMS["audio"], 40])
def test_the_pages_features_are_trained_on(tmp_path, width):
    rows = {"train": 24, "valid": 12, "test": 16}
    factory.write(
        tmp_path / "ch-simsv2s.pkl",
        {split: factory.columns(split, rows=rows[split]) for split in schema.SPLITS}
        | {"config": "what some writers keep beside the splits"},
    )
    (listing,) = FENCE.findall((ROOT / "book" / "add_features.md").read_text(encoding="utf-8"))
    assert listing.count("width = 40") == 1
    done = subprocess.run(
        [sys.executable, "-c", listing.replace("width = 40", f"width = {width}") + TRAIN],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"(7, {width}) done"
