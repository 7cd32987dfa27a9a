"""Models behave as they declare."""

from __future__ import annotations

import pytest
import torch

from avmc_core import schema
from avmc_core.errors import InputError
from avmc_core.models import registry
from avmc_core.models.base import Sizes
from avmc_core.models.registry import MODELS


@pytest.mark.parametrize("model", MODELS)
def test_declared_capabilities_are_those_of_the_model(model):
    """Unlabelled clips are read if and only if this is declared; a network is built with a text
    encoder if and only if it declares one."""
    settings, build = registry.settings_of(model), registry.builder(model)
    able = registry.capabilities(model, settings)
    assert able.trained is not hasattr(build, "fit_predict")
    if not able.trained:
        return
    assert able.pooler <= able.text_encoder and able.tokens <= able.text_encoder
    with torch.device("meta"):
        if able.text_encoder:
            with pytest.raises(InputError):
                build(settings, Sizes(train_clips=4))
            return
        network = build(settings, Sizes(train_clips=4))
    assert able.unlabelled is (schema.TRAIN_MIX in {single.split for single in network.passes(1)})
    unread = {"text", "audio", "vision"} - set(able.reads)
    averaged = {name for name in unread if getattr(network.inputs, name) in ("cls", "mean")}
    assert averaged == unread  # what is not read is handed over in its smallest form


def test_a_mode_of_the_text_changes_what_is_needed():
    for mode, expected in (
        ("frozen", (False, False)),
        ("frozen_dropout", (True, False)),
        ("finetune", (True, True)),
    ):
        settings = registry.settings_of("MISA", {"text": mode})
        able = registry.capabilities("MISA", settings)
        assert (able.text_encoder, able.tokens) == expected
