"""How a change of the initial weights grows: not at all without a change, and as much as two
trainings done by hand differ."""

from __future__ import annotations

import numpy as np

from avmc_core.analysis.sensitivity import growth
from avmc_core.models.registry import settings_of
from avmc_core.runs.execution import StoreData

SETTINGS = settings_of(
    "AV-MC", {"training.max_epochs": 3, "training.patience": 3, "training.batch_size": 8}
)


def test_no_change_grows_to_nothing(tiny_store):
    assert growth("AV-MC", SETTINGS, StoreData(tiny_store), 1, size=0.0).tolist() == [0.0, 0.0, 0.0]


def test_a_larger_change_is_seen_from_the_first_epoch_on(tiny_store):
    small, large = (
        growth("AV-MC", SETTINGS, StoreData(tiny_store), 1, size=size) for size in (1e-7, 1e-2)
    )
    assert len(small) == len(large) == 3
    assert np.all(large > 0) and large[0] > 100 * small[0]
