"""The table that compares simulated with real labels: its arithmetic is right, and the values are
close to their targets."""

from __future__ import annotations

import numpy as np
import pytest

from avmc_core import schema
from avmc_core.simulated.clips import simulate
from avmc_core.simulated.fit import correlation, fit
from avmc_core.simulated.label_counts import shipped_counts
from avmc_core.simulated.settings import CorpusSettings


def test_correlation_from_counts_is_that_of_the_clips():
    table = np.random.default_rng(0).integers(0, 5, (11, 11)) + 20 * np.eye(11, dtype=int)
    first, second = (
        np.repeat(schema.GRID[grid.ravel()], table.ravel()) for grid in np.indices((11, 11))
    )
    assert correlation(table) == pytest.approx(np.corrcoef(first, second)[0, 1])


def test_every_property_is_near_the_real_one():
    table = fit()
    close = {
        "ironic": 0.005,
        "irony": 0.1,
        "words": 0.03,
        "placeholder_intensity": 0.01,
        "weak": 0.01,
        "placeholders": 0.01,
    }
    for key, row in table.iterrows():
        if key == "against":
            assert row["simulated corpus"] == 0 and np.isnan(row["real labels"])
        else:
            assert row["simulated corpus"] == pytest.approx(
                row["real labels"], abs=close.get(key, 0.02)
            ), key


def test_real_figures_are_those_of_the_counts_and_simulated_ones_those_of_the_clips():
    table = fit(CorpusSettings("ci"))
    counts = shipped_counts()
    test = simulate(CorpusSettings("ci"))["test"]
    assert table.loc["within_M", "real labels"] == counts["within_videos"]
    assert table.loc["within_T", "real labels"] == counts["four"]["within_videos"]["T"]
    # the clips that the Acc2_weak of public results counts
    assert table.loc["weak", "real labels"] == 483 / 1034
    assert table.loc["weak", "simulated corpus"] == np.mean([abs(m) < 0.5 for m in test["M"]])
    copied = [abs(m) for m, copy in zip(test["M"], test["copied"], strict=True) if copy]
    assert table.loc["placeholder_intensity", "simulated corpus"] == pytest.approx(np.mean(copied))
