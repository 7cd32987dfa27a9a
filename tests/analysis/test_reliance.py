"""Reliance on a modality that a model does not read is 0, and Shapley values equal those that are
known."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from avmc_core import metrics, schema
from avmc_core.analysis.conditions import (
    ALL,
    COALITIONS,
    Plan,
    coalitions,
    disturbances,
    misheard,
)
from avmc_core.analysis.generating_rule import generating_rule
from avmc_core.analysis.perturbations import noised, permuted, removed, usual
from avmc_core.analysis.reliance import (
    hearing,
    kept_runs,
    losses,
    measure,
    measure_runs,
    remainder,
    shares,
)
from avmc_core.analysis.reliance_tables import loss_table, misheard_table, spared
from avmc_core.analysis.statistics import Interval
from avmc_core.errors import InputError
from avmc_core.runs.grid import run_all
from avmc_core.runs.scores import scores
from avmc_core.runs.store import Run, RunStore
from avmc_core.simulated.corpus import ensure_corpus
from avmc_core.simulated.label_model import joint

SPANS = {"text": 2, "audio": 3, "vision": 5}  # columns that the synthetic models read


def reader(*names: str):
    """Two "runs" whose prediction is the mean of some columns of some modalities."""

    def answer(clips):
        parts = [getattr(clips, name).mean()[:, : SPANS[name]].mean(axis=1) for name in names]
        said = np.sum(parts, axis=0)
        return {"+".join(names): np.stack([said, 0.5 * said])}

    return answer


@pytest.fixture(scope="module")
def test(tiny_store):
    return tiny_store.split("test")


@pytest.fixture(scope="module")
def average(tiny_store):
    return usual(tiny_store)


@pytest.fixture(scope="module")
def conditions(test, average):
    return [*coalitions(test, average), *disturbances(test, average, permutations=2)]


def test_what_is_lost_is_positive_in_every_metric(test, conditions):
    """If a model predicts the label exactly, changing a modality lowers Corr and raises the error:
    both count as positive losses."""
    lost = losses(measure(reader("audio"), test, conditions))
    shown = loss_table(lost, ["Corr", "MAE"]).set_index(["modality", "change"])
    plain = lost.set_index(["modality", "way", "metric"])["loss"]
    for (modality, way), row in shown.iterrows():
        found = plain[modality, way, "MAE"]
        assert row["MAE lost"].value == pytest.approx(-found.estimate)
        assert row["MAE lost"].low <= row["MAE lost"].value <= row["MAE lost"].high
        assert row["Corr lost"].value == pytest.approx(100 * plain[modality, way, "Corr"].estimate)
        assert "-0.000" not in str(row["MAE lost"]) or found.high > 0


@pytest.mark.parametrize("name", schema.MODALITIES)
def test_a_model_of_one_modality_relies_on_no_other(test, conditions, name):
    measured = measure(reader(name), test, conditions)
    lost, values = losses(measured), shares(measured)
    for other in schema.MODALITIES:
        own = [*lost.loc[lost["modality"] == other, "loss"]]
        assert len(own) == 3 * len(metrics.METRICS)
        own += [*values.loc[values["part"] == other, "value"]]
        sizes = [max(abs(x) for x in (i.estimate, i.low, i.high)) for i in own]
        assert max(sizes) > 0.01 if other == name else max(sizes) == 0


def test_shapley_values_add_up_exactly_and_are_means_over_orders(test, conditions):
    measured = measure(reader(*schema.MODALITIES), test, conditions)["text+audio+vision"]
    table = shares({"x": measured}).set_index(["metric", "part"])["value"]
    assert np.abs(remainder(shares({"x": measured}))).max() < 1e-12
    for metric in metrics.METRICS:
        value = {
            c: [_metric(run, metric) for run in measured.statistics["with", c]] for c in COALITIONS
        }
        for place, name in enumerate(schema.MODALITIES):
            steps = []
            for order in permutations(range(3)):
                before = [k in order[: order.index(place)] for k in range(3)]
                after = [there or k == place for k, there in enumerate(before)]
                steps.append(np.subtract(value[tuple(after)], value[tuple(before)]).mean())
            assert table[metric, name].estimate == pytest.approx(np.mean(steps), abs=1e-12)
        parts = sum(table[metric, name].estimate for name in schema.MODALITIES)
        whole = np.mean(value[ALL]) - np.mean(value[COALITIONS[0]])
        assert parts == pytest.approx(whole, abs=1e-12)
        assert table[metric, "all"].estimate - table[metric, "none"].estimate == pytest.approx(
            whole, abs=1e-12
        )


def _metric(statistics, name):
    return np.nan_to_num(metrics.aggregate(statistics)[name])


def test_trained_models_are_scored_as_their_runs_were(tiny_store, tmp_path, monkeypatch):
    """The intact condition gives the run's own score; a network that does not read a modality
    predicts the same with and without it."""
    one = (("training.max_epochs", 1),)
    grid = [
        Run("AV-MC", 1, one),
        Run("AV-MC", 2, one),
        Run("Unimodal LSTM", 1, one),
        Run("Text-only ridge", 1),
    ]
    records = run_all(grid, tiny_store, RunStore(tmp_path), jobs=1, progress_bar=False)

    plan = Plan(permutations=1, rates=())
    measured = measure_runs(records, tiny_store, plan, jobs=1)
    assert set(measured) == {"AV-MC", "Unimodal LSTM", "Text-only ridge"}
    intact = shares(measured).query("part == 'all' and metric == 'MAE'").set_index("name")["value"]
    for name in measured:
        found = [
            scores(r, tiny_store)["M"]["MAE"] for run, r in records.items() if run.name == name
        ]
        assert intact[name].estimate == pytest.approx(np.mean(found), abs=1e-6)
    lost = losses(measured).set_index(["name", "modality"])["loss"]
    for name in ("Unimodal LSTM", "Text-only ridge"):  # both read the text alone
        assert (
            max(abs(i.estimate) for modality in ("audio", "vision") for i in lost[name, modality])
            < 1e-6
        )
        assert max(abs(i.estimate) for i in lost[name, "text"]) > 1e-3
    assert hearing(measured).empty
    with monkeypatch.context() as patch:  # the last share comes back first
        patch.setattr(
            "avmc_core.analysis.reliance.side_by_side",
            lambda function, calls, jobs: (function(*call) for call in calls[::-1]),
        )
        shared = measure_runs(records, tiny_store, plan, jobs=2)
    assert [*shared] == [*measured]
    for name, one in measured.items():
        for condition, statistics in one.statistics.items():
            np.testing.assert_array_equal(shared[name].statistics[condition], statistics)

    monkeypatch.setenv("AVMC_HOME", str(tmp_path))
    for _ in range(2):  # computed, then found
        kept = kept_runs(records, tiny_store, plan)
        assert [*kept] == [*measured]
        for name, one in measured.items():
            assert [*kept[name].statistics] == [*one.statistics], "the same draws for each"
            np.testing.assert_array_equal(kept[name].groups, one.groups)
            for condition, statistics in one.statistics.items():
                np.testing.assert_array_equal(kept[name].statistics[condition], statistics)


def test_what_misheard_words_cost_is_set_against_a_reader():
    """Losses are positive in every metric; the word "less" appears only where the intervals do not
    overlap."""
    rows = [
        (name, "substitution", 0.4, metric, Interval(value, value - 0.01, value + 0.01))
        for name, corr, mae in (("hears", 0.02, -0.01), ("reads", 0.06, -0.02), ("more", 0.07, 0.0))
        for metric, value in (("Corr", corr), ("MAE", mae))
    ]
    table = pd.DataFrame(rows, columns=["name", "kind", "rate", "metric", "loss"])
    found = misheard_table(table, ["Corr", "MAE"], "substitution", 0.4).set_index("Model")
    assert found.loc["hears", "Corr lost"].value == pytest.approx(2.0)
    assert found.loc["hears", "MAE lost"].value == pytest.approx(0.01)
    cost = found["Corr lost"]
    assert spared(cost["hears"], cost["reads"]) == "less than"
    assert spared(cost["more"], cost["reads"]) == "no less than"
    assert spared(cost["reads"], cost["more"]) == "not clearly less than"


def test_recognition_errors_cost_nothing_where_the_text_is_not_read(tmp_path):
    corpus = ensure_corpus("tiny", tmp_path)
    clips, both = corpus.split("test"), ("text", "audio")
    conditions = [*misheard(clips, corpus, (0.2, 0.4))]
    lost = hearing(measure(lambda c: reader("text")(c) | reader("audio")(c), clips, conditions))
    assert len(lost) == len(both) * (1 + 3 * 2) * len(metrics.METRICS)
    sizes = (
        lost["loss"]
        .map(lambda i: max(abs(i.estimate), abs(i.low), abs(i.high)))
        .groupby(lost["name"])
        .max()
    )
    assert sizes["audio"] == 0 < sizes["text"]


def test_the_rule_is_the_expectation_and_forgets_what_is_removed(test, average):
    labels = test.labels[:, 1:]
    of_m = joint("test")[:, *schema.level(labels).T]  # (11, N)
    expected = schema.GRID @ of_m / of_m.sum(axis=0)
    np.testing.assert_allclose(generating_rule(test)["generating rule"][0], expected, atol=1e-12)
    blind = generating_rule(removed(test, ["text", "vision"], average))["generating rule"][0]
    assert len(np.unique(blind.round(9))) <= len(np.unique(labels[:, 1]))  # a function of A alone
    nothing = generating_rule(removed(test, schema.MODALITIES, average))["generating rule"][0]
    assert np.ptp(nothing) == 0


@pytest.mark.parametrize("name", schema.MODALITIES)
def test_what_is_removed_is_the_mean_clip_and_the_rest_stays(test, average, tiny_store, name):
    train = getattr(tiny_store.split("train"), name)
    mean = np.mean([train[row].mean(axis=0) for row in range(len(train))], axis=0)
    gone = removed(test, [name], average)
    for row in range(len(test)):
        steps = getattr(gone, name)[row]
        assert steps.shape == getattr(test, name)[row].shape
        np.testing.assert_allclose(
            steps[1:], np.tile(mean, (len(steps) - 1, 1)), rtol=1e-4, atol=1e-5
        )
    assert all(
        getattr(gone, other) is getattr(test, other) for other in schema.MODALITIES if other != name
    )
    task = {"text": 1, "audio": 2, "vision": 3}[name]
    assert (
        np.isnan(gone.labels[:, task]).all()
        and not np.isnan(np.delete(gone.labels, task, axis=1)).any()
    )


def test_removed_words_are_masked_for_models_that_read_tokens(test, average):
    gone, kept = removed(test, ["text"], average).tokens, removed(test, ["audio"], average).tokens
    assert kept is test.tokens
    for before, after in zip(test.tokens, gone, strict=True):
        length = before[1].sum()
        assert (after[0, 1 : length - 1] == average.mask).all()
        np.testing.assert_array_equal(
            np.delete(after[0], range(1, length - 1)), np.delete(before[0], range(1, length - 1))
        )
        np.testing.assert_array_equal(after[1:], before[1:])


@pytest.mark.parametrize("name", schema.MODALITIES)
def test_a_permutation_moves_every_clip_and_only_one_modality(test, name):
    moved = permuted(test, name, np.random.default_rng(0))
    for other in schema.MODALITIES:
        ours, theirs = getattr(moved, other), getattr(test, other)
        same = [np.array_equal(ours[row], theirs[row]) for row in range(len(test))]
        assert not any(same) if other == name else all(same)
    task = {"text": 1, "audio": 2, "vision": 3}[name]
    np.testing.assert_array_equal(np.sort(moved.labels[:, task]), np.sort(test.labels[:, task]))


@pytest.mark.parametrize("name", schema.MODALITIES)
def test_noise_has_the_size_that_is_stated(test, average, name):
    """Divided by the spread of the training clips, the shifts are standard normal times the scale,
    and the same at every step of a clip."""
    scale, rng = 2.0, np.random.default_rng(4)
    changed = noised(test, name, scale, average, rng)
    rows = np.flatnonzero(getattr(test, name).lengths > 1)
    shift = np.stack([getattr(changed, name)[r][-1] - getattr(test, name)[r][-1] for r in rows])
    first = np.stack([getattr(changed, name)[r][0] - getattr(test, name)[r][0] for r in rows])
    varies = average.spread[name] > 1e-3  # constant columns stay
    z = (shift / np.maximum(average.spread[name], 1e-9))[:, varies]
    assert z.mean() == pytest.approx(
        0, abs=4 * scale / np.sqrt(z.size)
    ) and z.std() == pytest.approx(scale, rel=0.1)
    at_first = average.spread["first" if name == "text" else name]
    np.testing.assert_allclose(first[:, varies], z * at_first[varies], atol=1e-2)
    assert noised(test, name, 0.0, average, rng).audio[3] == pytest.approx(test.audio[3])


def test_what_cannot_be_is_one_clear_error(test, average):
    with pytest.raises(InputError, match="'touch'"):
        removed(test, ["touch"], average)
    with pytest.raises(InputError, match="1 clips"):
        permuted(_one(test), "text", np.random.default_rng(0))


def _one(test):
    from avmc_core.analysis.recombination import crossed

    return crossed(test, [0], test, [0], test, [0])
