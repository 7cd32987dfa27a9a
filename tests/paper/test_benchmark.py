"""The benchmark: what it declares, its comparison with the published tables, and the unimodal
experiment."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from avmc_core import metrics, schema
from avmc_core.analysis.estimate import Cell
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.drawing.benchmark_figures import published_tables, unimodal
from avmc_core.models import registry
from avmc_core.paper import benchmark
from avmc_core.paper.difference_effects import VALIDATION_CHANGES, effects, mended_changes
from avmc_core.published import published
from avmc_core.publishing.tables import result_table
from avmc_core.runs.declaration import Experiment, Row
from avmc_core.runs.experiments import CI_LIMITS, EXPERIMENTS, MENDABLE, UNIMODAL, VALIDATED
from avmc_core.runs.grid import run_all
from avmc_core.runs.store import Run, RunStore
from avmc_core.settings import as_dict


def test_every_model_and_every_row_of_table_2_is_in_the_benchmark():
    rows = EXPERIMENTS["benchmark"].rows
    assert {row.model for row in rows} == set(registry.MODELS) - {"Unimodal LSTM", "Layered LSTM"}
    assert {row.published for row in rows if row.published} == set(
        published()["table2_benchmark"]["rows"]
    )
    assert len({row.name for row in rows}) == len(rows)


@pytest.mark.parametrize("model", MENDABLE)
def test_declared_differences_are_those_that_the_model_can_mend(model):
    known = import_module(registry.entry(model).module).MENDABLE
    assert {number for number in MENDABLE[model] if number != "D29"} == set(known)
    drops = registry.settings_of(model).training.drop_partial_group
    assert ("D29" in MENDABLE[model]) == drops


@pytest.mark.parametrize("profile", ["ci", "full"])
def test_a_mended_row_differs_from_the_same_run_in_what_is_mended_alone(profile):
    for run in EXPERIMENTS["mended"].runs(profile, (1,)):
        if run.name.endswith(" mended"):
            changed = dict(run.changes)
            assert set(changed.pop("mended", ())) == set(MENDABLE[run.model]) - {"D29"}
            assert changed.pop("training.drop_partial_group", True) == (
                "D29" not in MENDABLE[run.model]
            )
            same = next(r for r in EXPERIMENTS["mended"].runs(profile, (1,)) if r.name == run.model)
            assert changed == dict(same.changes)


def test_single_differences_add_up_to_the_mended_model(tiny_store):
    for model, numbers in MENDABLE.items():
        singles = [row for row in EXPERIMENTS["differences"].rows if row.model == model]
        assert len(singles) == len(numbers)
        assert all(len(row.changes) == 1 for row in singles)
    assert len({run.key(tiny_store) for run in EXPERIMENTS["differences"].runs("ci")}) == sum(
        map(len, MENDABLE.values())
    )


def test_a_joint_effect_is_one_row_of_its_model():
    """The joint effect of three defects is not the effect of any one of them."""
    changes = mended_changes()
    joint = [(what, numbers) for numbers, what, _, _ in changes if len(numbers) > 1]
    assert dict(joint) == {
        f"{model}: mended": numbers for model, numbers in MENDABLE.items() if len(numbers) > 1
    }
    assert len(joint) == len(dict(joint))
    for numbers, _, with_it, without in changes:
        assert with_it == (
            f"{without} mended"
            if numbers == MENDABLE[without]
            else f"{without}, {numbers[0]} mended"
        )


def test_an_effect_says_how_many_seeds_it_stands_on(tiny_store, tmp_path):
    rows = (Row("mended", "Constant"), Row("as run", "Text-only ridge"))
    records = run_all(
        Experiment("", "", rows).runs("full", (1, 2, 3)),
        tiny_store,
        RunStore(tmp_path),
        jobs=1,
        progress_bar=False,
    )
    change = [
        (("D01", "D02"), "One: mended", "mended", "as run"),
        (("D03",), "not run", "gone", "as run"),
    ]
    (effect,) = effects(records, tiny_store, change)
    assert (effect["numbers"], effect["seeds"]) == (["D01", "D02"], 3)
    fewer = {
        run: record for run, record in records.items() if run.name == "as run" or run.seed == 1
    }
    assert effects(fewer, tiny_store, change)[0]["seeds"] == 1


def test_limits_of_the_ci_profile_stay_there():
    runs = {profile: EXPERIMENTS["benchmark"].runs(profile, (1,)) for profile in ("ci", "full")}
    for short, whole in zip(runs["ci"], runs["full"], strict=True):
        if short.model in CI_LIMITS:
            assert (
                short.settings.training.max_epochs <= 20 and whole.settings.training.max_epochs == 0
            )
            assert whole.settings == registry.settings_of(short.model)


def test_at_ci_the_models_that_drop_an_incomplete_group_have_one():
    """Otherwise mending D29 would change nothing there (320 clips)."""
    for run in EXPERIMENTS["mended"].runs("ci"):
        if run.model in CI_LIMITS and (t := run.settings.training).accumulate > 1:
            assert -(-320 // t.batch_size) % t.accumulate != 0, run.name


def test_published_tables_against_each_other_agree_with_kendall():
    tables = benchmark.sources()
    assert (
        next(iter(tables.values()))["MISA"]["F1"] == 80.63
        and next(iter(tables.values()))["MISA"]["MAE"] == 0.314
    )
    for metric in ("Acc2", "Corr", "MAE"):
        for row in benchmark.reversals(tables, metric).itertuples():
            a, b = tables[row.first], tables[row.second]
            shared = [model for model in a if model in b]
            x, y = ([table[model][metric] for model in shared] for table in (a, b))
            signs = [
                np.sign(x[i] - x[j]) * np.sign(y[i] - y[j]) for i in range(len(x)) for j in range(i)
            ]
            assert (row.models, row.pairs, row.reversed) == (
                len(shared),
                len(signs),
                signs.count(-1),
            )
            if 0 not in signs:
                tau = kendalltau(x, y).statistic
                assert 1 - 2 * row.reversed / row.pairs == pytest.approx(tau)


def test_the_largest_difference_of_a_model_between_tables():
    tables = {
        "one": {"X": {"MAE": 0.3}, "Y": {"MAE": 0.1}},
        "two": {"X": {"MAE": 0.5}},
        "three": {"X": {"Acc2": 1.0}},
    }
    found = benchmark.disagreements(tables, "MAE")
    assert list(found.index) == ["X"]
    assert found.loc["X", "largest difference"] == pytest.approx(0.2) and np.isnan(
        found.loc["X", "three"]
    )


def test_a_baseline_that_loses_to_the_constant_is_explained_by_one_difference_or_not_at_all():
    table = pd.DataFrame(
        {"name": ["Constant", "A", "A mended", "B", "B mended"], "MAE": [0.5, 0.6, 0.4, 0.4, 0.7]}
    )
    found = benchmark.beats_constant(table, {"A": (), "B": ()}).set_index("model")
    assert list(found["as run beats it"]) == [False, True] and list(found["mended beats it"]) == [
        True,
        False,
    ]
    assert list(benchmark.beats_constant(table, {"A": (), "C": ()})["model"]) == ["A"], (
        "no run of C"
    )
    alone = pd.DataFrame(
        {"model": "A", "name": ["A, D1 mended", "A, D2 mended"], "MAE": [0.55, 0.45]}
    )
    said = "D2 alone may bring it below, by 0.050 in the one seed that was run"
    assert benchmark.explained("A", alone, 0.5) == said, "one seed explains nothing"
    twice = pd.concat([alone, alone.assign(MAE=alone["MAE"] - 0.01)])
    said = "D2 alone brings it below, by 0.055 in 2 of 2 seeds"
    assert benchmark.explained("A", twice, 0.5) == said
    assert benchmark.explained("A", alone, 0.4) == "unexplained by any single difference"


@pytest.fixture(scope="module")
def unimodal_records(tiny_store, tmp_path_factory):
    runs = [
        Run(row.model, 1, (*row.changes, ("training.max_epochs", 1)), row.name) for row in UNIMODAL
    ]
    return run_all(
        runs, tiny_store, RunStore(tmp_path_factory.mktemp("runs")), jobs=1, progress_bar=False
    )


def test_each_unimodal_row_is_scored_on_the_annotation_that_it_was_trained_on(
    unimodal_records, tiny_store
):
    """D13: not on M, as in the released log; clips with placeholder labels are left out."""
    split = tiny_store.split("test")
    summary = benchmark.all_tasks(unimodal_records, tiny_store)
    assert set(summary) == {row.name for row in UNIMODAL}
    for run, record in unimodal_records.items():
        task = run.settings.task
        keep = np.ones(len(split), bool) if task == "M" else ~placeholder_clips(split.clips)
        (predicted,) = record.predictions("test").values()
        expected = metrics.evaluate(predicted[keep], split.labels[keep, schema.TASKS.index(task)])
        assert summary[run.name]["MAE"].estimate == pytest.approx(expected["MAE"])
        assert record.history[0]["validation"] == pytest.approx(
            _mae(record, tiny_store, "valid", task), rel=1e-4
        )


def _mae(record, store, name, task):
    (predicted,) = record.predictions(name).values()
    return np.abs(predicted - store.split(name).labels[:, schema.TASKS.index(task)]).mean()


def test_table_3_has_all_its_cells_and_says_what_wav2vec_needs(unimodal_records, tiny_store):
    cells = benchmark.table_3(benchmark.all_tasks(unimodal_records, tiny_store))
    assert len(cells) == 4 * 2 * 4
    for cell in cells:
        assert (cell.value is None) == (cell.note == benchmark.NOT_RUN) == ("wav2vec" in cell.row)
    text = next(c for c in cells if c.row == "Text/default, multimodal" and c.metric == "MAE")
    assert text.published == 0.371
    shown = result_table(cells, "table3").words().set_index("Model")
    assert shown.loc["Acoustic/wav2vec 2.0, unimodal", "MAE ↓"] == "needs wav2vec features / 0.396"
    differences = benchmark.own_minus_whole(unimodal_records, tiny_store)
    of_text = (
        differences[differences["row"] == "Text/default"].set_index("metric")["Table 3"].round(3)
    )
    assert of_text["MAE"] == -0.119 and of_text["Corr"] == 15.96
    assert "14 of 16 (not in Acoustic/default: Corr; " in benchmark.easier(differences)
    ran = differences[differences["ours"].notna()]
    assert len(ran) == 12 and not ran["row"].str.contains("wav2vec").any()
    gap = ran.set_index(["row", "metric"]).loc[("Visual/default", "MAE"), "ours"]
    test = tiny_store.split("test")
    keep, errors = ~placeholder_clips(test.clips), {}
    for run, record in unimodal_records.items():
        if run.name.startswith("vision"):
            label = test.labels[keep, schema.TASKS.index(run.settings.task)]
            (predicted,) = record.predictions("test").values()
            errors[run.settings.task] = metrics.evaluate(predicted[keep], label)["MAE"]
    assert gap.estimate == pytest.approx(errors["V"] - errors["M"]), "on the same clips"
    unimodal(cells, ["Acc2", "MAE"])


def test_a_ranking_is_not_claimed_where_models_stop_at_different_limits():
    """At ``full`` all models stop by one rule; at ``ci`` a limit on epochs that does not exceed the
    patience of the rule keeps the rule from ever acting."""
    full, ci = (
        benchmark.stopping(EXPERIMENTS["benchmark"].runs(profile)) for profile in ("full", "ci")
    )
    assert full.startswith("One protocol") and ci.startswith("Not one protocol")
    capped = {model: dict(changes)["training.max_epochs"] for model, changes in CI_LIMITS.items()}
    patience = {model: registry.settings_of(model).training.patience for model in capped}
    short = [model for model in capped if capped[model] <= patience[model]]
    assert f"after {min(capped.values())} to " in ci and f"({', '.join(short)})" in ci


def test_the_constant_is_held_against_the_other_rows():
    def cells(*values):
        return [
            Cell(v, row=f"row {k}" if k else "Constant", metric="MAE") for k, v in enumerate(values)
        ]

    assert benchmark.beside_constant(cells(0.5, 0.6, None), "MAE").endswith(
        "has 0.500; rows with a better mean: 0 of 1."
    )
    assert benchmark.beside_constant(cells(0.5, 0.6, 0.4), "MAE").endswith(
        "a better mean: 1 of 2 (row 2)."
    )


def test_the_figure_of_published_tables_takes_models_that_one_table_lacks():
    published_tables(benchmark.sources(), ["MulT", "AV-MC"], ["Acc2", "MAE"], {})


def test_the_experiment_on_validation_changes_nothing_else():
    """D11 and D17: one setting differs from the benchmark's runs, in each of the three ways, and
    each effect names two rows."""
    plan = EXPERIMENTS["validation"]
    trained = {
        run.model: run
        for run in EXPERIMENTS["benchmark"].runs("ci", (1,))
        if run.name != "AV-MC (paper)"
    }
    ways = {}
    for run in plan.runs("ci", (1,)):
        own, published = (
            as_dict(registry.settings_of(r.model, dict(r.changes)))
            for r in (run, trained[run.model])
        )
        ways.setdefault(run.model, []).append(own["training"].pop("validation"))
        assert published["training"].pop("validation") == "clips" and own == published
    assert ways == {model: ["clips", "batches", "shuffled_batches"] for model in VALIDATED}
    assert {name for change in VALIDATION_CHANGES for name in change[2:]} == {
        row.name for row in plan.rows
    }
    assert {change[0] for change in VALIDATION_CHANGES} == {("D11",), ("D17",)}
