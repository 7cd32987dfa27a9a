"""Before notebooks are executed on an imported store, the command states what they will compute,
and it refuses a store that they are not about."""

from __future__ import annotations

import other_data_sets as made
import pytest
import released_factory as factory
from click.testing import CliRunner

from avmc_core.commands.main import main
from avmc_core.data.importing import import_released
from avmc_core.publishing import before
from avmc_core.publishing.before import announce
from avmc_core.runs.experiments import EXPERIMENTS

NOTEBOOK = 'plan = experiment("table3")\nother = experiment(\n    "avmc"\n)\n'


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("AVMC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AVMC_DEVICE", "cpu")
    return tmp_path


def imported(folder, content):
    return import_released(
        folder / "store", factory.write(folder / "s.pkl", content), progress=False
    )


def test_missing_runs_their_time_and_a_smaller_step_are_said(home):
    store = imported(home, made.released())
    page = home / "04_page.py"
    page.write_text(NOTEBOOK, encoding="utf-8")
    other, runs, first = announce(str(store.path), "full", [page])
    assert other.endswith("is not CH-SIMS v2.0: no figure of the paper is counted as met")
    declared = [run for n in ("table3", "avmc") for run in EXPERIMENTS[n].runs("full", store=store)]
    different = {(run.model, run.settings, run.seed) for run in declared}
    assert runs.startswith(f"{len(different)} of {len(different)} runs to be computed: ")
    assert "by the recorded benchmark" in runs and "order of magnitude" in runs
    assert f"avmc run avmc --profile full --seeds 1111 --store {store.path}" in first


def test_a_simulated_store_is_named_in_a_sentence(home, tiny_store):
    (said,) = announce(str(tiny_store.path), "ci", [])
    assert said.startswith("a simulated corpus is not CH-SIMS v2.0: no figure")


def test_a_page_that_asks_for_no_run_says_nothing_of_runs(home):
    store = imported(home, made.released())
    page = home / "00_page.py"
    page.write_text("print(1)\n", encoding="utf-8")
    assert len(announce(str(store.path), "ci", [page])) == 1
    page.write_text("plan = experiment(name)\n", encoding="utf-8")
    assert before._experiments([page]) == list(EXPERIMENTS)


@pytest.mark.parametrize("command", ["notebooks", "book"])
def test_the_book_is_not_built_on_another_data_set(home, command):
    """Otherwise its pages would compare published figures with clips that they are not about."""
    store = imported(home, made.mosi())
    options = ["--store", str(store.path), "--out", str(home / "out")]
    done = CliRunner().invoke(main, [command, *options])
    assert done.exit_code == 2
    assert "5 columns of audio, 20 columns of vision; labels of M to 3" in done.output
    assert "CH-SIMS v2.0, which the book's pages are about" in done.output
    assert not (home / "out").exists()
