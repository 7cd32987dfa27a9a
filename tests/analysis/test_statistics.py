"""The bootstrap agrees with scipy (without groups), with a naive loop over clusters, and with known
truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap

from avmc_core.analysis.statistics import Interval, bootstrap, percentile, prediction_interval
from avmc_core.errors import InputError
from avmc_core.metrics import aggregate, clip_statistics, evaluate


def sums(statistics: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    return statistics.sum(axis=-2) if weights is None else weights @ statistics


def mean(statistics: np.ndarray, weights: np.ndarray | None) -> dict[str, np.ndarray]:
    """The mean of the first statistic; the second is 1 for each clip."""
    total = sums(statistics, weights)
    return {"mean": total[..., 0] / total[..., 1]}


def with_ones(values: np.ndarray) -> np.ndarray:
    return np.stack([values, np.ones_like(values)], axis=-1)


def test_ungrouped_intervals_agree_with_scipy():
    """Without groups this is scipy's percentile bootstrap, for a mean and for the package's own
    metrics."""
    rng = np.random.default_rng(5)
    label = rng.uniform(-1, 1, size=200)
    prediction = 0.6 * label + 0.3 * rng.normal(size=200)
    ours = bootstrap(with_ones(label), mean, n=20000, seed=1)["mean"]
    theirs = scipy_bootstrap(
        (label,), np.mean, n_resamples=20000, method="percentile", rng=2
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs), abs=0.005)
    ours = bootstrap(clip_statistics(prediction, label), aggregate, n=10000, seed=1)
    for name in ("Acc2", "Corr", "MAE"):
        theirs = scipy_bootstrap(
            (prediction, label),
            lambda p, y, name=name: evaluate(p, y)[name],
            paired=True,
            vectorized=False,
            n_resamples=1500,
            method="percentile",
            rng=2,
        ).confidence_interval
        assert ours[name].estimate == pytest.approx(evaluate(prediction, label)[name])
        assert (ours[name].low, ours[name].high) == pytest.approx(tuple(theirs), abs=0.01)


def test_groups_are_drawn_whole():
    """Equal to a naive loop that draws videos of unequal size with replacement and concatenates
    their clips."""
    rng = np.random.default_rng(3)
    groups = np.repeat(np.array([f"v{i}" for i in range(30)]), rng.integers(1, 15, size=30))
    values = rng.normal(size=30)[np.unique(groups, return_inverse=True)[1]] + 0.3 * rng.normal(
        size=len(groups)
    )
    ours = bootstrap(with_ones(values), mean, groups, n=20000, seed=1)["mean"]
    names = np.unique(groups)
    naive = []
    for _ in range(4000):
        drawn = rng.choice(names, size=len(names))
        naive.append(np.mean(np.concatenate([values[groups == name] for name in drawn])))
    assert (ours.low, ours.high) == pytest.approx(np.quantile(naive, [0.025, 0.975]), abs=0.03)
    clips = bootstrap(with_ones(values), mean, n=2000, seed=1)["mean"]
    # what ignoring the videos would hide
    assert ours.high - ours.low > 1.3 * (clips.high - clips.low)


def test_intervals_cover_the_truth_under_clustering():
    """With 145 videos about 95 of 100 intervals contain the true mean, also when 20 runs are drawn
    as well."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(145), 7)
    single = joint = 0
    for i in range(200):
        clip = rng.normal(size=145)[groups] + rng.normal(size=len(groups))
        interval = bootstrap(with_ones(clip), mean, groups, n=500, seed=i)["mean"]
        single += interval.low <= 0 <= interval.high
        runs = clip + 0.1 * rng.normal(size=(20, 1))
        interval = bootstrap(with_ones(runs), mean, groups, n=500, seed=i)["mean"]
        joint += interval.low <= 0 <= interval.high
    assert 180 <= single <= 199
    assert 180 <= joint <= 199


def test_same_seed_same_interval_and_group_names_do_not_matter():
    rng = np.random.default_rng(1)
    values, groups = with_ones(rng.normal(size=60)), np.repeat(np.arange(12), 5)
    first = bootstrap(values, mean, groups, seed=4)["mean"]
    assert first == bootstrap(values, mean, groups, seed=4)["mean"]
    assert (
        first
        == bootstrap(
            values, mean, np.char.add("video", np.char.zfill(groups.astype(str), 2)), seed=4
        )["mean"]
    )
    assert first != bootstrap(values, mean, groups, seed=5)["mean"]


def test_degenerate_input_gives_values_or_nan_never_a_crash():
    constant = bootstrap(with_ones(np.full(10, 0.25)), mean, seed=0)["mean"]
    assert (constant.low, constant.estimate, constant.high) == pytest.approx((0.25, 0.25, 0.25))
    with np.errstate(invalid="ignore"):
        empty = bootstrap(np.zeros((10, 2)), mean, seed=0)["mean"]
    assert np.isnan([empty.estimate, empty.low, empty.high]).all()
    assert f"{empty:.2f}" == "–"
    assert percentile(np.array([1.0, np.nan, 1.0])) == (1.0, 1.0)
    assert f"{Interval(0.5, 0.25, 0.75):.2f}" == "0.50 [0.25, 0.75]"
    for bad in (np.zeros((0, 2)), np.zeros(3)):
        with pytest.raises(InputError, match="shape"):
            bootstrap(bad, mean)
    with pytest.raises(InputError, match="one for each clip"):
        bootstrap(np.ones((4, 2)), mean, np.arange(3))


@pytest.mark.parametrize("runs", [2, 3, 5])
def test_a_prediction_interval_holds_the_next_run_as_often_as_it_says(runs):
    """An interval of the mean would be too narrow: a printed figure has to be compared with the
    place where one more run would lie."""
    drawn = np.random.default_rng(runs).normal(3, 2, size=(4000, runs + 1))
    ends = np.array([prediction_interval(values[:-1], 0.9) for values in drawn])
    inside = np.mean((ends[:, 0] <= drawn[:, -1]) & (drawn[:, -1] <= ends[:, 1]))
    assert inside == pytest.approx(0.9, abs=0.015)
    assert np.isnan(prediction_interval([1.0])).all()
    assert np.isnan(prediction_interval([1.0, np.nan])).all()
