"""How each AV-MC golden file is set up.

Outputs and losses depend on everything in which the released networks differ from the printed one:
linear text (D06), heads without batch norm (D03), what is concatenated and the linear fusion after
it (D04), its range (D05), and the weights of the mixup losses (D09).
"""

from __future__ import annotations

from dataclasses import replace

import golden_files as gf
from golden_settings import with_sizes

from avmc_core.mixup import Draw
from avmc_core.models import avmc
from avmc_core.models.avmc_semi import AVMCSemi
from avmc_core.models.avmc_supervised import AVMCSupervised
from avmc_core.models.base import Sizes

HEADS = {
    r"post_(text|audio)_layer_": r"heads.\1.layer_",
    r"post_video_layer_": "heads.vision.layer_",
    r"post_fusion_layer_": "fusion.layer_",
    "tliner": "text_encoder",
}
AVMC_SUPERVISED = {"audio_model": "audio_encoder", "video_model": "vision_encoder", **HEADS}
# the reconstruction heads enter no loss (D19)
AVMC_SEMI = {
    rf"{theirs}_model\.{a}": f"{ours}_encoder.{b}"
    for theirs, ours in {"audio": "audio", "video": "vision"}.items()
    for a, b in {"liner": "linear", "rnn1": "rnn_1", "rnn2": "rnn_2", "layer_norm": "norm"}.items()
} | {r"[tav]_rec\..*": "", **HEADS}


def avmc_draws(golden: gf.Golden) -> dict[str, Draw]:
    return {
        m: Draw(golden[f"input.perm_{m}"], golden[f"input.lam_{m}"]) for m in ("audio", "vision")
    }


def avmc_supervised(golden: gf.Golden):
    model = AVMCSupervised(
        with_sizes(avmc.SUPERVISED, golden.config), Sizes(*golden.config["feature_dims"])
    )
    batch = gf.batch(
        golden,
        text=golden["input.text"][:, 0],
        audio=golden["input.audio_mean"],
        vision=golden["input.vision_mean"],
    )
    return model, AVMC_SUPERVISED, batch, lambda: model.loss(batch, "mixup", avmc_draws(golden))


def avmc_semi(golden: gf.Golden):
    settings = replace(with_sizes(avmc.SUPERVISED, golden.config), semi=True)
    model = AVMCSemi(settings, Sizes(*golden.config["feature_dims"]))
    batch = gf.batch(golden, text=golden["input.text"][:, 0])

    def losses():
        all_labelled = replace(batch, mask=batch.mask | True)
        second = model.loss(all_labelled, "regression")["total"]
        return {**model.loss(batch, "mixup", avmc_draws(golden)), "second_pass_regression": second}

    return model, AVMC_SEMI, batch, losses


CASES = {"AVMC_supervised_released": avmc_supervised, "AVMC_semi_released": avmc_semi}
