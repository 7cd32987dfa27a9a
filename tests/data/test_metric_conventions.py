"""Labels from -3 to 3 are scored as MMSA scores CMU-MOSI; compared with values computed by hand,
and with scikit-learn and numpy on many clips."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import accuracy_score, f1_score

from avmc_core import metrics
from avmc_core.analysis.comparison import compare, permutation_test
from avmc_core.analysis.statistics import bootstrap, comparable
from avmc_core.clip_statistics import clip_statistics
from avmc_core.data.metric_conventions import ALL, MOSI, SIMS, of_limit
from avmc_core.errors import InputError

# Eight clips: two labels are 0, one prediction is exactly 0, halves round to the even number, and
# one prediction lies beyond 3.
LABEL = [-3.0, -1.4, 0.0, 0.0, 0.5, 1.5, 2.4, 3.0]
SAID = [-2.6, 0.2, -0.2, 0.0, 1.0, 2.0, 2.5, 4.0]


def test_mosi_metrics_by_hand():
    """Not negative (>= 0): labels  N N P P P P P P, said  N P N P P P P P: 6 of 8 right;
    P: tp 5, fp 1, fn 1, so F1 10/12, support 6; N: tp 1, fp 1, fn 1, F1 2/4, support 2.
    Without zeros: labels N N P P P P, said N P P P P P: 5 of 6; P: F1 8/9, support 4; N: F1 2/3,
    support 2. Seven classes: labels -3 -1 0 0 0 2 2 3, said -3 0 0 0 1 2 2 3: 6 of 8. Five: labels
    -2 -1 0 0 0 2 2 2 (2.4 is cut to 2), said -2 0 0 0 1 2 2 2: 6 of 8."""
    found = MOSI.evaluate(SAID, LABEL)
    expected = {
        "Has0_acc_2": 6 / 8,
        "Has0_F1_score": (6 * (10 / 12) + 2 * (2 / 4)) / 8,
        "Non0_acc_2": 5 / 6,
        "Non0_F1_score": (4 * (8 / 9) + 2 * (2 / 3)) / 6,
        "Mult_acc_5": 6 / 8,
        "Mult_acc_7": 6 / 8,
        "MAE": (0.4 + 1.6 + 0.2 + 0.0 + 0.5 + 0.5 + 0.1 + 1.0) / 8,
        "Corr": pearsonr(SAID, LABEL)[0],
    }
    assert found == pytest.approx(expected) and list(found) == list(MOSI.metrics)


def test_classes_differ_where_strong_labels_do():
    """2 and 3 are one class of the five and two of the seven."""
    found = MOSI.evaluate([2.0, -2.0], [3.0, -3.0])
    assert (found["Mult_acc_5"], found["Mult_acc_7"]) == (1.0, 0.0)


@pytest.mark.parametrize("seed", range(5))
def test_mosi_metrics_against_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    y = rng.choice(np.arange(-30, 31) / 10, 200).astype(np.float32)
    p = np.where(rng.random(200) < 0.2, np.round(y), y + rng.normal(0, 1.5, 200)).astype(np.float32)
    found, there = MOSI.evaluate(p, y), y != 0
    expected = {
        "Has0_acc_2": accuracy_score(y >= 0, p >= 0),
        "Has0_F1_score": f1_score(y >= 0, p >= 0, average="weighted"),
        "Non0_acc_2": accuracy_score(y[there] > 0, p[there] > 0),
        "Non0_F1_score": f1_score(y[there] > 0, p[there] > 0, average="weighted"),
        "Mult_acc_5": np.mean(np.round(p.clip(-2, 2)) == np.round(y.clip(-2, 2))),
        "Mult_acc_7": np.mean(np.round(p.clip(-3, 3)) == np.round(y.clip(-3, 3))),
        "MAE": np.abs(p.astype(float) - y).mean(),
        "Corr": pearsonr(p.astype(float), y.astype(float))[0],
    }
    assert found == pytest.approx(expected)


def test_the_range_decides_the_convention():
    assert of_limit(1.0) is SIMS and of_limit(3.0) is MOSI
    rng = np.random.default_rng(0)
    p, y = rng.uniform(-1, 1, (2, 50))
    assert SIMS.evaluate(p, y) == metrics.evaluate(p, y)
    assert np.array_equal(SIMS.statistics(p, y), clip_statistics(p, y))
    assert set(ALL) == set(MOSI.metrics) | set(metrics.METRICS)
    with pytest.raises(InputError, match="NaN or infinite"):
        MOSI.evaluate([np.nan], [1.0])


def test_equal_predictions_count_as_corr_of_zero_in_both():
    """In a mean over runs; equal labels leave it undefined."""
    y = np.array([-2.0, 0.0, 1.0, 3.0])
    for convention, labels in ((SIMS, y / 3), (MOSI, y)):
        flat = convention.statistics(np.ones(4), labels)
        assert np.isnan(convention.aggregate(flat)["Corr"])
        assert comparable(flat, None, convention)["Corr"] == 0
        same = convention.statistics(labels, np.ones(4))
        assert np.isnan(comparable(same, None, convention)["Corr"])


def test_intervals_and_comparisons_take_the_convention():
    """A better model is better in every metric, and the interval contains the model's own
    figure."""
    rng = np.random.default_rng(3)
    y = rng.choice(np.arange(-30, 31) / 10, 300)
    good, bad = (y + rng.normal(0, sd, 300) for sd in (0.3, 3.0))
    a, b = (MOSI.statistics(p, y)[None] for p in (good, bad))
    found = compare(a, b, convention=MOSI, n=200)
    assert list(found) == list(MOSI.metrics) and all(d.better for d in found.values())
    p = permutation_test(good, bad, y, n=200, convention=MOSI)
    assert max(p.values()) < 0.05
    interval = bootstrap(a, lambda s, w: comparable(s, w, MOSI), n=200)["Mult_acc_7"]
    assert interval.low < MOSI.evaluate(good, y)["Mult_acc_7"] < interval.high
