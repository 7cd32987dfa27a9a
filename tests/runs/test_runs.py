"""The run store: nothing is computed twice, nothing half-written is accepted, and records can be
verified."""

from __future__ import annotations

import dataclasses
import multiprocessing
import shutil
import subprocess

import numpy as np
import pytest
from saved_encoder import save_encoder

from avmc_core import metrics, schema, text_encoder
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.errors import InputError
from avmc_core.models import registry
from avmc_core.runs import surroundings
from avmc_core.runs.computing import run_one
from avmc_core.runs.execution import StoreData, network, sizes_of
from avmc_core.runs.experiments import EXPERIMENTS
from avmc_core.runs.grid import run_all, trained
from avmc_core.runs.scores import scores
from avmc_core.runs.store import Run, RunStore
from avmc_core.runs.training import train

FEW = (("training.max_epochs", 1),)
GRID = [
    Run("Constant", 1),
    *(Run("AV-MC", seed, FEW) for seed in (1, 2)),
    Run("AV-MC(Semi)", 1, FEW, "semi"),
]


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "runs")


@pytest.fixture
def never(monkeypatch):
    """Makes any further computation an error."""

    def computed(*_, **__):
        raise AssertionError("computed again")

    return lambda: monkeypatch.setattr("avmc_core.runs.computing.execute", computed)


def test_a_grid_is_computed_once_in_any_number_of_processes(tiny_store, store, tmp_path, never):
    one = run_all(GRID, tiny_store, store, jobs=1, progress_bar=False)
    two = run_all(GRID, tiny_store, RunStore(tmp_path / "other"), jobs=2, progress_bar=False)
    never()
    again = run_all(GRID, tiny_store, store, jobs=1, progress_bar=False)
    assert list(one) == list(two) == list(again) == GRID
    for run in GRID:
        assert str(again[run]) == str(one[run])
        names = {p.name for p in one[run].folder.iterdir()}
        assert names - {"model.safetensors"} == {"record.json", "predictions.safetensors"}
        for name in names - {"record.json"}:
            assert (one[run].folder / name).read_bytes() == (two[run].folder / name).read_bytes()


def test_scores_follow_from_stored_predictions(tiny_store, store):
    for run, record in run_all(GRID, tiny_store, store, jobs=1, progress_bar=False).items():
        for split in schema.SPLITS:
            clips = tiny_store.split(split)
            for task, prediction in record.predictions(split).items():
                keep = np.ones(len(clips), bool) if task == "M" else ~placeholder_clips(clips.clips)
                label = clips.labels[keep, schema.TASKS.index(task)]
                expected = metrics.evaluate(prediction[keep], label)
                assert scores(record, tiny_store, split)[task] == pytest.approx(
                    expected, nan_ok=True, abs=0
                ), run


def test_a_trained_model_comes_back(tiny_store, store):
    record = run_all([GRID[3]], tiny_store, store, jobs=1, progress_bar=False)[GRID[3]]
    model = trained(GRID[3], record, tiny_store)
    batch = next(StoreData(tiny_store)("test", model.inputs).in_order())
    np.testing.assert_allclose(
        model(batch)["M"].detach(), record.predictions("test")["M"], atol=1e-6
    )
    with pytest.raises(InputError, match="weights that do not fit"):
        trained(GRID[1], record, tiny_store)


def test_the_key_holds_all_that_the_result_depends_on(tiny_store, monkeypatch):
    run = Run("AV-MC", 1, FEW)
    other = dataclasses.replace(
        tiny_store, manifest={**tiny_store.manifest, "digest": "other data"}
    )
    keys = {
        run.key(tiny_store),
        run.key(other),
        run.key(tiny_store, "cuda"),
        run.key(tiny_store, "cpu", 2),
        Run("AV-MC", 2, FEW).key(tiny_store),
        Run("AV-MC", 1, (("training.max_epochs", 2),)).key(tiny_store),
        Run("AV-MC(Semi)", 1, FEW).key(tiny_store),
    }
    assert len(keys) == 7
    assert dataclasses.replace(run, label="a name in a table").key(tiny_store) == run.key(
        tiny_store
    )
    for change in (
        ("closure", lambda modules: {"changed": ""}),
        ("version", lambda name: "9.9"),
        ("kernels_identity", lambda: "C"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(surroundings, *change)
            assert run.key(tiny_store) not in keys
    assert run.key(tiny_store) in keys


def test_the_text_encoder_is_part_of_the_key_and_of_the_record(
    tiny_store, store, tmp_path, monkeypatch
):
    """Where a model runs BERT on real features, another folder, other weights or another
    configuration give other runs."""
    folder = tmp_path / "encoder"
    monkeypatch.setenv("AVMC_BERT", str(folder))
    real = dataclasses.replace(tiny_store, manifest={**tiny_store.manifest, "kind": "real"})
    tuned = Run("Self_MM", 1, (*FEW, ("text", "finetune")))
    frozen = Run("Self_MM", 1, (*FEW, ("text", "frozen")))
    without = frozen.key(real)
    keys = [tuned.key(real)]  # no encoder there
    for path, content in (
        ("config.json", "{}"),
        ("model.safetensors", "a"),
        ("model.safetensors", "bb"),
        ("config.json", "[]"),
    ):
        folder.mkdir(exist_ok=True)
        (folder / path).write_text(content)
        keys.append(tuned.key(real))
    assert keys[0] == keys[1] and len(set(keys)) == 4, (
        "a configuration without weights is not an encoder"
    )
    shutil.copytree(folder, tmp_path / "copy")
    monkeypatch.setenv("AVMC_BERT", str(tmp_path / "copy"))
    assert tuned.key(real) == keys[-1], "the content counts, not the place"
    assert frozen.key(real) == without, "stored features were made before"
    in_code = tuned.key(tiny_store)
    monkeypatch.delenv("AVMC_BERT")
    assert tuned.key(tiny_store) == in_code, "a simulated corpus has its own"
    save_encoder(folder)
    monkeypatch.setenv("AVMC_BERT", str(folder))
    record = run_one(tuned, StoreData(real), store)
    assert (
        record.status == "done"
        and record.data["encoder"] == text_encoder.encoder_digest(str(folder)) != ""
    )
    assert run_one(frozen, StoreData(real), store).data["encoder"] == ""


@pytest.mark.parametrize("model", ["Bert_MAG", "MISA", "MMIM", "Self_MM"])
def test_the_full_profile_fine_tunes_the_encoder_and_ci_need_not(model, tiny_store, tmp_path):
    """A row of the benchmark, trained for one epoch: the encoder's weights move, by no more than
    its learning rate allows."""
    row = next(row for row in EXPERIMENTS["benchmark"].rows if row.model == model)
    ci = Run(model, 1, row.changes_at("ci")).settings
    # so few clips do not fill a group, and would make no step (D29)
    few = (*FEW, ("training.accumulate", 1))
    settings = Run(model, 1, (*row.changes_at("full"), *few)).settings
    assert settings.text == "finetune" and ci.text == (
        "finetune" if model == "Bert_MAG" else "frozen"
    )
    build = network(registry.builder(model), settings, tiny_store)
    built = build()
    rate = getattr(settings, "lr_bert", settings.lr)
    rates = {
        id(p): group["lr"]
        for o in built.optimizers()
        for group in o.param_groups
        for p in group["params"]
    }
    queries = {
        n: p for n, p in built.named_parameters() if n.endswith("attention.self.query.weight")
    }
    assert queries and all(rates[id(p)] == rate for p in queries.values())
    after = train(build, StoreData(tiny_store), 1, tmp_path)[0].state_dict()
    for name, before in queries.items():  # Adam moves a weight by about its rate at most
        batches = -(-len(tiny_store.split("train")) // settings.training.batch_size)
        assert 0 < (after[name] - before).abs().max() <= 1.1 * batches * rate


def test_without_an_encoder_a_fine_tuned_run_is_one_clear_error(
    tiny_store, store, monkeypatch, tmp_path
):
    monkeypatch.setenv("AVMC_BERT", str(tmp_path / "nowhere"))
    real = dataclasses.replace(tiny_store, manifest={**tiny_store.manifest, "kind": "real"})
    with pytest.raises(InputError, match="nowhere: found no such folder"):
        run_one(Run("MISA", 1, FEW), StoreData(real), store)


def test_the_code_of_other_models_does_not_count():
    from avmc_core.codehash import closure

    modules = set(closure(["avmc_core.runs.execution", "avmc_core.models.avmc_networks"]))
    assert {"avmc_core.mixup", "avmc_core.runs.training"} <= modules
    assert not modules & {
        "avmc_core.metrics",
        "avmc_core.models.registry",
        "avmc_core.models.tfn",
        "avmc_core.drawing.figures",
        "avmc_core.commands.main",
    }


def test_a_failed_run_is_kept_with_its_reason(tiny_store, store, monkeypatch, never):
    run = Run("AV-MC", 1, (*FEW, ("lr", 1e30)))
    record = run_all([run], tiny_store, store, jobs=1, progress_bar=False)[run]
    assert record.status == "failed" and "loss is" in record.reason
    assert scores(record, tiny_store) == {}
    with pytest.raises(InputError, match="not failed"):
        record.predictions("test")
    never()
    assert run_all([run], tiny_store, store, jobs=1, progress_bar=False)[run].status == "failed"


def _same(path, root):
    from avmc_core.data.store import open_store

    run_one(GRID[1], StoreData(open_store(path)), RunStore(root))


def test_two_processes_at_the_same_run_agree(tiny_store, store):
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=_same, args=(tiny_store.path, store.root)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(600)
    assert [process.exitcode for process in both] == [0, 0]
    assert len(list(store)) == 1


def test_rubbish_in_the_store_is_named(tiny_store, store):
    record = run_all([GRID[0]], tiny_store, store, jobs=1, progress_bar=False)[GRID[0]]
    path = record.folder / "record.json"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(InputError, match=r"record\.json: found an unreadable record"):
        store.get(record.key)


def test_unknown_names_are_errors(tiny_store):
    with pytest.raises(InputError, match="model: found 'AVMC'"):
        Run("AVMC", 1).key(tiny_store)
    with pytest.raises(InputError, match="unknown setting 'learning_rate'"):
        Run("AV-MC", 1, (("learning_rate", 1.0),)).key(tiny_store)


@pytest.mark.parametrize("model", registry.MODELS)
def test_every_registered_model_runs(model, tiny_store, store):
    """One epoch of each at its published settings, from the registry to scores."""
    changes = () if hasattr(registry.builder(model), "fit_predict") else FEW
    assert registry.settings_of(model) is not None and sizes_of(tiny_store).train_clips == 24
    record = run_all([Run(model, 1, changes)], tiny_store, store, jobs=1, progress_bar=False)
    (record,) = record.values()
    assert record.status == "done", record.reason
    assert np.isfinite(scores(record, tiny_store)["M"]["MAE"])


def test_the_commit_of_a_project_around_the_package_is_not_its_own(tmp_path, monkeypatch):
    """For example, the package may be installed into an environment within another checkout."""
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "theirs"]):
        identity = ["-c", "user.name=x", "-c", "user.email=x@x"]
        subprocess.run(["git", "-C", tmp_path, *identity, *words], check=True)
    installed = tmp_path / "lib"
    installed.mkdir()
    monkeypatch.setattr(surroundings, "ROOT", installed)
    assert surroundings.commit.__wrapped__() == ""
    monkeypatch.setattr(surroundings, "ROOT", tmp_path.resolve())
    assert len(surroundings.commit.__wrapped__()) == 12
