"""Tuning cannot reach the test split, and a search that was killed ends like one that was not."""

from __future__ import annotations

import dataclasses
import multiprocessing

import numpy as np
import pytest

from avmc_core import schema
from avmc_core.batch import Inputs
from avmc_core.errors import InputError
from avmc_core.runs import declaration, surroundings
from avmc_core.runs.execution import StoreData
from avmc_core.runs.grid import run_all
from avmc_core.runs.scores import scores
from avmc_core.runs.store import RunStore

optuna = pytest.importorskip("optuna", reason="the extra 'tune' is not installed")
from avmc_core.analysis import choices  # noqa: E402
from avmc_core.runs import tuning  # noqa: E402

PLAN = tuning.Search(
    "AV-MC",
    (("lr", (1e-4, 1e-3, 1e-2)), ("dropout", (0.0, 0.3))),
    trials=4,
    seeds=(1, 2),
    changes=(("training.max_epochs", 1),),
)


@pytest.fixture(scope="module")
def result(tiny_store, tmp_path_factory):
    return tuning.search(PLAN, tiny_store, tmp_path_factory.mktemp("search"))


def test_the_search_has_no_test_split(tiny_store):
    """D12: the released tuning scores the test split."""
    data = StoreData(tuning.without_test(tiny_store))
    assert len(data.split("valid")) and len(data.split("train"))
    for ask in (
        lambda: data.split("test"),
        lambda: data("test", Inputs()),
        lambda: data.store.split("test"),
    ):
        with pytest.raises(InputError, match="no split 'test'"):
            ask()


def test_other_test_labels_and_features_change_nothing(result, tiny_store, tmp_path):
    """The strongest form of the promise: with random values in place of the test split the search
    gives the same result, to the last bit."""
    test = tiny_store.split("test")
    rubbish = dataclasses.replace(
        test, labels=np.full_like(test.labels, np.nan), text=None, audio=None, vision=None
    )
    store = dataclasses.replace(tiny_store, splits={**tiny_store.splits, "test": rubbish})
    assert tuning.search(PLAN, store, tmp_path) == result


def test_a_killed_search_ends_like_one_that_was_not(result, tiny_store, tmp_path, monkeypatch):
    calls, real = [], tuning._validation

    def killed(*arguments):
        calls.append(arguments)
        if len(calls) == 6:  # in the middle of the third trial
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(tuning, "_validation", killed)
    with pytest.raises(KeyboardInterrupt):
        tuning.search(PLAN, tiny_store, tmp_path)
    (folder,) = tmp_path.iterdir()
    with pytest.raises(InputError, match="the record of a finished search"):
        tuning.read_tuning_result(folder / "selection.json")
    assert tuning.search(PLAN, tiny_store, tmp_path) == result
    assert len(calls) == 6 + 4  # two trials were not trained again
    assert tuning.search(PLAN, tiny_store, tmp_path) == result
    assert len(calls) == 10


def _searched(path, root, started):
    from avmc_core.data.store import open_store

    started.wait()
    tuning.search(PLAN, open_store(path), root)


def test_two_processes_at_the_same_search_agree(result, tiny_store, tmp_path):
    """One trains, the other waits for its result; no trial is made twice or given up."""
    context = multiprocessing.get_context("spawn")
    started = context.Barrier(2)
    both = [
        context.Process(target=_searched, args=(tiny_store.path, tmp_path, started))
        for _ in range(2)
    ]
    for process in both:
        process.start()
    for process in both:
        process.join(600)
    assert [process.exitcode for process in both] == [0, 0]
    (folder,) = tmp_path.iterdir()
    assert tuning.read_tuning_result(folder / "selection.json") == result
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(folder / "journal.log"))
    )
    study = optuna.load_study(study_name="search", storage=storage)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * PLAN.trials


def test_the_key_of_a_search_holds_what_computes(tiny_store, tmp_path, monkeypatch):
    before = PLAN.key(tiny_store)
    for change in (
        ("version", lambda name: "9.9"),
        ("kernels_identity", lambda: "C"),
        ("closure", lambda modules: {"changed": ""}),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(surroundings, *change)
            assert PLAN.key(tiny_store) != before
    assert PLAN.key(tiny_store) == before
    real = dataclasses.replace(tiny_store, manifest={**tiny_store.manifest, "kind": "real"})
    texts = tuning.Search("Self_MM", (("text", ("frozen", "finetune")),), trials=1, seeds=(1,))
    keys = set()
    for weights in ("a", "b"):
        for name in ("config.json", "model.safetensors"):
            (tmp_path / name).write_text(weights)
        monkeypatch.setenv("AVMC_BERT", str(tmp_path))
        keys.add(texts.key(real))
    assert len(keys) == 2


def test_only_a_finished_selection_on_the_same_data_is_scored(result, tiny_store, tmp_path):
    best = min(result.trials, key=lambda trial: trial["validation"])
    chosen = tuning.runs_of_trials(result, tiny_store)
    assert [run.seed for run in chosen] == [1, 2]
    assert dict(chosen[0].changes) == {"training.max_epochs": 1, **best["changes"]}
    grid, store = tuning.runs_of_trials(result, tiny_store, every=True), RunStore(tmp_path)
    records = run_all(grid, tiny_store, store, jobs=1, progress_bar=False)
    for k, trial in enumerate(result.trials):  # the search trained just what the runs train
        found = [
            scores(record, tiny_store, "valid")["M"]["MAE"]
            for run, record in records.items()
            if run.name == f"trial {k}"
        ]
        assert np.mean(found) == pytest.approx(trial["validation"], abs=1e-6)
    table = choices.both_ways(result, records, tiny_store)
    assert table.loc["MAE", "difference"] <= 0  # choosing on test cannot look worse on test
    with pytest.raises(InputError, match="the store at hand"):
        tuning.runs_of_trials(dataclasses.replace(result, data="other"), tiny_store)


def test_settings_that_do_not_exist_are_named(tiny_store, tmp_path):
    with pytest.raises(InputError, match="unknown setting 'rates'"):
        tuning.search(dataclasses.replace(PLAN, space=(("rates", (0.1,)),)), tiny_store, tmp_path)
    assert set(schema.TASKS) == {
        name.split(".")[1] for name in tuning.AVMC_SPACE if name.startswith("weights")
    }


def test_the_command_tunes_and_scores(tiny_store, tmp_path, monkeypatch):
    from click.testing import CliRunner

    from avmc_core.commands import main as cli

    monkeypatch.setenv("AVMC_HOME", str(tmp_path))
    monkeypatch.setitem(declaration.PROFILE_CHANGES, "ci", (("training.max_epochs", 1),))
    words = [
        "tune",
        "AV-MC",
        "--store",
        str(tiny_store.path),
        "--trials",
        "2",
        "--seeds",
        "1",
        "--jobs",
        "1",
    ]
    shown = CliRunner().invoke(
        cli.main, [*words, "-o", "lr=[0.001, 0.01]", "--both-ways"], catch_exceptions=False
    )
    assert (
        shown.exit_code == 0
        and "validation MAE" in shown.output
        and "chosen on test" in shown.output
    )
    told = CliRunner().invoke(cli.main, ["tune", "--help"]).output
    for profile, (trials, seeds) in tuning.SIZE.items():
        assert f"{trials} at" in told and ",".join(map(str, seeds)) in told, (
            f"the defaults at {profile}"
        )
    unimodal = ["tune", "Unimodal LSTM", *words[2:], "-o", 'task=["T"]']
    refused = CliRunner().invoke(cli.main, unimodal)
    assert (
        refused.exit_code == 2
        and "Unimodal LSTM: found predictions of T; expected M" in refused.output
    )
    nothing = CliRunner().invoke(cli.main, [*words, "-o", "lr=[null]"])
    assert nothing.exit_code == 2 and "AVMCSettings.lr: found None" in nothing.output
    assert (
        CliRunner()
        .invoke(cli.main, ["tune", "Constant", "--store", str(tiny_store.path)])
        .exit_code
        == 2
    )
