"""The promise of CONTRIBUTING.md: one entry declares an experiment that the commands know."""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner

from avmc_core.commands.main import main
from avmc_core.runs import experiments
from avmc_core.runs.declaration import Experiment, Row


def test_the_entry_of_contributing_is_an_experiment(tiny_store, tmp_path, monkeypatch):
    """Its two rows are listed with three seeds each, and differ in the one setting."""
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (entry,) = re.findall(r'```python\n("losses".*?)```', text, re.DOTALL)
    monkeypatch.setenv("AVMC_HOME", str(tmp_path))
    made = eval(f"{{{entry}}}", {"Experiment": Experiment, "Row": Row})
    monkeypatch.setattr(experiments, "EXPERIMENTS", experiments.EXPERIMENTS | made)
    done = CliRunner().invoke(main, ["run", "losses", "--store", str(tiny_store.path), "--dry-run"])
    assert done.exit_code == 0, done.output
    assert "6 runs, 6 to compute" in done.output
    assert done.output.count("without the loss of T, seed") == 3
    plain, without = (run.settings for run in made["losses"].runs("ci", (1,)))
    assert without.weights.T == 0 != plain.weights.T
