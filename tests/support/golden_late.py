"""How the golden files of the six models on averaged audio and vision are set up."""

from __future__ import annotations

import golden_files as gf
from golden_settings import with_sizes

from avmc_core.models import lf_dnn, lmf, mlf_dnn, mlmf, mtfn, tfn
from avmc_core.models.base import Sizes

ENCODERS = {
    r"text_subnet\.rnn": "text_encoder.rnn",
    r"text_subnet\.linear_1": "text_encoder.linear",
    r"audio_subnet": "audio_encoder",
    r"video_subnet": "vision_encoder",
}
HEADS = {
    r"post_fusion_layer_": "fusion.head.layer_",
    r"post_text_layer_": "heads.T.layer_",
    r"post_audio_layer_": "heads.A.layer_",
    r"post_video_layer_": "heads.V.layer_",
}
TENSOR = {**HEADS, r"post_fusion_layer_": "fusion.layer_"}
FACTORS = {
    r"(audio|text)_factor": r"fusion.factors.\1",
    r"video_factor": "fusion.factors.vision",
    r"fusion_weights": "fusion.combine.weight",
    r"fusion_bias": "fusion.combine.bias",
}


def case(build, settings, rules=HEADS):
    def make(golden: gf.Golden):
        model = build(with_sizes(settings, golden.config), Sizes(*golden.config["feature_dims"]))
        model.fusion.keep_product = True  # for TFN and MTFN
        for name, tensor in golden.tensors.items():  # theirs carry axes of size one
            if name.endswith("_factor"):
                golden.tensors[name] = tensor.squeeze(-1)
            if name.endswith("fusion_bias"):
                golden.tensors[name] = tensor.squeeze(0)
        batch = gf.batch(
            golden, audio=golden["input.audio"].mean(1), vision=golden["input.vision"].mean(1)
        )
        return model, ENCODERS | rules | FACTORS, batch, lambda: model.loss(batch, "train")

    return make


CASES = {
    "LF_DNN": case(lf_dnn.LFDNN, lf_dnn.SETTINGS),
    "TFN": case(tfn.TFN, tfn.SETTINGS, TENSOR),
    "LMF": case(lmf.LMF, lmf.SETTINGS),
    "MLF_DNN": case(mlf_dnn.MLFDNN, mlf_dnn.SETTINGS),
    "MTFN": case(mtfn.MTFN, mtfn.SETTINGS, TENSOR),
    "MLMF": case(mlmf.MLMF, mlmf.SETTINGS),
}
