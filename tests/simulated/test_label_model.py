"""The joint distribution of the labels fits the real counts, and the counts fit the real table."""

from __future__ import annotations

import os

import numpy as np
import pytest

from avmc_core import schema
from avmc_core.errors import InputError
from avmc_core.simulated import label_model

META = os.environ.get("AVMC_META")


def moments(p: np.ndarray) -> tuple[np.ndarray, float]:
    """Least-squares coefficients of M on T, A, V under p, and the residual standard deviation."""
    grids = np.stack(np.meshgrid(*[schema.GRID] * 4, indexing="ij")).reshape(4, -1)
    weight = p.ravel()
    centred = grids - (grids * weight).sum(1, keepdims=True)
    covariance = (centred * weight) @ centred.T
    slopes = np.linalg.solve(covariance[1:, 1:], covariance[1:, 0])
    return slopes, float(np.sqrt(covariance[0, 0] - slopes @ covariance[1:, 0]))


@pytest.mark.skipif(not META, reason="needs the real label table: set AVMC_META")
def test_shipped_counts_are_those_of_the_real_table():
    from avmc_core.data.released import read_meta

    assert label_model.label_counts(read_meta(META)) == label_model.shipped_counts()


def test_pairwise_tables_are_reproduced():
    p, counts = label_model.joint(), label_model.shipped_counts()
    assert p.shape == (11,) * 4 and p.sum() == pytest.approx(1) and p.min() >= 0
    for pair, table in counts["pairs"]["without_placeholders"].items():
        others = tuple(k for k, task in enumerate(schema.TASKS) if task not in pair)
        expected = np.array(table) / np.sum(table)
        assert np.abs(p.sum(axis=others) - expected).max() < 2e-4, pair


def test_multimodal_label_depends_on_the_others_as_in_the_real_table():
    """M ~ .33 T + .38 A + .41 V with a residual of .245, as least squares gives on the real rows without placeholders."""
    slopes, residual = moments(label_model.joint())
    np.testing.assert_allclose(slopes, [0.33, 0.38, 0.41], atol=0.01)
    assert residual == pytest.approx(0.245, abs=0.005)


@pytest.mark.parametrize("split", schema.SPLITS)
def test_splits_have_their_own_marginals(split):
    p, counts = label_model.joint(split), label_model.shipped_counts()["marginals"]
    for axis, task in enumerate(schema.TASKS):
        own = np.array(counts[split][task]) - np.array(counts["placeholders"][task]) * (split == "test")
        assert np.abs(p.sum(axis=tuple(k for k in range(4) if k != axis)) - own / own.sum()).max() < 1e-3


def test_sampling_follows_the_distribution():
    rng = np.random.default_rng(0)
    drawn = label_model.sample(rng, label_model.joint(), 20000)
    assert set(np.unique(drawn)) <= set(schema.GRID)
    for axis in range(4):
        found = np.bincount(schema.level(drawn[:, axis]), minlength=11) / len(drawn)
        expected = label_model.joint().sum(axis=tuple(k for k in range(4) if k != axis))
        assert np.abs(found - expected).max() < 0.01


def test_expected_multimodal_is_the_conditional_mean_over_what_is_known():
    p = label_model.joint()
    labels = np.array([[0.0, 1.0, 1.0], [-1.0, -1.0, -1.0], [0.2, -0.4, 0.6], [np.nan, -0.4, np.nan], [np.nan] * 3])
    for row, value in zip(labels, label_model.expected_multimodal(labels), strict=True):
        cells = tuple(slice(None) if np.isnan(label) else int(schema.level(label)) for label in row)
        conditional = p[:, *cells].reshape(len(schema.GRID), -1).sum(axis=1)
        assert value == pytest.approx((schema.GRID * conditional).sum() / conditional.sum())


def test_margins_that_disagree_are_refused():
    with pytest.raises(InputError, match="margins off by"):
        start = np.full((2, 2), 0.25)
        label_model.proportional_fit(start, {(0,): np.array([0.5, 0.5]), (0, 1): np.array([[0.6, 0.2], [0.1, 0.1]])})
