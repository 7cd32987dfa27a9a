"""How MulT's golden file is set up."""

from __future__ import annotations

from dataclasses import replace

import golden_files as gf
from golden_settings import with_sizes

from avmc_core.models.base import Sizes
from avmc_core.models.mult import MulT, MulTSettings

LETTERS = {"l": "text", "a": "audio", "v": "vision"}
PARTS = {
    r"layers\.(\d)\.fc": r"layers.\g<1>.linear_",
    r"layers\.(\d)\.layer_norms\.0": r"layers.\g<1>.norm_1",
    r"layers\.(\d)\.layer_norms\.1": r"layers.\g<1>.norm_2",
    r"layers\.(\d)\.self_attn\.in_proj_": r"layers.\g<1>.attention.project.",
    r"layers\.(\d)\.self_attn\.out_proj": r"layers.\g<1>.attention.out",
    r"layer_norm": "norm",
    r"version": "unused.version",
}
ENCODERS = {
    **{
        f"trans_{q}_with_{k}": f"cross.{LETTERS[q]}_on_{LETTERS[k]}"
        for q in "lav"
        for k in "lav"
        if q != k
    },
    **{f"trans_{m}_mem": f"memory.{name}" for m, name in LETTERS.items()},
}
RULES = {
    **{
        rf"{theirs}\.{a}": b if b.startswith("unused") else f"{ours}.{b}"
        for theirs, ours in ENCODERS.items()
        for a, b in PARTS.items()
    },
    **{f"proj_{m}": f"convolutions.{name}" for m, name in LETTERS.items()},
    "proj": "residual_",
    "out_layer": "out",
}


def settings(config: dict, mended: tuple[str, ...] = ()) -> MulTSettings:
    return replace(with_sizes(MulTSettings(), config), mended=mended)


def mult(golden: gf.Golden):
    model = MulT(settings(golden.config), Sizes(*golden.config["feature_dims"]))
    batch = gf.batch(golden)
    return model, RULES, batch, lambda: model.loss(batch, "train")


CASES = {"MulT": mult}
