"""Measures of representations agree with scikit-learn, with naive formulas and with arrangements
whose measures are known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import pairwise_distances, silhouette_score

from avmc_core import schema
from avmc_core.analysis.representations import (
    MEASURES,
    alignment,
    change,
    embedding,
    interval,
    joined,
    kept_over_seeds,
    measures,
    of_run,
    over_seeds,
    reading,
    silhouette,
    untrained,
)
from avmc_core.analysis.statistics import Interval
from avmc_core.errors import InputError
from avmc_core.runs.grid import run_all
from avmc_core.runs.store import Run, RunStore

RNG = np.random.default_rng(8)
POINTS = {
    "text": RNG.normal(size=(40, 6)),
    "audio": RNG.normal(size=(40, 3)),
    "vision": RNG.normal(2, 3, (40, 4)),
}
ONCE = np.ones((1, 40))


@pytest.fixture(scope="module")
def trained(tiny_store, tmp_path_factory):
    one = (("training.max_epochs", 1),)
    grid = [
        Run("AV-MC", 1, (*one, ("variant", "paper"))),
        Run("Unimodal LSTM", 1, one),
        Run("Constant", 1),
    ]
    return run_all(
        grid, tiny_store, RunStore(tmp_path_factory.mktemp("runs")), jobs=1, progress_bar=False
    )


def test_silhouettes_are_scikit_learns_on_repeated_points():
    points, classes = RNG.normal(size=(30, 4)), np.repeat([0, 1, 2], 10)
    weights = np.stack([np.ones(30), RNG.integers(0, 4, 30)])
    ours = silhouette(pairwise_distances(points), classes, weights)
    for value, weight in zip(ours, weights.astype(int), strict=True):
        rows = np.repeat(np.arange(30), weight)
        assert value == pytest.approx(silhouette_score(points[rows], classes[rows]), abs=1e-9)


def test_alignment_is_that_of_the_naive_formula():
    """The HSIC of the centred N x N kernels, as in its definition."""
    x, y = POINTS["text"], POINTS["audio"]
    centre = np.eye(40) - 1 / 40
    k, l = centre @ x @ x.T @ centre, centre @ y @ y.T @ centre
    naive = np.trace(k @ l) / np.sqrt(np.trace(k @ k) * np.trace(l @ l))
    assert alignment(x, y) == pytest.approx(naive)
    assert measures(POINTS, ONCE)["alignment, text and audio"][0] == pytest.approx(naive)


def test_alignment_knows_no_rotation_scale_or_place():
    x = POINTS["text"]
    turn, _ = np.linalg.qr(RNG.normal(size=(6, 6)))
    assert alignment(x, 3 * x @ turn + 1) == pytest.approx(1)
    assert alignment(x, RNG.normal(size=(40, 6))) < 0.5


def test_measures_with_weights_are_those_of_repeated_clips():
    weight = RNG.integers(0, 4, 40)
    rows = np.repeat(np.arange(40), weight)
    repeated = {name: values[rows] for name, values in POINTS.items()}
    ours = measures(POINTS, weight[None].astype(float))
    theirs = measures(repeated, np.ones((1, len(rows))))
    assert {m: v[0] for m, v in ours.items()} == pytest.approx({m: v[0] for m, v in theirs.items()})


def test_spread_and_dimensions_of_known_clouds():
    """Variances as by numpy; a cloud with equal variance along d axes has d dimensions, and one
    along a line has one."""
    found, together = measures(POINTS, ONCE), joined(POINTS)
    for name, values in POINTS.items():
        share = values.var(axis=0).sum() / (3 * together.var(axis=0).sum())
        assert found[f"spread, {name}"][0] == pytest.approx(share)
    corners = np.array(np.meshgrid(*[[-1.0, 1.0]] * 3)).reshape(3, -1).T
    cloud = {"text": corners, "audio": np.outer(np.arange(8.0), [1, 2]), "vision": corners[:, :2]}
    found = measures(cloud, np.ones((1, 8)))
    assert [found[f"dimensions, {name}"][0] for name in cloud] == pytest.approx([3, 1, 2])


def test_far_apart_modalities_have_silhouette_1():
    far = {name: 1000 * k + POINTS["audio"] for k, name in enumerate(schema.MODALITIES)}
    assert measures(far, ONCE)[MEASURES[0]][0] > 0.99
    same = dict.fromkeys(schema.MODALITIES, POINTS["audio"])
    assert measures(same, ONCE)[MEASURES[0]][0] < 0.01


def test_intervals_find_a_change_that_is_there_and_none_that_is_not():
    near = [{n: v + 0.01 * RNG.normal(size=v.shape) for n, v in POINTS.items()} for _ in range(3)]
    wide = [{n: v + 20 * k for k, (n, v) in enumerate(points.items())} for points in near]
    table = over_seeds({"near": near, "wide": wide}, np.repeat(np.arange(10), 4), n=60)
    found = change(table["near"][MEASURES[0]], table["wide"][MEASURES[0]])
    assert found.low > 0 and reading(found) == "seen"
    assert found.estimate == pytest.approx(
        interval(table["wide"][MEASURES[0]]).estimate
        - interval(table["near"][MEASURES[0]]).estimate
    )
    nothing = change(
        table["near"]["alignment, text and audio"], table["wide"]["alignment, text and audio"]
    )
    assert nothing.low <= 0 <= nothing.high and reading(nothing).startswith("not seen")
    assert reading(Interval(-1, -2, -0.5)) == "the opposite"


def test_intervals_of_unrelated_arrangements_hold_their_estimate():
    """Two unrelated clouds look more alike in a resample than in all clips, because a resample has
    fewer different clips. Over many such pairs the interval nevertheless contains the mean
    alignment about as often as its level promises."""
    rng = np.random.default_rng(5)
    measure, ends, estimates, raw = "alignment, text and audio", [], [], []
    for _ in range(40):
        points = {name: rng.normal(size=(40, 8)) for name in schema.MODALITIES}
        values = over_seeds({"one": [points]}, np.arange(40), n=100)["one"][measure]
        found = interval(values)
        ends.append((found.low, found.high))
        estimates.append(found.estimate)
        raw.append(values[0, 1:].mean())
        assert found.low < found.estimate < found.high
    assert np.mean(raw) > np.mean(estimates) + 0.02, "the bias that is taken off is there"
    low, high = np.array(ends).T
    assert ((low < np.mean(estimates)) & (np.mean(estimates) < high)).mean() >= 0.85


def test_representations_are_what_the_heads_read(trained, tiny_store):
    """Each head applied to its representation gives the model's unimodal prediction again; before
    training the representations differ."""
    import torch

    from avmc_core.runs.grid import trained as network

    (run, record), *_ = trained.items()
    test = tiny_store.split("test")
    points, model = of_run(run, record, tiny_store, test), network(run, record, tiny_store)
    for task, modality in schema.MODALITY_OF_TASK.items():
        with torch.no_grad():
            said = model.classify(modality, torch.from_numpy(points[modality]).float()).numpy()
        np.testing.assert_allclose(said, record.predictions("test")[task], atol=1e-5)
    before = untrained(run, tiny_store, test)
    assert {n: v.shape for n, v in before.items()} == {n: v.shape for n, v in points.items()}
    assert all(np.abs(before[n] - points[n]).max() > 1e-4 for n in points)


def test_what_is_kept_is_what_is_computed(trained, tiny_store, tmp_path, monkeypatch):
    monkeypatch.setenv("AVMC_HOME", str(tmp_path))
    one = dict([next(iter(trained.items()))])
    test = tiny_store.split("test")
    groups = test.clips["video_id"].to_numpy()
    (run, record), *_ = one.items()
    for before, points in (
        (False, of_run(run, record, tiny_store, test)),
        (True, untrained(run, tiny_store, test)),
    ):
        wanted = over_seeds({run.name: [points]}, groups, 5, 3)
        for _ in range(2):
            found = kept_over_seeds(one, tiny_store, test, before, 5, 3)
            for measure, values in wanted[run.name].items():
                np.testing.assert_array_equal(found[run.name][measure], values)


def test_a_model_without_representations_is_one_clear_error(trained, tiny_store):
    for run, record in [*trained.items()][1:]:
        with pytest.raises(InputError, match="representation"):
            of_run(run, record, tiny_store, tiny_store.split("test"))


def test_the_embedding_is_the_same_each_time_and_can_be_trusted():
    flat, trust = embedding(POINTS, seed=3)
    again, _ = embedding(POINTS, seed=3)
    assert flat.shape == (120, 2) and 0.5 < trust <= 1
    np.testing.assert_array_equal(flat, again)
