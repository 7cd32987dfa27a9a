"""Settings that make no sense are refused wherever they are made, and everything published is
accepted."""

from __future__ import annotations

import pytest

from avmc_core.errors import InputError
from avmc_core.mixup import MixupSettings
from avmc_core.models.base import Training, Weights
from avmc_core.models.gated_memory import Layer
from avmc_core.models.registry import MODELS, settings_of
from avmc_core.runs.experiments import EXPERIMENTS

WRONG = [
    *(
        ("AV-MC", f"training.{name}", value)
        for name in ("batch_size", "accumulate", "patience")
        for value in (0, -3)
    ),
    *(("AV-MC", f"training.{name}", -1.0) for name in ("clip_value", "clip_norm")),
    *(
        ("AV-MC", name, value)
        for name in ("lr", "lr_audio")
        for value in (0.0, -1.0, float("nan"), float("inf"))
    ),
    *(
        ("AV-MC", name, value)
        for name in ("dropout", "post_dropout")
        for value in (1.0, 7.0, -0.1, float("nan"))
    ),
    *(("AV-MC", f"weights.{task}", float("nan")) for task in "MTAV"),
    ("AV-MC", "training.max_epochs", -1),
    ("AV-MC", "training.validation", "batch"),
    ("AV-MC", "mixup.alpha", 0.0),
    ("AV-MC", "mixup.beta", float("inf")),
    ("AV-MC", "mixup.level", "hiden"),
    ("AV-MC", "mix_weight_audio", -1.0),
    ("AV-MC", "variant", "papers"),
    ("AV-MC", "text", "finetune"),
    ("AV-MC", "text_hidden", 0),
    ("AV-MC", "decay", -1e-4),
    ("MFN", "keep.dropout", 2.0),
    ("MulT", "text_attention_dropout", 1.0),
    ("MMIM", "memory", 0),
    ("Layered LSTM", "modality", "text"),
    ("Layered LSTM", "layers", 0),
    ("Unimodal LSTM", "task", "X"),
]


@pytest.mark.parametrize(("model", "name", "value"), WRONG)
def test_a_wrong_value_is_named_with_what_is_expected(model, name, value):
    with pytest.raises(InputError) as error:
        settings_of(model, {name: value})
    assert error.value.where.split(".")[-1] == name.split(".")[-1]
    assert error.value.found == repr(value) and error.value.expected


@pytest.mark.parametrize("model", [name for name in MODELS if hasattr(settings_of(name), "lr")])
def test_every_trained_model_checks_what_they_share(model):
    for name, value in (("lr", -1.0), ("training.batch_size", 0), ("training.patience", 0)):
        with pytest.raises(InputError, match=name.split(".")[-1]):
            settings_of(model, {name: value})


def test_settings_made_directly_are_checked_too():
    for make in (
        lambda: Training(accumulate=0),
        lambda: Weights(M=float("nan"), T=0.0, A=0.0, V=0.0),
        lambda: MixupSettings(alpha=-1.0),
        lambda: Layer(0, 0.5),
    ):
        with pytest.raises(InputError):
            make()


@pytest.mark.parametrize("profile", ["ci", "full"])
def test_what_the_experiments_ask_for_is_accepted(profile):
    """This includes zeros that mean "off": no limit of epochs, a task without weight, no weight
    decay."""
    assert (
        settings_of(
            "AV-MC", {"weights.T": 0.0, "decay": 0.0, "dropout": 0.0, "training.max_epochs": 0}
        )
        is not None
    )
    for plan in EXPERIMENTS.values():
        assert all(run.settings is not None for run in plan.runs(profile))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"mixup": None}, "AVMCSettings.mixup: found None .*; expected a MixupSettings"),
        ({"lr": None}, "AVMCSettings.lr: found None .*; expected a float"),
        ({"lr.x": 1}, "AVMCSettings.lr: found a setting 'x' of it; expected a float"),
    ],
)
def test_a_change_that_does_not_fit_its_field_is_named(changes, message):
    with pytest.raises(InputError, match=message):
        settings_of("AV-MC", changes)
