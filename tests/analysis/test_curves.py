"""Sentences about training curves, from histories in the form that the trainer writes."""

from __future__ import annotations

from types import SimpleNamespace

from avmc_core.analysis import curves

PAPER = [
    {
        "mixup.consistency_audio": 0.058,
        "mixup.consistency_vision": 0.040,
        "mixup.regression": 1.27,
        "mixup.total": 1.33,
        "regression.total": 9.0,
        "validation": 1.2,
    },
    {
        "mixup.consistency_audio": 0.012,
        "mixup.consistency_vision": 0.057,
        "mixup.regression": 0.82,
        "mixup.total": 0.86,
        "regression.total": 9.0,
        "validation": 0.9,
    },
    {"mixup.consistency_audio": 0.9, "mixup.consistency_vision": 0.9, "mixup.total": 3.0},
]
RELEASED = [
    {"mixup.mix_audio": 1.21, "mixup.mix_vision": 1.2, "mixup.regression": 1.19, "mixup.total": 3.6}
]


def finished(**histories):
    return {
        SimpleRun(name): SimpleNamespace(history=history) for name, history in histories.items()
    }


class SimpleRun(str):
    """A run that has only a name."""

    @property
    def name(self) -> str:
        return str(self)


class SeededRun(SimpleRun):
    """One with a seed as well."""

    seed = 3


def test_a_loss_that_begins_high_is_said_to_be_a_sum():
    """Only the first pass of an epoch counts, because the figure draws that one."""
    said = curves.highest_start(finished(paper=PAPER, released=RELEASED, ridge=[]))
    assert (
        "released, 3.60." in said and "(mix_audio 1.21, mix_vision 1.20, regression 1.19)" in said
    )
    assert curves.highest_start(finished(one=[{"train.total": 0.5}])).endswith("one, 0.50.")
    assert curves.highest_start(finished(ridge=[])) == ""


def test_a_consistency_that_grows_is_told_up_to_the_epoch_that_was_kept():
    said = curves.consistency_in_training(PAPER, 2)
    assert "audio from 0.058 to 0.012, vision from 0.040 to 0.057." in said
    assert "For vision the loss grew" in said and "regression loss went from 1.27 to 0.82." in said
    assert "grew" not in curves.consistency_in_training(PAPER, 1)
    assert curves.consistency_in_training(RELEASED, 1) == ""


def test_the_largest_jump_of_a_validation_loss_is_told_with_what_became_of_it():
    losses = {"calm": [1.0, 0.9, 0.8], "wild": [1.1, 0.9, 2.5, 0.7]}
    records = {
        SeededRun(name): SimpleNamespace(
            history=[{"validation": loss} for loss in row], best_epoch=len(row)
        )
        for name, row in losses.items()
    }
    said = curves.largest_jump(records)
    assert "wild with seed 3, in epoch 3: 0.90 before, 2.50 then, one epoch later 0.70." in said
    assert said.endswith("here epoch 4.")
    falling = {run: record for run, record in records.items() if run.name == "calm"}
    assert curves.largest_jump(falling).startswith("No validation loss rises")
    assert curves.largest_jump(finished(ridge=[])) == ""
