"""Faces are compared upright and at one size."""

from __future__ import annotations

import numpy as np
import pytest

from avmc_core.drawing.signal_figures import aligned


@pytest.mark.parametrize("angle", [-0.6, 0.0, 1.2])
def test_a_face_that_is_only_moved_turned_and_scaled_falls_on_the_other(angle):
    face = np.random.default_rng(0).normal(size=(68, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    np.testing.assert_allclose(aligned(1.7 * face @ turn.T + (3, -2), face), face, atol=1e-12)


def test_what_is_left_is_no_larger_than_by_any_other_turn():
    rng = np.random.default_rng(1)
    face, other = rng.normal(size=(2, 68, 2))
    left = np.square(aligned(face, other) - other).sum()
    for _ in range(200):
        a, b, x, y = rng.normal(size=4)
        moved = face @ np.array([[a, -b], [b, a]]).T + (x, y)
        assert np.square(moved - other).sum() >= left
