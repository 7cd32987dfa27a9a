"""Models are trained on data sets of other widths, annotations and label ranges, each at the sizes
of its own store, beside the simulated corpus."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import other_data_sets as made
import pandas as pd
import pytest
import released_factory as factory
import torch
from click.testing import CliRunner

from avmc_core.analysis import text_only
from avmc_core.analysis.conditions import Plan
from avmc_core.analysis.contrasts import contrasts, fixed_models
from avmc_core.analysis.generating_rule import measure_rule
from avmc_core.analysis.pairwise import compare_rows
from avmc_core.analysis.reliance import losses, measure_runs, shares
from avmc_core.analysis.reliance_tables import loss_table
from avmc_core.analysis.resplits import on_slices
from avmc_core.analysis.results import per_run, summarise
from avmc_core.analysis.scoring import score
from avmc_core.commands.main import main
from avmc_core.data.batches import SplitData
from avmc_core.data.exporting import export_released
from avmc_core.data.importing import import_released
from avmc_core.data.metric_conventions import MOSI, of_limit
from avmc_core.data.scoring_tables import read_labels
from avmc_core.errors import InputError
from avmc_core.models import registry
from avmc_core.runs.execution import sizes_of
from avmc_core.runs.experiments import experiment
from avmc_core.runs.grid import check_grid, run_all
from avmc_core.runs.scores import scores
from avmc_core.runs.store import Run, RunStore
from avmc_core.schema import SPLITS
from avmc_core.simulated.corpus import build_corpus
from avmc_core.simulated.settings import CorpusSettings

# No network, or one that needs a text encoder or features of several layers.
APART = ("Text-only ridge", "Late mean", "Bert_MAG", "Layered LSTM")
QUICK = (("training.batch_size", 12), ("training.max_epochs", 1))
ALL_FOUR = (
    Run("LF_DNN", 1, QUICK),
    Run("MulT", 1, QUICK),
    Run("MISA", 1, (*QUICK, ("text", "frozen"))),
    Run("AV-MC", 1, QUICK),
)
WITHOUT_UNIMODAL = (
    *ALL_FOUR[:3],
    Run("AV-MC", 1, (*QUICK, ("unimodal_tasks", False)), "AV-MC on M alone"),
)
DATA_SETS = {
    "CH-SIMS v1": (made.sims_v1(), ALL_FOUR),
    "MOSI, aligned": (made.mosi(aligned=True), WITHOUT_UNIMODAL),
    "MOSI, unaligned": (made.mosi(), WITHOUT_UNIMODAL),
    "MMSA-FET, 74 and 35 columns": (made.mmsa_fet(), ALL_FOUR),
}


def imported(folder, content):
    return import_released(
        folder / "store", factory.write(folder / "s.pkl", content, 5), progress=False
    )


@pytest.mark.parametrize("what", DATA_SETS)
def test_models_are_trained_at_the_sizes_of_the_store(tmp_path, what):
    content, grid = DATA_SETS[what]
    store = imported(tmp_path, content)
    done = CliRunner().invoke(main, ["data", "audit", str(store.path)])
    assert done.exit_code == 0, done.output
    assert f"data: imported store store ({store.digest[:8]})" in done.output
    sizes = sizes_of(store)
    for name in ("text", "audio", "vision"):
        assert getattr(sizes, name) == content["train"][name].shape[2]
    assert sizes.text_steps == content["train"]["text"].shape[1] and sizes.limit == store.limit
    runs = RunStore(tmp_path / "runs")
    records = run_all(list(grid), store, runs, jobs=1, progress_bar=False)
    assert [record.status for record in records.values()] == ["done"] * len(grid)
    table = per_run(grid, store, runs)
    assert table["MAE"].notna().all() and table["Corr"].notna().all()
    assert set(of_limit(store.limit).metrics) <= set(table.columns)
    assert ("Mult_acc_7" in table) == (store.limit == 3.0) == ("Acc2_weak" not in table)
    (first, second) = (run.name for run in grid[:2])
    names = list(of_limit(store.limit).metrics)
    compared = compare_rows(records, store, first, second, names)
    assert compared["metric"].tolist() == names and compared["p"].notna().all()
    summary = summarise(records, store, draws=20)
    assert summary[first]["MAE"].estimate == pytest.approx(table["MAE"][0])
    for record in records.values():
        for name in ("train", "valid", "test"):
            assert np.isfinite(record.predictions(name)["M"]).all()


def test_analyses_take_the_metrics_of_the_labels_range(tmp_path):
    """For models trained on labels from -3 to 3, slices, a family of comparisons, reliance and a
    file of predictions use the metrics of the run, or refuse in one sentence."""
    store = imported(tmp_path, made.mosi())
    grid = [Run("LF_DNN", 1, QUICK), Run("Text-only ridge", 1)]
    records = run_all(grid, store, RunStore(tmp_path / "runs"), jobs=1, progress_bar=False)
    expected = scores(records[grid[0]], store)["M"]
    names = [*MOSI.metrics]
    assert [*expected] == names
    whole = {name: found["LF_DNN"] for name, found in on_slices(records, store).items()}
    assert all([*found] == names for found in whole.values())
    pairs = [("LF_DNN", "Text-only ridge")]
    family = contrasts(records, store, pairs, names)
    ridge = scores(records[grid[1]], store)["M"]
    apart = [100 * (expected["Mult_acc_7"] - ridge["Mult_acc_7"]), expected["MAE"] - ridge["MAE"]]
    found = family.set_index("metric")["difference"]
    assert [found["Mult_acc_7"].estimate, found["MAE"].estimate] == pytest.approx(apart)
    assert fixed_models(records, store, pairs, names, 1).notna().all(axis=None)
    measured = measure_runs(records, store, Plan(permutations=1, rates=()), jobs=1)
    parts = shares(measured).set_index(["name", "metric", "part"])["value"]
    for name in ("Has0_acc_2", "Mult_acc_7", "MAE"):
        assert parts["LF_DNN", name, "all"].estimate == pytest.approx(expected[name], abs=1e-6)
    lost = losses(measured)
    assert set(lost["metric"]) == set(names)
    assert "Mult_acc_7 lost" in loss_table(lost, ["Mult_acc_7"])
    with pytest.raises(InputError, match="labels of M to 3; expected labels of M, T, A, V to 1"):
        measure_rule(store)
    clips = store.split("test").clips
    said = clips[["video_id", "clip_id"]].assign(M=records[grid[0]].predictions("test")["M"])
    (given,) = score(said, read_labels(store.path), draws=20).tasks
    assert {name: i.estimate for name, i in given.scores.items()} == pytest.approx(
        expected, nan_ok=True
    )
    every = pd.concat([store.split(name).clips for name in SPLITS])
    with pytest.raises(InputError, match=r"a label of size .*; expected labels from -1 to 1"):
        text_only.score(every, ("M",), n=20)


def test_the_simulated_corpus_is_trained_beside_them(tmp_path):
    """In one process and one run store: no property of the data is fixed for a whole checkout."""
    runs = RunStore(tmp_path / "runs")
    stores = [
        imported(tmp_path, made.mosi()),
        build_corpus(tmp_path / "corpus", CorpusSettings(size="tiny")),
    ]
    for store in (*stores, *stores):
        (record,) = run_all(
            [Run("LF_DNN", 1, QUICK)], store, runs, jobs=1, progress_bar=False
        ).values()
        assert record.status == "done" and record.data["digest"] == store.digest
    assert len(list(runs)) == 2


def test_what_needs_labels_that_are_not_there_is_left_out_with_the_reason(tmp_path):
    store = imported(tmp_path, made.mosi())
    left = experiment("benchmark").left_out(store, "ci")
    assert {name for name, why in left.items() if why == "no labels of T, A, V"} == {
        "Late mean",
        "MLF_DNN",
        "MTFN",
        "MLMF",
        "AV-MC (released)",
        "AV-MC (paper)",
        "AV-MC(Semi) (released)",
        "AV-MC(Semi) (paper)",
    }
    grid = experiment("benchmark").runs("ci", store=store)
    assert {run.name for run in grid}.isdisjoint(left) and "MulT" in {run.name for run in grid}
    ablation = experiment("table4")
    assert {run.name for run in ablation.runs("ci", store=store)} == {
        "w/o Mixup-AV & Unimodal tasks (released)",
        "w/o Mixup-AV & Unimodal tasks (paper)",
    }
    assert experiment("table3").left_out(store)["audio, annotation A"] == "no labels of A"
    assert "audio, annotation M" not in experiment("table3").left_out(store)
    with pytest.raises(InputError, match="no labels of T, A, V; expected a store with them"):
        check_grid([Run("AV-MC", 1)], store)


def test_without_tokens_models_that_read_them_are_left_out(tmp_path):
    """All others are trained; an export, which would have to invent tokens, refuses."""
    content = made.mosi()
    for part in content.values():
        del part["text_bert"]
    store = imported(tmp_path, content)
    left = experiment("benchmark").left_out(store)
    assert {name for name, why in left.items() if why == "no tokens of the text"} == {
        "Bert_MAG",
        "MISA",
        "MMIM",
        "Self_MM",
    }
    # the ci profile has three of them read stored states
    assert {*left} - {*experiment("benchmark").left_out(store, "ci")} == {"MISA", "MMIM", "Self_MM"}
    grid = {run.name for run in experiment("benchmark").runs("ci", store=store)}
    assert {"MISA", "MMIM", "Self_MM"} <= grid and "Bert_MAG" not in grid
    with pytest.raises(InputError, match="no tokens of the text; expected a store with them"):
        check_grid([Run("MISA", 1)], store)
    grid = WITHOUT_UNIMODAL  # MISA reads stored states here
    records = run_all([*grid], store, RunStore(tmp_path / "runs"), jobs=1, progress_bar=False)
    assert [record.status for record in records.values()] == ["done"] * len(grid)
    with pytest.raises(InputError, match="no tokens of the text"):
        export_released(store, tmp_path)


@pytest.mark.parametrize(
    "name", [name for name in registry.MODELS if name not in (*APART, "Constant")]
)
def test_every_model_says_which_annotations_it_learns_from(tmp_path, name):
    """On clips with M alone the loss of a model is a number if, and only if, the model declares
    that M suffices: others would be trained on NaN."""
    store = imported(tmp_path, made.mosi())
    settings = registry.settings_of(name)
    if getattr(settings, "text", "frozen") != "frozen":
        settings = registry.settings_of(name, {"text": "frozen"})
    torch.manual_seed(0)
    model = registry.builder(name)(settings, sizes_of(store))
    single = model.passes(1)[-1]
    model.begin_pass(single, 1)
    batch = SplitData(store.split("train"), model.inputs).batch(torch.arange(6))
    total = model.loss(batch, single.stage)["total"]
    assert bool(torch.isfinite(total)) == (registry.capabilities(name, settings).tasks == ("M",))


def test_the_recipe_in_contributing_runs(tmp_path, monkeypatch):
    """Each of its commands runs, in its order, on a generated file."""
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"```sh\n(avmc data import.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVMC_HOME", str(tmp_path / "home"))
    factory.write(tmp_path / "unaligned_50.pkl", made.mosi(), 5)
    said = []
    for line in recipe.splitlines():
        done = CliRunner().invoke(main, line.removeprefix("avmc ").split())
        assert done.exit_code == 0, done.output
        said.append(done.output)
    assert "taken for: the layout of CMU-MOSI" in said[0]
    assert "nothing is compared with the paper" in said[1]
    assert "left out: AV-MC (released): no labels of T, A, V" in said[2]
