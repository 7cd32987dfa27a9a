"""At the dataset's sizes the baselines have as many parameters as the reference, in the same
optimiser groups."""

from __future__ import annotations

import pytest
import torch
from baseline_cases import MODELS

from avmc_core.models import mult
from avmc_core.models.base import Sizes
from avmc_core.models.lmf import LowRankFusion
from avmc_core.models.mult import EncoderLayer

TRAINABLE = {
    "LF_DNN": 265_589,
    "TFN": 18_109_461,
    "LMF": 239_173,
    "MLF_DNN": 554_420,
    "MTFN": 2_584_032,
    "MLMF": 239_624,
    "MFN": 906_481,
    "Graph_MFN": 925_724,
    "MulT": 985_141,
}
FROZEN = {"Graph_MFN": 66_128}  # the graph nodes that the reference forgets to register (D22)

# parameter names that start so: learning rate and weight decay; the longest match counts, None is
# in no group
GROUPS = {
    "LF_DNN": {"": (5e-3, 0)},
    "TFN": {"": (2e-3, 0)},
    "LMF": {"": (2e-3, 1e-4), "fusion.factors": (5e-4, 1e-4), "fusion.combine": None},
    "MLF_DNN": {
        "": (5e-3, 1e-4),
        "text_": (5e-3, 0),
        "audio_": (5e-3, 1e-5),
        "vision_": (5e-3, 1e-5),
    },
    "MTFN": {"": (5e-4, 0), "text_": (5e-4, 1e-5), "audio_": (5e-4, 1e-4), "vision_": (5e-4, 1e-4)},
    "MLMF": {
        "": (5e-3, 1e-3),
        "text_": (5e-3, 0),
        "audio_": (5e-3, 1e-5),
        "vision_": (5e-3, 1e-5),
        "fusion.factors": (5e-4, 1e-3),
        "fusion.combine": None,
    },
    "MFN": {"": (1e-3, 0)},
    "Graph_MFN": {
        "": (2e-3, 0),
        **dict.fromkeys(
            f"graph.nodes.{n}." for n in ("text_audio", "text_vision", "audio_vision", "all")
        ),
    },
    "MulT": {"": (5e-4, 0)},
}


def build(name):
    make, module = MODELS[name]
    with torch.device("meta"):
        return make(module.SETTINGS, Sizes())


@pytest.mark.parametrize("name", MODELS)
def test_parameters(name):
    parameters = list(build(name).parameters())
    assert sum(p.numel() for p in parameters if p.requires_grad) == TRAINABLE[name]
    assert sum(p.numel() for p in parameters if not p.requires_grad) == FROZEN.get(name, 0)


@pytest.mark.parametrize("name", MODELS)
def test_optimiser_groups(name):
    make, module = MODELS[name]
    model = make(module.SETTINGS, Sizes())
    (optimizer,) = model.optimizers()
    found = {
        id(p): (g["lr"], g["weight_decay"]) for g in optimizer.param_groups for p in g["params"]
    }
    for parameter_name, parameter in model.named_parameters():
        rule = max((r for r in GROUPS[name] if parameter_name.startswith(r)), key=len)
        assert found.get(id(parameter)) == GROUPS[name][rule], parameter_name


def test_initial_weights():
    """Where the reference departs from PyTorch's defaults: the factors of LMF (Xavier normal) and
    the layers of MulT (Xavier uniform)."""
    torch.manual_seed(0)
    fusion = LowRankFusion(600, 700, 800, rank=300)
    for name, width in {"audio": 600, "vision": 700, "text": 800}.items():
        assert fusion.factors[name].std().item() == pytest.approx(
            (2 / (width + 1 + 300)) ** 0.5, rel=0.02
        )
    assert fusion.combine.weight.std().item() == pytest.approx((2 / 301) ** 0.5, rel=0.2)
    assert not fusion.combine.bias.any()
    layer = EncoderLayer(60, 0.1, mult.SETTINGS)
    widths = {
        layer.attention.project: 60 + 180,
        layer.attention.out: 120,
        layer.linear_1: 300,
        layer.linear_2: 300,
    }
    for linear, fan in widths.items():
        bound = (6 / fan) ** 0.5
        assert 0.99 * bound < linear.weight.abs().max().item() <= bound and not linear.bias.any()
