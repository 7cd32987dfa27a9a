"""Differences, families of comparisons and permutation tests agree with scipy, with naive loops and
with known truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import permutation_test as scipy_permutation

from avmc_core.analysis.comparison import Difference, compare, holm, permutation_test
from avmc_core.analysis.contrasts import ahead, detectable, estimates, family
from avmc_core.analysis.coverage import coverage, kept_rows, paired_coverage, paired_table, table
from avmc_core.analysis.statistics import Interval, bootstrap, comparable
from avmc_core.errors import InputError
from avmc_core.metrics import clip_statistics, evaluate


@pytest.fixture
def clips():
    """140 clips of 20 videos, and three runs each of a good and a bad model: label (N,), groups
    (N,), predictions (3, N) and (3, N)."""
    rng = np.random.default_rng(7)
    groups = np.repeat(np.arange(20), 7)
    label = np.clip(np.round(rng.normal(scale=0.6, size=140) * 5) / 5, -1, 1)
    good, bad = (label + noise * rng.normal(size=(3, 140)) for noise in (0.3, 0.6))
    return label, groups, good, bad


def statistics(predictions: np.ndarray, label: np.ndarray) -> np.ndarray:
    return np.stack([clip_statistics(p, label) for p in predictions])


def test_difference_against_a_naive_loop(clips):
    """A draw takes the same videos for both models, and runs for each model separately."""
    label, groups, good, bad = clips
    ours = compare(statistics(good, label), statistics(bad, label), groups, n=4000)["MAE"]
    rng = np.random.default_rng(1)
    draws, wins = [], []
    for _ in range(1500):
        rows = np.concatenate([np.flatnonzero(groups == v) for v in rng.integers(20, size=20)])
        scores = [
            [evaluate(model[r][rows], label[rows])["MAE"] for r in rng.integers(3, size=3)]
            for model in (good, bad)
        ]
        draws.append(np.mean(scores[0]) - np.mean(scores[1]))
        wins.append(np.mean(np.less.outer(*scores)))
    interval = ours.difference
    assert (interval.low, interval.high) == pytest.approx(
        np.quantile(draws, [0.025, 0.975]), abs=0.01
    )
    assert ours.improvement.estimate == 1.0 and np.mean(wins) > 0.99
    assert ours.better is True and ours.p < 0.01
    whole = [np.mean([evaluate(p, label)["MAE"] for p in model]) for model in (good, bad)]
    assert interval.estimate == pytest.approx(whole[0] - whole[1])


def test_a_model_against_itself_and_the_two_directions(clips):
    label, groups, good, bad = clips
    a, b = statistics(good, label), statistics(bad, label)
    same = compare(a, a, groups)
    for difference in same.values():
        assert difference.difference.estimate == 0 and difference.improvement.estimate == 0.5
        assert difference.better is None and difference.p > 0.3
    there, back = compare(a, b, groups), compare(b, a, groups)
    for name in there:
        assert there[name].difference.estimate == pytest.approx(-back[name].difference.estimate)
        assert there[name].improvement.estimate == pytest.approx(
            1 - back[name].improvement.estimate
        )


def test_a_model_that_says_the_same_of_every_clip_has_a_corr_of_0(clips):
    """Constant predictions count as a Corr of 0 in a mean (``comparable``). Where all labels are
    equal, neither model is better."""
    label, groups, good, _ = clips
    a, flat = statistics(good, label), statistics(np.full_like(good, 0.1), label)
    ours = compare(a, flat, groups)["Corr"]
    assert ours.better is True and compare(flat, a, groups)["Corr"].better is False
    assert ours.difference.estimate == pytest.approx(
        np.mean([evaluate(p, label)["Corr"] for p in good])
    )
    one_flat = np.concatenate([a[:2], flat[:1]])
    mean = sum(evaluate(p, label)["Corr"] for p in good[:2]) / 3
    assert bootstrap(one_flat, comparable, groups)["Corr"].estimate == pytest.approx(mean)
    assert compare(one_flat, flat, groups)["Corr"].difference.estimate == pytest.approx(mean)
    equal = np.zeros_like(label)
    nothing = compare(statistics(good, equal), statistics(np.full_like(good, 0.1), equal), groups)[
        "Corr"
    ]
    assert np.isnan(nothing.difference.estimate) and nothing.better is None


def test_better_says_nothing_without_an_interval():
    none, wide, low, high = (
        Interval(0.5, *ends) for ends in ((np.nan, np.nan), (0.4, 0.6), (0.1, 0.4), (0.6, 0.9))
    )
    found = [Difference(none, improvement, 1.0).better for improvement in (none, wide, low, high)]
    assert found == [None, None, False, True]


def test_pairing_narrows_the_interval(clips):
    """Two runs with nearly the same errors differ clearly, although the metric of each is
    uncertain."""
    label, groups, good, _ = clips
    worse = good + 0.02 * np.sign(good - label)
    a, b = statistics(good[:1], label), statistics(worse[:1], label)
    paired = compare(a, b, groups)["MAE"]
    alone = bootstrap(a, lambda s, w: {"MAE": _mae(s, w)}, groups)["MAE"]
    assert paired.better is True
    assert paired.difference.high - paired.difference.low < 0.3 * (alone.high - alone.low)


def _mae(s, w):
    from avmc_core.metrics import aggregate

    return aggregate(s, w)["MAE"]


def test_holm_against_its_definition():
    """Adjusted p below a level exactly for the hypotheses that the step-down procedure rejects at
    it."""
    rng = np.random.default_rng(2)
    for _ in range(50):
        p = dict(zip("abcdefg", rng.beta(0.4, 3, size=7), strict=True))
        adjusted = holm(p)
        for level in (0.01, 0.05, 0.2):
            rejected = set()
            for rank, name in enumerate(sorted(p, key=p.get)):
                if p[name] > level / (len(p) - rank):
                    break
                rejected.add(name)
            assert {name for name, value in adjusted.items() if value <= level} == rejected
    assert holm({"only": 0.03}) == {"only": 0.03}
    assert holm({"a": 0.01, "none": float("nan")}) == {"a": 0.02, "none": 1.0}
    assert holm({}) == {}


def test_permutation_test_against_scipy(clips):
    """Both swap the same paired predictions in all possible ways; for MAE and for a correlation."""
    label, _, good, bad = (x[..., :11] for x in clips)
    ours = permutation_test(good[0], bad[0], label, n=20_000)
    for name in ("MAE", "Corr"):
        theirs = scipy_permutation(
            (good[0], bad[0]),
            lambda a, b, name=name: abs(evaluate(a, label)[name] - evaluate(b, label)[name]),
            permutation_type="samples",
            alternative="greater",
            n_resamples=np.inf,
        )
        assert ours[name] == pytest.approx(theirs.pvalue, abs=0.02), name


def test_permutations_swap_whole_videos(clips):
    """A copied clip adds no information: when copies are grouped, they do not lower the p value."""
    label, _, good, bad = (x[..., :8] for x in clips)
    once = permutation_test(good[0], bad[0], label, n=20_000)["MAE"]
    copies = [np.repeat(x, 6) for x in (good[0], bad[0], label)]
    groups = np.repeat(np.arange(8), 6)
    assert permutation_test(*copies, groups, n=20_000)["MAE"] == pytest.approx(once, abs=0.02)
    assert permutation_test(*copies, n=2000)["MAE"] < 0.5 * once


def test_p_values_are_uniform_when_models_are_alike():
    """With two equally good models about one test in twenty has p below 0.05, for both kinds of
    test."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 3)
    swaps, draws = [], []
    for i in range(200):
        label = rng.normal(scale=0.5, size=120)
        a, b = label + 0.4 * rng.normal(size=(2, 120))
        swaps.append(permutation_test(a, b, label, groups, n=200, seed=i)["MAE"])
        draws.append(
            compare(
                clip_statistics(a, label)[None], clip_statistics(b, label)[None], groups, n=200
            )["MAE"].p
        )
    for values in (swaps, draws):
        assert 0.01 <= np.mean(np.array(values) <= 0.05) <= 0.10


def test_intervals_cover_the_truth():
    """145 videos, 20 seeds, 1,000 simulated experiments: 93 to 97 of 100 intervals contain the
    truth."""
    assert 0.93 <= coverage(20, simulations=1000) <= 0.97
    (row,) = table([3], simulations=20)
    assert row["seeds"] == 3 and 0.5 <= row["coverage"] <= 1 and row["simulations"] == 20


def test_intervals_of_differences_cover_as_far_as_seeds_tell():
    """With many seeds nearly all intervals contain the truth; three seeds that lie far apart are
    too few for that."""
    assert 0.93 <= paired_coverage(20, simulations=200, run_sd=0.01) <= 1.0
    assert 0.75 <= paired_coverage(3, simulations=200, run_sd=0.05) <= 0.93
    rows = paired_table((3,), (0.01, 0.03), simulations=5)
    assert [(row["runs apart"], row["seeds"]) for row in rows] == [(1.0, 3), (3.0, 3)]


def test_kept_rows_are_those_computed(tmp_path, monkeypatch):
    monkeypatch.setenv("AVMC_HOME", str(tmp_path))
    rows = paired_table((3,), (0.01,), simulations=5)
    assert kept_rows("it", lambda: rows) == rows
    assert kept_rows("it", lambda: 1 / 0) == rows


def test_a_detectable_difference_is_found_in_four_of_five_cases():
    """For normally distributed draws the interval has the width that the standard error implies."""
    error = 0.7
    shown = Interval(0.1, 0.1 - 1.96 * error, 0.1 + 1.96 * error)
    found = np.random.default_rng(0).normal(detectable(shown), error, 20_000)
    assert np.mean(np.abs(found) > 1.96 * error) == pytest.approx(0.8, abs=0.01)


def test_better_and_worse_are_told_apart_whichever_way_a_metric_points(clips):
    """Also where one side has a single run, as a model without a seed has; MAE points down."""
    label, groups, good, bad = clips
    models = {"good": statistics(good, label), "bad": statistics(bad[:1], label)}
    first, second = (
        family(models, groups, [pair], ["Corr", "MAE"])
        for pair in (("good", "bad"), ("bad", "good"))
    )
    assert ahead(first).endswith("of 2 comparisons, it is better in 2 and worse in 0")
    assert ahead(second).endswith("of 2 comparisons, it is better in 0 and worse in 2")
    equal = family(models, groups, [("good", "good")], ["Corr", "MAE"])
    assert ahead(equal).endswith("of 2 comparisons, it is better in 0 and worse in 0")
    assert "A is better in 2 and worse in 0 of these 2 comparisons" in estimates(first, "A")
    assert "B is better in 0 and worse in 2 of these 2 comparisons" in estimates(second, "B")
    assert "A is better in 0 and worse in 0 of these 2 comparisons" in estimates(equal, "A")


def test_clips_that_do_not_match_are_an_error(clips):
    label, groups, good, bad = clips
    with pytest.raises(InputError, match="the same clips"):
        compare(statistics(good, label), statistics(bad[:, :50], label[:50]))
    with pytest.raises(InputError, match="one for each clip"):
        compare(statistics(good, label), statistics(bad, label), groups[:-1])
