"""How the golden files of the networks on BERT are set up: their texts are BERT's states, for
Bert_MAG its embeddings."""

from __future__ import annotations

import golden_files as gf
from golden_settings import with_sizes
from torch import nn

from avmc_core.models import bert_mag, misa, mmim, self_mm
from avmc_core.models.base import Sizes, l1

MODALITIES = {"l": "text", "t": "text", "a": "audio", "v": "vision"}

MISA = {
    **{rf"{x}(rnn)([12])": rf"{m}_encoder.rnn_\2" for x, m in (("a", "audio"), ("v", "vision"))},
    **{f"{x}layer_norm": f"{m}_encoder.norm" for x, m in (("a", "audio"), ("v", "vision"))},
    **{rf"project_{x}\.project_{x}_layer_norm": f"project.{m}.norm" for x, m in MODALITIES.items()},
    **{rf"project_{x}\.project_{x}": f"project.{m}.linear" for x, m in MODALITIES.items()},
    **{rf"private_{x}\.private_{x}_\d": f"private.{m}" for x, m in MODALITIES.items()},
    **{rf"recon_{x}\.recon_{x}_1": f"reconstruct.{m}" for x, m in MODALITIES.items()},
    r"shared\.shared_1": "shared",
    r"transformer_encoder\.layers\.0": "transformer",
    r"fusion\.fusion_layer_1": "regress_1",
    r"fusion\.fusion_layer_3": "regress_2",
    r"discriminator\.discriminator_layer_": "adversary_",
    r"(tlayer_norm|sp_discriminator)": "unused.",
}
BOUNDS = {"ta": "audio", "tv": "vision", "va": "audio_vision"}
MMIM = {
    r"(acoustic|visual)_enc\.rnn\.\w+_l[1-9]": "unused.",  # the first layer alone is read
    "acoustic_enc.linear_1": "audio_encoder.linear",
    "acoustic_enc": "audio_encoder",
    "visual_enc.linear_1": "vision_encoder.linear",
    "visual_enc": "vision_encoder",
    r"fusion_prj\.linear_3": "regress",
    r"fusion_prj\.linear_": "fusion_",
    **{rf"cpc_z{x}\.net": f"predict.{m}" for x, m in MODALITIES.items()},
    **{
        rf"mi_{pair}\.{theirs}": f"bounds.{bound}.{ours}"
        for pair, bound in BOUNDS.items()
        for theirs, ours in {
            "mlp_mu": "mean",
            "mlp_logvar": "log_variance",
            r"entropy_prj\.0": "entropy_map",
        }.items()
    },
}
SELF_MM = {
    r"audio_model\.linear_1": "audio_encoder.linear",
    r"audio_model": "audio_encoder",
    r"video_model\.linear_1": "vision_encoder.linear",
    r"video_model": "vision_encoder",
    r"post_video_layer_": "heads.vision.layer_",
    r"post_([a-z]+)_layer_": r"heads.\1.layer_",
}
GATE = {
    "W_ha": "gate.gate_audio",
    "W_hv": "gate.gate_vision",
    "W_a": "gate.audio",
    "W_v": "gate.vision",
    "LayerNorm": "gate.norm",
}


def misa_case(golden: gf.Golden):
    model = misa.MISA(
        with_sizes(misa.SETTINGS, golden.config), Sizes(*golden.config["feature_dims"])
    )
    batch = gf.batch(golden)
    return model, MISA, batch, lambda: model.loss(batch, "train")


def mmim_case(golden: gf.Golden):
    """The loss of the second pass, as soon as the memory, one batch, is in use."""
    model = mmim.MMIM(
        with_sizes(mmim.SETTINGS, golden.config), Sizes(*golden.config["feature_dims"])
    )
    batch = gf.batch(golden, text=golden["input.text"][:, 0])

    def losses():
        model.batches = 2
        model.memory = [
            {
                bound: tuple(golden[f"input.memory_{pair}_{sign}"] for sign in ("pos", "neg"))
                for pair, bound in BOUNDS.items()
                if bound in model.bounds
            }
        ]
        return model.loss(batch, "main")

    return model, MMIM, batch, losses


def self_mm_case(golden: gf.Golden):
    """The network alone, with the error of M as its loss; the label tables are not the reference's
    parameters."""
    model = self_mm.SelfMM(
        with_sizes(self_mm.SETTINGS, golden.config), Sizes(*golden.config["feature_dims"])
    )
    model.generated = None
    batch = gf.batch(golden, text=golden["input.text"][:, 0])
    return model, SELF_MM, batch, lambda: {"total": l1(model(batch)["M"], batch.label("M"))}


class GateAlone(nn.Module):
    """Bert_MAG's gate; M is the mean of its output."""

    def __init__(self, gate: bert_mag.Gate, steps: int):
        super().__init__()
        self.gate, self.steps = gate, steps

    def forward(self, batch):
        audio, vision = (bert_mag.pool(x, self.steps) for x in (batch.audio, batch.vision))
        embedding = self.gate(batch.text, audio, vision)
        return {"embedding": embedding, "M": embedding.mean((1, 2))}


def gate_case(golden: gf.Golden):
    config = golden.config
    gate = bert_mag.Gate(
        Sizes(*config["feature_dims"]), config["beta_shift"], config["dropout_prob"]
    )
    model = GateAlone(gate, golden["input.text"].shape[1])
    batch = gf.batch(golden)
    return model, GATE, batch, lambda: {"total": l1(model(batch)["M"], batch.label("M"))}


CASES = {"MISA": misa_case, "MMIM": mmim_case, "Self_MM": self_mm_case, "MAG_gate": gate_case}
