"""What nothing uses may be removed, and nothing else may: no run in use, no run in progress, and
nothing outside the home folder."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from avmc_core.commands.main import main
from avmc_core.errors import InputError
from avmc_core.models.base import Training
from avmc_core.runs import inventory
from avmc_core.runs.experiments import EXPERIMENTS
from avmc_core.runs.grid import run_all
from avmc_core.runs.inventory import Leftover, differing, leftovers, remove, uses
from avmc_core.runs.store import RECORD, Run, RunStore
from avmc_core.settings import as_dict

USED = [
    run
    for run in EXPERIMENTS["avmc"].runs("ci", (5,))
    if run.model in ("Constant", "Text-only ridge")
]
UNUSED = Run("LF_DNN", 1, (("training.max_epochs", 1), ("lr", 0.123)))


@pytest.fixture
def home(tiny_store, tmp_path, monkeypatch) -> Path:
    """A home with two runs in use and one that no experiment declares."""
    monkeypatch.setenv("AVMC_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("AVMC_STORE", raising=False)
    records = run_all(
        [*USED, UNUSED], tiny_store, RunStore(tmp_path / "home" / "runs"), jobs=1, device="cpu"
    )
    assert all(record.status == "done" for record in records.values())
    return tmp_path / "home"


def names(found: list[Leftover]) -> dict[str, str]:
    return {item.path.name: item.why for item in found}


def test_only_the_run_that_nothing_declares_is_left_over(home, tiny_store):
    unused = UNUSED.key(tiny_store)
    assert names(leftovers(home, [tiny_store])) == {
        unused: "no declared experiment has these settings"
    }
    assert not leftovers(home, [tiny_store], frozenset({unused[:12]})), "a result names it"


def test_runs_on_a_store_that_is_not_at_hand_are_kept_if_it_was_imported(home, tiny_store):
    """The tiny store declares itself simulated: a simulated corpus that is gone was that of another
    version."""
    assert set(names(leftovers(home, [])).values()) == {
        "made on a simulated corpus of another version"
    }
    for record in [*RunStore(home / "runs")]:
        work = home / "runs" / ".work" / record.key
        shutil.move(record.folder, work)
        (work / RECORD).unlink()
        RunStore(home / "runs").publish(work, replace(record, data=record.data | {"kind": "real"}))
    assert not leftovers(home, [])


def test_a_run_of_a_search_is_used(home, tiny_store):
    folder = home / "tuning" / "x"
    folder.mkdir(parents=True)
    selection = {
        "model": "LF_DNN",
        "changes": {"training.max_epochs": 1},
        "trials": [{"changes": {"lr": 0.123}}],
    }
    (folder / "selection.json").write_text(json.dumps(selection))
    assert not leftovers(home, [tiny_store])


def test_a_run_of_other_code_is_left_over_and_says_so(home, tiny_store, monkeypatch):
    monkeypatch.setattr("avmc_core.runs.surroundings.closure", lambda modules: {"other": "code"})
    found = names(leftovers(home, [tiny_store]))
    assert sorted(found.values()) == [
        *["made by other code or libraries"] * 2,
        "no declared experiment has these settings",
    ]


def test_damaged_records_unfinished_work_and_old_corpora(home, tiny_store):
    damaged = USED[0].key(tiny_store)
    (home / "runs" / damaged / RECORD).write_text("{")
    (home / "runs" / ".work" / "0123").mkdir()
    (home / "corpus-ci-000000000000").mkdir()
    found = names(leftovers(home, [tiny_store]))
    assert found[damaged].startswith("damaged record") and found["0123"].startswith(
        "interrupted work"
    )
    assert "corpus-ci-000000000000" in found
    with RunStore(home / "runs").claim("0123"):
        assert "0123" not in names(leftovers(home, [tiny_store])), "a process is at it"


@pytest.mark.parametrize("after", range(6))
def test_a_removal_that_is_killed_never_takes_a_used_run(home, tiny_store, monkeypatch, after):
    """The removal is killed after a number of steps; whatever is left can be opened, and the next
    removal finishes the work."""
    steps = 0

    def counted(function):
        def step(*arguments, **options):
            nonlocal steps
            if steps == after:
                raise KeyboardInterrupt
            steps += 1
            return function(*arguments, **options)

        return step

    for module, name in (
        (inventory.os, "replace"),
        (inventory.os, "unlink"),
        (inventory.os, "rmdir"),
    ):
        monkeypatch.setattr(module, name, counted(getattr(module, name)))
    found = leftovers(home, [tiny_store])
    with suppress(KeyboardInterrupt):
        assert all(remove(item, home) for item in found)
    monkeypatch.undo()
    store = RunStore(home / "runs")
    assert all(store.get(run.key(tiny_store)) is not None for run in USED)
    assert {record.key for record in store} - {
        run.key(tiny_store) for run in [*USED, UNUSED]
    } == set()
    assert all(remove(item, home) for item in leftovers(home, [tiny_store]))
    assert {record.key for record in store} == {run.key(tiny_store) for run in USED}
    assert not leftovers(home, [tiny_store])


def test_nothing_outside_the_home_and_no_link_is_removed(home, tmp_path):
    outside = tmp_path / "mine"
    outside.mkdir()
    link = home / "corpus-ci-link"
    link.symlink_to(outside)
    for path in (outside, link, home, home / ".." / "mine"):
        with pytest.raises(InputError, match="outside the home"):
            remove(Leftover(path, 0, ""), home)
    assert outside.is_dir()


def test_uses_names_the_rows_and_differing_the_settings(home, tiny_store):
    store = RunStore(home / "runs")
    used = store.get(USED[0].key(tiny_store))
    use = uses([used], [tiny_store])[used.key]
    assert any(row.startswith("avmc: ") for row in use.rows) and use.current
    assert uses([used], [])[used.key].current is None
    own = differing([store.get(UNUSED.key(tiny_store))])[UNUSED.key(tiny_store)]
    assert own == {"lr": 0.123, "training.max_epochs": 1}


def test_only_what_differs_from_the_published_settings_is_shown(home, tiny_store, monkeypatch):
    """A setting that is not given is NaN, which does not equal itself; of a model that is not
    registered, what every training has by default is no difference."""
    store = RunStore(home / "runs")
    run = Run("AV-MC", 1, (("training.max_epochs", 1),))
    record = run_all([run], tiny_store, store, jobs=1, device="cpu", progress_bar=False)[run]
    assert differing([store.get(record.key)])[record.key] == {"training.max_epochs": 1}
    own = replace(record, model="Wordless", settings={"lr": 0.1, "training": as_dict(Training())})
    assert differing([own])[own.key] == {"lr": 0.1}


def test_status_lists_runs_of_the_store_that_is_named_in_even_columns(home, tiny_store, ci_store):
    def call(*words: str) -> list[str]:
        done = CliRunner().invoke(main, ["status", *words], catch_exceptions=False)
        return [line for line in done.output.splitlines() if " epochs " in line]

    assert len(call()) == len(call("--store", str(tiny_store.path))) == 3
    assert call("--store", str(ci_store.path)) == []
    assert len({line.index(" seed ") for line in call()}) == 1


@pytest.mark.parametrize("command", ["status", "clean"])
def test_the_declared_rows_are_read_once_for_all_records(home, command, monkeypatch):
    """Once for each of 461 records, ``avmc status`` took half a minute."""
    calls, declared = [], inventory._declared
    monkeypatch.setattr(inventory, "_declared", lambda: calls.append(1) or declared())
    assert CliRunner().invoke(main, [command]).exit_code == 0
    assert len(calls) == 1 and len(list(RunStore(home / "runs"))) == 3


def test_the_commands(home, tiny_store):
    def call(*words: str) -> str:
        result = CliRunner().invoke(main, list(words), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    store = ("--store", str(tiny_store.path))
    key = UNUSED.key(tiny_store)
    assert "lr 0.123" in call("status", *store) and "used by no declared experiment" in call(
        "status", *store
    )
    assert key[:12] not in call("status", "avmc", *store)
    assert json.loads(call("status", "--model", "LF_DNN", "--json").splitlines()[0])["key"] == key
    assert key in call("clean", *store) and (home / "runs" / key).is_dir(), "only listed"
    assert "1 removed" in call("clean", "--yes", *store) and not (home / "runs" / key).exists()
