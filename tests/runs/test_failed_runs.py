"""Every table says how many of its runs failed: notebooks by their captions, commands under what
they print, pages by the line under a table (``test_book``)."""

from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace

import jupytext
import pytest
from click.testing import CliRunner

from avmc_core.analysis import results
from avmc_core.artefacts import facts, merged, provenance
from avmc_core.commands import main as cli
from avmc_core.drawing import figures
from avmc_core.publishing.tables import result_table
from avmc_core.runs import experiments
from avmc_core.runs.declaration import Experiment, Row
from avmc_core.runs.grid import run_all
from avmc_core.runs.store import RunStore

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.py"))
FEW = (("training.max_epochs", 1),)
PLAN = Experiment(
    "Two", "nowhere", (Row("good", "AV-MC", FEW), Row("bad", "AV-MC", (*FEW, ("lr", 1e30))))
)


def silent(source: str) -> list[str]:
    """Captions and provenances of a notebook that come after its first runs and do not say how many
    of them failed. One that rests on no data says so instead of naming its data."""
    cells = [
        cell.source
        for cell in jupytext.reads(source, fmt="py:percent").cells
        if cell.cell_type == "code"
    ]
    calls = [(node, ast.unparse(node.func)) for cell in cells for node in _calls(ast.parse(cell))]
    first = next((place for place, (_, name) in enumerate(calls) if name == "run_all"), len(calls))
    found = []
    for node, name in calls[first:]:
        says = (
            len(node.args) > 2
            if name == "artefacts.provenance"
            else "records" in {word.arg for word in node.keywords}
        )
        made = name in ("figures.caption", "artefacts.provenance") and not isinstance(
            node.args[0], ast.Constant
        )
        found += [ast.unparse(node)] if made and not says else []
    return found


def _calls(tree: ast.AST) -> list[ast.Call]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return sorted(calls, key=lambda node: (node.lineno, node.col_offset))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_caption_counts_its_runs(path):
    """Or it states with ``records=None`` that what it shows rests on no run."""
    assert silent(path.read_text(encoding="utf-8")) == []


def test_the_scan_finds_what_is_silent():
    source = "records = run_all(grid)\nfigures.caption(data, command)\n"
    assert silent(f"# %%\n{source}") == ["figures.caption(data, command)"]
    assert silent("# %%\nrun_all(grid)\n\n# %%\nartefacts.provenance(data, command)\n")
    assert silent(f"# %%\n{source.replace('command)', 'command, records=records)')}") == []
    assert silent("# %%\nfigures.caption(data, command)\nrecords = run_all(grid)\n") == []


def test_a_failed_run_is_counted_under_its_table(tiny_store, tmp_path):
    records = run_all(
        PLAN.runs("full", (1, 2)), tiny_store, RunStore(tmp_path), jobs=1, progress_bar=False
    )
    assert (
        "4 runs, 2 failed" in figures.caption(tiny_store, "avmc results two", records=records).data
    )
    assert results.carried_out(records).endswith("failed: bad, seed 1, bad, seed 2.")
    cells = results.comparison(PLAN.rows, results.summarise(records, tiny_store, draws=20), ["MAE"])
    table = result_table(cells, "made").words().set_index("Model")
    assert table.loc["bad"].tolist() == ["–"] != table.loc["good"].tolist()


def test_a_run_that_two_experiments_name_is_counted_once(tiny_store, tmp_path):
    """Runs are counted by key: a row with another name and the same settings is the same run."""
    again = Experiment(
        "Again",
        "nowhere",
        (Row("good once more", "AV-MC", FEW), Row("Constant", "Constant", seeded=False)),
    )
    runs = RunStore(tmp_path)
    two, other = (
        run_all(plan.runs("full", (1, 2)), tiny_store, runs, jobs=1, progress_bar=False)
        for plan in (PLAN, again)
    )
    first, second, both = (
        provenance(tiny_store, "avmc run two", records)
        for records in (two, other, {**two, **other})
    )
    assert (first["runs"], second["runs"], both["runs"], both["failed"]) == (4, 3, 5, 2)
    assert set(both["keys"]) == {record.key[:12] for record in (*two.values(), *other.values())}
    united = merged([first, second])
    assert {part: united[part] for part in ("runs", "failed", "keys", "seeds")} == {
        part: both[part] for part in ("runs", "failed", "keys", "seeds")
    }
    assert merged([first, first]) == first and "5 runs, 2 failed" in facts(united)
    assert "runs" not in merged([first, {"data": first["data"]}])


@pytest.mark.parametrize("profile", ["ci", "full"])
def test_an_experiment_names_no_run_twice(profile, tiny_store):
    """The runs of one experiment, which commands and pages count, are therefore distinct."""
    for plan in experiments.EXPERIMENTS.values():
        keys = [run.key(tiny_store) for run in plan.runs(profile)]
        assert len(keys) == len(set(keys))


def test_a_result_of_two_commands_names_both_for_a_real_store(tiny_store):
    real = SimpleNamespace(
        simulated=False,
        digest="0123456789abcdef",
        manifest={"source": {}},
        path=Path("own"),
        dataset="CH-SIMS v2.0",
    )
    assert provenance(real, "avmc run a && avmc run b")["command"] == (
        "AVMC_STORE=STORE avmc run a && AVMC_STORE=STORE avmc run b"
    )
    assert (
        provenance(tiny_store, "avmc run a && avmc run b")["command"] == "avmc run a && avmc run b"
    )


def test_commands_count_failed_runs(tiny_store, tmp_path, monkeypatch):
    monkeypatch.setenv("AVMC_HOME", str(tmp_path))
    monkeypatch.setitem(experiments.EXPERIMENTS, "two", PLAN)
    options = ["two", "--profile", "full", "--store", str(tiny_store.path), "--seeds", "1"]
    run = CliRunner().invoke(cli.main, ["run", *options, "--jobs", "1"])
    assert run.exit_code == 1 and ", 1 failed\nfailed: bad, seed 1: " in run.output
    shown = CliRunner().invoke(cli.main, ["results", *options])
    assert shown.exit_code == 0 and shown.output.endswith("2 runs, 1 failed\n")
