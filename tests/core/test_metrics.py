"""Metrics agree with scikit-learn, scipy and plain loops; resampling agrees with repeated rows;
degenerate cases are defined."""

from __future__ import annotations

import doctest
import itertools
import json
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error, r2_score

from avmc_core import clip_statistics as statistics_module
from avmc_core import metrics, schema
from avmc_core.errors import InputError
from avmc_core.home import resource_text
from avmc_core.metrics import (
    D14,
    METRICS,
    Conventions,
    aggregate,
    clip_statistics,
    evaluate,
    format_metric,
    reasons,
)
from avmc_core.settings import replace

CONVENTIONS = [
    Conventions(clip=clip, zero=zero, average=average, weak=weak)
    for clip, zero, average, weak in itertools.product(
        (True, False), statistics_module.ZERO, statistics_module.AVERAGES, (0.4, 0.6)
    )
]
# every boundary
EDGES = [0.0, -0.0, 0.1, -0.1, 0.4, -0.4, 0.6, -0.6, 0.7, -0.7, 1.0, -1.0, 1.01, -1.01, 3.0, -3.0]
values = st.sampled_from(EDGES) | st.floats(-3, 3, width=32)
labels = st.sampled_from([float(x) for x in schema.GRID] + [-0.1]) | values
clips = st.lists(st.tuples(values, labels), min_size=0, max_size=30)
dtypes = st.sampled_from([np.float32, np.float64])


def interval(x: float, bounds: list[float]) -> int:
    """Class of x among the half-open intervals (bounds[i], bounds[i + 1]]; x and bounds at single
    precision."""
    return next(
        i
        for i, (low, high) in enumerate(itertools.pairwise([-np.inf, *bounds, np.inf]))
        if np.float32(low) < np.float32(x) <= np.float32(high)
    )


def oracle(p: np.ndarray, y: np.ndarray, conventions: Conventions) -> dict[str, float]:
    """The eight metrics by scikit-learn and scipy, clip by clip; NaN where there is no clip to
    score."""
    p, y = p.astype(np.float64), y.astype(np.float64)
    if conventions.clip:
        p, y = np.array([min(max(x, -1), 1) for x in p]), np.array([min(max(x, -1), 1) for x in y])
    binary = [(bool(a > 0), bool(b > 0), abs(np.float32(b))) for a, b in zip(p, y, strict=True)]
    if conventions.zero == "excluded":
        binary = [row for row in binary if row[2] != 0]
    predicted, true = [row[0] for row in binary], [row[1] for row in binary]
    weak = [row for row in binary if row[2] <= np.float32(conventions.weak)]
    result = dict.fromkeys(METRICS, float("nan"))
    if binary:
        result["Acc2"] = accuracy_score(true, predicted)
        result["F1"] = f1_score(true, predicted, average=conventions.average, zero_division=np.nan)
    if weak:
        result["Acc2_weak"] = accuracy_score([row[1] for row in weak], [row[0] for row in weak])
    if len(y):
        for name, cuts in (("Acc3", [-0.1, 0.1]), ("Acc5", [-0.7, -0.1, 0.1, 0.7])):
            result[name] = accuracy_score(
                [interval(x, cuts) for x in y], [interval(x, cuts) for x in p]
            )
        result["MAE"] = mean_absolute_error(y, p)
    if len(set(y)) > 1:
        result["R2"] = r2_score(y, p)
        if len(set(p)) > 1:
            result["Corr"] = pearsonr(p, y).statistic
    return result


def assert_same(found: dict, expected: dict, rtol: float = 1e-9) -> None:
    assert list(found) == list(METRICS)
    for name in METRICS:
        np.testing.assert_allclose(found[name], expected[name], rtol=rtol, atol=1e-9, err_msg=name)


def spread_or_constant(*columns: np.ndarray) -> bool:
    """Each column is constant or varies enough: below that the oracles themselves lose digits, and
    warn."""
    return all(len(set(c)) <= 1 or np.std(c) > 1e-4 for c in map(np.asarray, columns))


@settings(max_examples=300, deadline=None)
@given(clips, dtypes, st.sampled_from(CONVENTIONS))
def test_equals_scikit_learn_and_scipy(rows, dtype, conventions):
    """All metrics, all conventions, with values on every boundary."""
    p, y = np.array(rows, dtype=dtype).reshape(-1, 2).T
    bounds = (-1, 1) if conventions.clip else (-9, 9)
    assume(spread_or_constant(np.clip(p, *bounds), np.clip(y, *bounds)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = evaluate(p, y, conventions)
        why = reasons(p, y, conventions)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn on a single class
        assert_same(found, oracle(p, y, conventions))
    assert set(why) == {name for name, value in found.items() if np.isnan(value)}
    assert all(why.values())


@pytest.mark.parametrize("conventions", CONVENTIONS)
def test_equals_the_oracles_at_the_size_of_the_test_split(conventions):
    rng = np.random.default_rng(1034)
    y = rng.choice(schema.GRID, 1034)
    p = (0.7 * y + rng.normal(0, 0.4, 1034)).astype(np.float32)
    assert_same(evaluate(p, y, conventions), oracle(p, y, conventions))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(values, labels, st.integers(0, 3)), min_size=1, max_size=20),
    st.sampled_from(CONVENTIONS),
)
def test_weights_equal_repeated_rows(rows, conventions):
    """A resample by counts is the evaluation of the repeated clips; a resample of nothing is NaN
    everywhere."""
    p, y = np.array([row[:2] for row in rows]).T
    counts = np.array([row[2] for row in rows])
    repeated = np.repeat(p, counts), np.repeat(y, counts)
    bounds = (-1, 1) if conventions.clip else (-9, 9)
    assume(spread_or_constant(*(np.clip(x, *bounds) for x in (p, y, *repeated))))
    found = aggregate(
        clip_statistics(p, y, conventions), [counts, np.zeros_like(counts)], conventions
    )
    assert_same(
        {name: value[0] for name, value in found.items()},
        evaluate(*repeated, conventions),
        rtol=1e-6,
    )
    assert all(np.isnan(value[1]) for value in found.values())


def test_many_runs_and_resamples_at_once():
    """Leading axes are runs: (S, N, K) with (R, N) counts gives (S, R), each cell the evaluation of
    its own clips."""
    rng = np.random.default_rng(0)
    y, runs = rng.choice(schema.GRID, 60), rng.uniform(-1, 1, (3, 60))
    draws = rng.integers(0, 60, (5, 60))
    counts = np.stack([np.bincount(draw, minlength=60) for draw in draws])
    found = aggregate(np.stack([clip_statistics(p, y) for p in runs]), counts)
    assert {value.shape for value in found.values()} == {(3, 5)}
    for s, r in itertools.product(range(3), range(5)):
        assert_same(
            {name: value[s, r] for name, value in found.items()},
            evaluate(runs[s, draws[r]], y[draws[r]]),
        )


def test_statistics_add_up_over_groups():
    """Summing rows by video and weighting videos equals weighting clips, which the cluster
    bootstrap relies on."""
    rng = np.random.default_rng(1)
    y, p, video = rng.choice(schema.GRID, 80), rng.uniform(-1, 1, 80), rng.integers(0, 9, 80)
    rows, counts = clip_statistics(p, y), rng.integers(0, 4, (6, 9))
    summed = np.stack([rows[video == v].sum(axis=0) for v in range(9)])
    assert_same(aggregate(summed, counts), aggregate(rows, counts[:, video]))


def test_tiny_spread_far_from_zero_keeps_its_digits():
    """Uncentred sums of squares would lose every digit of Corr and R2 here."""
    rng = np.random.default_rng(2)
    y = 0.9 + 1e-7 * rng.normal(size=500)
    p = y + 1e-7 * rng.normal(size=500)
    found = evaluate(p, y)
    assert found["Corr"] == pytest.approx(pearsonr(p, y).statistic, rel=1e-6)
    assert found["R2"] == pytest.approx(r2_score(y, p), rel=1e-6)


@pytest.mark.parametrize("value", [0.1, -0.7, 1 / 3, 1e-9, 0.0])
def test_constant_values_have_no_correlation(value):
    """Constant values are recognised although their mean is rounded, in the full data and in a
    resample."""
    constant, varied = np.full(97, value), np.linspace(-1, 1, 97)
    assert np.isnan(evaluate(constant, varied)["Corr"])
    assert np.isnan(evaluate(varied, constant)["Corr"]) and np.isnan(
        evaluate(varied, constant)["R2"]
    )
    half = np.where(np.arange(97) < 40, value, varied)
    found = aggregate(clip_statistics(varied, half), [(np.arange(97) < 40) * 1])
    assert np.isnan(found["Corr"][0]) and np.isnan(found["R2"][0])


def test_correlation_stays_within_one():
    """Rounding must not carry the Corr of proportional predictions past 1."""
    y = np.random.default_rng(4).uniform(-1, 1, (200, 7))
    assert {evaluate(0.3 * row, row)["Corr"] <= 1.0 for row in y} == {True}


@pytest.mark.parametrize(
    ("p", "y", "conventions", "expected"),
    [
        ([], [], D14, dict.fromkeys(METRICS, "no clips")),
        (
            [0.2],
            [0.2],
            D14,
            {
                "Corr": "all labels are equal; all predictions are equal",
                "R2": "all labels are equal",
            },
        ),
        ([0.3, 0.3], [0.2, -0.4], D14, {"Corr": "all predictions are equal"}),
        ([0.3, 0.4], [0.6, 0.8], D14, {"Acc2_weak": "no clip with |label| <= 0.4"}),
        ([0.3, 0.4], [0.6, 0.8], Conventions(weak=0.6), {}),
        ([2.0, 3.0], [0.2, 0.0], D14, {"Corr": "all predictions are equal"}),
        ([2.0, 3.0], [0.2, 0.0], Conventions(clip=False), {}),
        (
            [-0.3, -0.4],
            [-0.2, -0.4],
            Conventions(average="binary"),
            {"F1": "no positive label and no positive prediction"},
        ),
        (
            [0.1, -0.1],
            [0.0, 0.0],
            Conventions(zero="excluded"),
            {
                "Acc2": "every label is 0, and zeros are excluded",
                "F1": "every label is 0, and zeros are excluded",
                "Acc2_weak": "no clip with 0 < |label| <= 0.4",
                "Corr": "all labels are equal",
                "R2": "all labels are equal",
            },
        ),
    ],
)
def test_reasons(p, y, conventions, expected):
    """Exactly the undefined metrics are NaN, each with its reason."""
    assert reasons(p, y, conventions) == expected
    assert {name for name, value in evaluate(p, y, conventions).items() if np.isnan(value)} == set(
        expected
    )


def test_zero_counts_as_negative():
    """D14: a neutral clip counts as right when the prediction is not positive (Has0, in contrast to
    Non0)."""
    p, y = [-0.5, 0.5, 0.0, 0.5], [0.0, 0.0, 0.0, 1.0]
    assert evaluate(p, y)["Acc2"] == 0.75
    assert evaluate(p, y, Conventions(zero="excluded"))["Acc2"] == 1.0


@pytest.mark.parametrize("weak", [0.4, 0.6])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_weak_band_includes_its_ends_at_both_precisions(weak, kind):
    """float32(0.4) exceeds 0.4 in float64: storage in float32 must not move a label out of the weak
    band."""
    y = schema.GRID.astype(kind)
    for stored in (y, y.astype(np.float64)):  # the second keeps what float32 made of 0.4
        rows = clip_statistics(np.zeros(11), stored, Conventions(weak=weak))
        assert rows[:, statistics_module.COLUMNS.index("weak")].sum() == round(weak * 10) + 1


def test_five_classes_are_those_of_section_3_2():
    y = np.append(schema.GRID, -0.1)
    for label in y:
        same = clip_statistics(y, np.full(12, label))[
            :, statistics_module.COLUMNS.index("correct5")
        ]
        assert (same == (schema.sentiment_class(y) == schema.sentiment_class([label]))).all()


def test_mean_predictor_has_r2_zero():
    """The trivial solution of Section 5.1 scores 0, and predicting the labels scores 1."""
    y = np.random.default_rng(3).choice(schema.GRID, 200)
    assert evaluate(np.full(200, y.mean()), y)["R2"] == pytest.approx(0, abs=1e-12)
    assert evaluate(y, y) == pytest.approx(dict.fromkeys(METRICS, 1.0) | {"MAE": 0.0})


@pytest.mark.parametrize(
    ("p", "y", "message"),
    [
        ([0.1, np.nan, np.inf], [0.0] * 3, "prediction: found 2 of 3 values NaN or infinite"),
        ([0.1, 0.2], [0.0, np.nan], "label: found 1 of 2 values NaN or infinite"),
        ([0.1], [0.0, 0.2], "prediction: found 1 values; expected 2, one for each label"),
        ([[0.1]], [0.0], r"prediction: found shape \(1, 1\)"),
        (["a"], [0.0], "prediction: found values that are not numbers"),
    ],
)
def test_bad_values_are_named(p, y, message):
    for function in (clip_statistics, evaluate, reasons):
        with pytest.raises(InputError, match=message):
            function(p, y)


@pytest.mark.parametrize("weights", [[1, 1], [[1]], [[1, -1]], [[1, np.nan]], [[1, np.inf]]])
def test_bad_weights_are_refused(weights):
    with pytest.raises(InputError, match="weights"):
        aggregate(clip_statistics([0.1, 0.2], [0.0, 0.2]), weights)


@pytest.mark.parametrize(
    "change",
    [
        {"zero": "positive"},
        {"average": "micro"},
        {"weak": -0.1},
        {"cuts3": [0.1]},
        {"cuts5": [0.7, 0.1, 0, -1]},
    ],
)
def test_bad_conventions_are_refused(change):
    with pytest.raises(InputError, match=next(iter(change))):
        replace(D14, change)


def test_columns_are_those_of_the_published_table():
    """Names line up with the paper's Table 2, as the package carries it."""
    published = json.loads(resource_text("published.json"))
    assert published["table2_benchmark"]["metrics"] == [
        m.column for m in METRICS.values() if m.column
    ]
    assert [name for name, m in METRICS.items() if not m.higher_is_better] == ["MAE"]


def test_format():
    assert format_metric("R2", -0.12345) == "-12.35" and format_metric("R2", -0.000001) == "0.00"
    assert format_metric("MAE", 0.2966) == "0.297" and format_metric("F1", 1.0) == "100.00"
    with pytest.raises(InputError, match="'Acc7'"):
        format_metric("Acc7", 0.5)


def test_examples_in_docstrings():
    result = doctest.testmod(metrics)
    assert result.failed == 0 and result.attempted >= 6
