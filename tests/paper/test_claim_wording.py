"""What a row of the ledger says: figures as the paper prints them, findings that are computed, and
our readings marked as ours."""

from __future__ import annotations

import numpy as np
import pytest

from avmc_core import published
from avmc_core.paper import claim_arithmetic, claims


@pytest.fixture(scope="module")
def shipped():
    return claims.ledger(claims.gather())


def test_what_is_found_is_computed_and_printed_figures_stand_as_printed(shipped):
    """The levels against an even grid, the distances from balance by hand, and the digits of the
    paper's Tables 2 and 4 and of its Section 5.4, zeros included."""
    rulings = {ruling.claim.key: ruling for ruling in shipped}
    levels = [x for values in published.text_figure("classes")[0].values() for x in values]
    assert sorted(levels) == pytest.approx(np.linspace(-1, 1, 11))
    assert (
        rulings["classes-cover-grid"].found
        == "11 levels from -1 to 1, 11 different, in steps of 0.2"
    )
    assert (
        rulings["better-balanced"].found == "16.59 points from balance (100 %) against 43.62"
    )  # 100 - 83.41 and 100 - 56.38
    assert rulings["decline-wording"].printed == "Acc2 4.80 %, Acc2_weak 5.84 %, MAE 11.08 %"
    assert rulings["decline-wording"].found.startswith("Acc2 4.58 %, Acc2_weak 5.51 %, MAE 12.46 %")
    assert rulings["table4-full-model"].printed == (
        "Acc2 82.50, F1_score 82.55, Acc2_weak 74.54, Corr 73.17, R_square 50.65, MAE 0.297"
    )


def test_an_absent_step_of_the_levels_is_found(monkeypatch):
    """The check fails for a list that leaves a level out."""
    kept = claim_arithmetic.figure
    short = {**kept("classes"), "neutral": []}
    monkeypatch.setattr(
        claim_arithmetic, "figure", lambda name: short if name == "classes" else kept(name)
    )
    outcome = claim_arithmetic.classes_cover_grid()
    assert not outcome.holds and outcome.found.endswith("in steps of 0.2, 0.4")


def test_a_reading_of_ours_is_marked_as_one(shipped):
    """What the paper says less sharply than the check decides it."""
    says = {ruling.claim.key: ruling.claim.says for ruling in shipped}
    ours = ("weak-accuracy-low", "acoustic-worst", "largest-gain", "weak-text-reliance")
    ours += tuple(
        key for key in says if key.startswith("unimodal-labels-help") and "run" not in key
    )
    ours += tuple(
        key
        for key in says
        if key.startswith("unimodal-annotation-better") and not key.endswith("-run")
    )
    assert len(ours) == 11 and all("(read as: " in says[key] for key in ours)
