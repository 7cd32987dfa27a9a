"""How the golden files of MFN and Graph_MFN are set up."""

from __future__ import annotations

from dataclasses import replace

import golden_files as gf
from golden_settings import with_sizes

from avmc_core.models.base import Sizes
from avmc_core.models.graph_mfn import GraphMFN, GraphMFNSettings
from avmc_core.models.mfn import MFN, MFNSettings

SHARED = {
    **{
        rf"lstm_{theirs}\.(\w+)$": rf"rnns.{ours}.\1_l0"
        for theirs, ours in {"l": "text", "a": "audio", "v": "vision"}.items()
    },
    r"att2_fc": "candidate.linear_",
    r"gamma1_fc": "gated.keep.linear_",
    r"gamma2_fc": "gated.write.linear_",
    r"out_fc": "out.linear_",
}
MFN_RULES = {**SHARED, r"att1_fc": "attention.linear_"}
GRAPH_RULES = {
    **SHARED,
    **{
        f"{t}_transform": f"transforms.{o}"
        for t, o in {"l": "text", "a": "audio", "v": "vision"}.items()
    },
    **{
        rf"{theirs}\.{a}\.": f"graph.nodes.{ours}.{b}."
        for theirs, ours in {
            r"UNREGISTERED\.graph_mfn\.networks\.01": "text_audio",
            r"UNREGISTERED\.graph_mfn\.networks\.02": "text_vision",
            r"UNREGISTERED\.graph_mfn\.networks\.12": "audio_vision",
            r"UNREGISTERED\.graph_mfn\.networks\.012": "all",
            r"graph_mfn\.t_network": "output",
        }.items()
        for a, b in {"0": "0", r"1\.0": "1"}.items()
    },
    **{
        rf"graph_mfn\.efficacy_model\.{a}\.": f"graph.efficacies.{b}."
        for a, b in {"0": 0, r"1\.0": 1, "2": 2}.items()
    },
}


def mfn(golden: gf.Golden):
    """The golden run is on pooled sequences, not on a repeated average (D21); the network is the
    same."""
    model = MFN(with_sizes(MFNSettings(), golden.config), Sizes(*golden.config["feature_dims"]))
    batch = gf.batch(
        golden, audio=golden["input.audio_aligned"], vision=golden["input.vision_aligned"]
    )
    model.sequences = lambda batch: {
        "text": batch.text,
        "audio": batch.audio,
        "vision": batch.vision,
    }
    return model, MFN_RULES, batch, lambda: model.loss(batch, "train")


def graph_mfn(golden: gf.Golden, mended: tuple[str, ...] = ("D22",)):
    """The file holds gradients of all nodes, also of those that the reference never trains:
    compared with D22 mended."""
    config = golden.config
    settings = replace(with_sizes(GraphMFNSettings(), config), mended=mended)
    batch = gf.batch(golden)
    steps = [x.shape[1] for x in (batch.text, batch.audio, batch.vision)]
    model = GraphMFN(settings, Sizes(*config["feature_dims"], *steps))
    return model, GRAPH_RULES, batch, lambda: model.loss(batch, "train")


CASES = {"MFN": mfn, "Graph_MFN": graph_mfn}
