"""The joint distribution of the labels fits the real counts, and the counts fit the real table."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest

from avmc_core import schema
from avmc_core.data import label_sets
from avmc_core.errors import InputError
from avmc_core.simulated import label_model
from avmc_core.simulated.irony import interval_of_irony, ironic, weight_of_words
from avmc_core.simulated.label_counts import label_counts, shipped_counts

META = os.environ.get("AVMC_META")
# (11^4, 4) M, T, A, V
CELLS = np.stack(np.meshgrid(*[schema.GRID] * 4, indexing="ij")).reshape(4, -1).T
GROUPS = (*schema.SPLITS, label_model.PLACEHOLDERS)


def margin(p: np.ndarray, tasks: str) -> np.ndarray:
    return p.sum(axis=tuple(k for k, task in enumerate(schema.TASKS) if task not in tasks))


def moments(p: np.ndarray) -> tuple[np.ndarray, float]:
    """Least-squares coefficients of M on T, A, V under p, and the residual standard deviation."""
    weight = p.ravel()
    centred = (CELLS - weight @ CELLS).T
    covariance = (centred * weight) @ centred.T
    slopes = np.linalg.solve(covariance[1:, 1:], covariance[1:, 0])
    return slopes, float(np.sqrt(covariance[0, 0] - slopes @ covariance[1:, 0]))


# Counts


@pytest.mark.skipif(not META, reason="needs the real label table: set AVMC_META")
def test_shipped_counts_are_those_of_the_real_table():
    """All except M, whose counts are those of the relabelled set."""
    from avmc_core.data.released import read_meta

    table = read_meta(META)
    if label_sets.recognise(table).key != label_sets.MIXED:
        pytest.skip("the counts were made from the mixed table")
    found, shipped = label_counts(table), shipped_counts()
    for key in (
        "rows",
        "added",
        "four",
        "four_equal_labels",
        "videos",
        "sharing_a_video_with_train",
    ):
        assert found[key] == shipped[key], key
    assert found["basis"]["four"].startswith("The four labels of the 1932 new clips")


def test_shipped_counts_of_m_are_those_of_the_relabelled_set():
    counts, known = shipped_counts(), label_sets.of_set(label_sets.RELABELLED)
    for split in schema.SPLITS:
        assert counts["M"][split] == label_sets.total(known, split=split).tolist()
        assert (
            counts["rows"][split] == sum(counts["M"][split])
            and counts["neutral"][split] == counts["M"][split][5]
        )


def test_shipped_counts_of_the_four_labels_agree_with_one_another():
    four = shipped_counts()["four"]
    assert sum(four["rows"].values()) == np.sum(four["signs"]) == 1932
    for pair, table in four["pairs"].items():
        for axis, task in enumerate(pair):
            levels = np.sum([four["marginals"][split][task] for split in schema.SPLITS], axis=0)
            np.testing.assert_array_equal(np.sum(table, axis=1 - axis), levels)
    codes = np.sign(np.arange(11) - 5) + 1
    found = np.zeros((3, 3), int)
    np.add.at(found, np.ix_(codes, codes), np.array(four["pairs"]["MT"]))
    np.testing.assert_array_equal(found, np.sum(four["signs"], axis=(2, 3)))


def test_counts_of_a_small_table_by_hand():
    """Two clips with placeholder labels and three others; counts of M alone may come from another
    set."""
    rows = [
        ("a", "00001", "train", -1.0, 0.2, -0.4, -0.6),
        ("a", "00002", "test", 0.4, 0.4, 0.4, 0.2),
        ("b", "0003", "valid", 0.0, -0.2, 0.0, 0.2),
        ("c", "00004", "test", 0.6, 0.6, 0.6, 0.6),
        ("c", "00005", "test", -0.2, -0.2, -0.2, -0.2),
    ]
    table = pd.DataFrame(rows, columns=["video_id", "clip_id", "split", *schema.TASKS])
    other = table[["video_id", "clip_id", "M"]].assign(M=[-0.8, 0.0, 0.0, 0.6, -0.4]).iloc[::-1]
    counts = label_counts(table, other)
    assert counts["rows"] == {"train": 1, "valid": 1, "test": 3} and counts["added"] == 4
    assert (
        counts["M"]["train"][1] == 1
        and counts["M"]["test"][3] == counts["M"]["test"][5] == counts["M"]["test"][8] == 1
    )
    assert counts["neutral"] == {"train": 0, "valid": 1, "test": 1}
    assert (
        counts["placeholders"]["clips"] == 2
        and counts["placeholders"]["M"][3] == counts["placeholders"]["M"][8] == 1
    )
    assert counts["four"]["rows"] == {"train": 1, "valid": 1, "test": 1}
    assert counts["four"]["pairs"]["MT"][0][6] == 1 and np.sum(counts["four"]["pairs"]["AV"]) == 3
    assert counts["four"]["signs"][0][2][0][0] == counts["four"]["irony"]["clips"] == 1
    assert counts["four_equal_labels"] == {"placeholders": 2, "others": 0}
    # no share of no variance
    assert label_counts(table.assign(V=0.0))["four"]["within_videos"]["V"] is None
    with pytest.raises(InputError, match="no M of clip a/00001"):
        label_counts(table, other.iloc[:-1])
    with pytest.raises(InputError, match="no labelled row"):
        label_counts(table.assign(split="unlabelled"))


# Irony


def test_the_weight_of_words_is_what_was_put_in():
    """M = .3 T + .5 A + .4 V, but with -.1 T where the words contradict voice and face; without
    such a rule there is no change."""
    labels = np.random.default_rng(0).choice(schema.GRID, (500, 4))
    odd = ironic(labels)
    assert 0 < odd.sum() < 250 and not ironic(np.abs(labels)).any()
    additive = labels[:, 1:] @ [0.3, 0.5, 0.4]
    labels[:, 0] = additive
    np.testing.assert_allclose(weight_of_words(labels), [0.3, 0.0], atol=1e-12)
    labels[:, 0] = additive - 0.4 * labels[:, 1] * odd
    np.testing.assert_allclose(weight_of_words(labels), [0.3, -0.4], atol=1e-12)
    twice = np.concatenate([labels, labels[:100]])
    weights = np.r_[np.full(100, 2.0), np.ones(400)]
    labels[:, 0] += np.random.default_rng(1).standard_normal(500)
    twice[:, 0] = np.r_[labels[:, 0], labels[:100, 0]]
    np.testing.assert_allclose(weight_of_words(labels, weights), weight_of_words(twice))
    low, high = interval_of_irony(labels, np.arange(500) // 10, draws=200)
    assert low < weight_of_words(labels)[1] < high
    with pytest.raises(InputError, match="no clip whose words are against"):
        weight_of_words(np.abs(labels))


# The distribution


def test_pairwise_tables_and_signs_are_reproduced():
    p, four = label_model.joint(), shipped_counts()["four"]
    assert p.shape == (11,) * 4 and p.sum() == pytest.approx(1) and p.min() >= 0
    for pair, table in four["pairs"].items():
        assert np.abs(margin(p, pair) - np.array(table) / np.sum(table)).max() < 3e-4, pair
    codes = np.sign(np.arange(11) - 5) + 1
    signs = np.zeros((3,) * 4)
    np.add.at(signs, np.ix_(*[codes] * 4), p)
    assert np.abs(signs - np.array(four["signs"]) / np.sum(four["signs"])).max() < 3e-4


def test_multimodal_label_depends_on_the_others_as_in_the_real_table():
    """M ~ .28 T + .48 A + .42 V with a residual of .198, as least squares gives on the real new
    clips without placeholders.
    """
    slopes, residual = moments(label_model.joint())
    np.testing.assert_allclose(slopes, [0.278, 0.480, 0.420], atol=0.005)
    assert residual == pytest.approx(0.198, abs=0.003)


@pytest.mark.parametrize("group", [None, *schema.SPLITS])
def test_words_against_voice_and_face_count_as_little_as_in_the_real_table(group):
    irony = shipped_counts()["four"]["irony"]
    words, change = weight_of_words(CELLS, label_model.joint(group).ravel())
    low, high = irony["interval"]
    assert high < 0 and low < change < high
    assert words == pytest.approx(irony["words"], abs=0.02)
    share = label_model.joint(group).ravel()[ironic(CELLS)].sum()
    assert share == pytest.approx(irony["clips"] / 1932, abs=0.002)


@pytest.mark.parametrize("group", GROUPS)
def test_groups_have_their_own_m_and_the_rest_follows_it(group):
    """M has the counted frequencies in each group; T, A and V are as frequent at each M as in the
    real pairwise tables."""
    p, counts = label_model.joint(group), shipped_counts()
    placeholders = np.array(counts["placeholders"]["M"])
    own = (
        placeholders
        if group == label_model.PLACEHOLDERS
        else counts["M"][group] - placeholders * (group == "test")
    )
    assert np.abs(margin(p, "M") - own / own.sum()).max() < 1e-3
    for pair in ("MT", "MA", "MV"):
        given = margin(p, pair) / margin(p, "M")[:, None]
        table = margin(label_model.joint(), pair)
        np.testing.assert_allclose(given, table / table.sum(axis=1, keepdims=True), atol=1e-9)


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
    labels = np.array(
        [
            [0.0, 1.0, 1.0],
            [-1.0, -1.0, -1.0],
            [0.2, -0.4, 0.6],
            [np.nan, -0.4, np.nan],
            [np.nan] * 3,
        ]
    )
    for row, value in zip(labels, label_model.expected_multimodal(labels), strict=True):
        cells = tuple(slice(None) if np.isnan(label) else int(schema.level(label)) for label in row)
        conditional = p[:, *cells].reshape(len(schema.GRID), -1).sum(axis=1)
        assert value == pytest.approx((schema.GRID * conditional).sum() / conditional.sum())


def test_margins_that_disagree_are_refused():
    rows, cells = np.array([[0, 0], [1, 1]]), np.array([[0, 1], [2, 3]])
    with pytest.raises(InputError, match="margins off by"):
        margins = [(rows, np.array([0.5, 0.5])), (cells, np.array([0.6, 0.2, 0.1, 0.1]))]
        label_model.proportional_fit(np.full((2, 2), 0.25), margins)
    with pytest.raises(InputError, match="'unlabelled'"):
        label_model.joint("unlabelled")
