"""The nine baselines on precomputed text states, and a handful of random clips to run them on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from avmc_core import schema
from avmc_core.batch import Batch
from avmc_core.data.batches import SplitData
from avmc_core.data.ragged import Ragged
from avmc_core.data.store import Split
from avmc_core.models import graph_mfn, lf_dnn, lmf, mfn, mlf_dnn, mlmf, mtfn, mult, tfn
from avmc_core.models.base import Sizes

MODELS = {  # name: class, module
    "LF_DNN": (lf_dnn.LFDNN, lf_dnn),
    "TFN": (tfn.TFN, tfn),
    "LMF": (lmf.LMF, lmf),
    "MLF_DNN": (mlf_dnn.MLFDNN, mlf_dnn),
    "MTFN": (mtfn.MTFN, mtfn),
    "MLMF": (mlmf.MLMF, mlmf),
    "MFN": (mfn.MFN, mfn),
    "Graph_MFN": (graph_mfn.GraphMFN, graph_mfn),
    "MulT": (mult.MulT, mult),
}
AVERAGED = tuple(MODELS)[:6]
LENGTHS = {"text": [9, 6, 5, 8, 7], "audio": [40, 21, 33, 18, 25], "vision": [11, 3, 14, 7, 5]}
CAPS = {"text": 10, "audio": 45, "vision": 14}


def build(name: str, mended: tuple[str, ...] = (), caps: dict[str, int] = CAPS):
    """A model with random weights, always the same, its tensor products small; evaluation mode."""
    make, module = MODELS[name]
    changes = (
        {"text_hidden": 8, "audio_hidden": 4, "vision_hidden": 8, "text_out": 6}
        if name in ("TFN", "MTFN")
        else {}
    )
    settings = replace(module.SETTINGS, mended=mended, **changes)
    torch.manual_seed(0)
    return make(settings, Sizes(**{f"{m}_steps": caps[m] for m in schema.MODALITIES})).eval()


def batch(
    model, caps: dict[str, int] = CAPS, rows: slice = slice(None), backwards: tuple[str, ...] = ()
) -> Batch:
    """The clips in the views that the model reads. ``caps``: how far they are padded;
    ``backwards``: modalities to reverse."""
    generator = np.random.default_rng(0)
    features = {}
    for name in schema.MODALITIES:
        clips = [
            generator.normal(2, 1, (n, schema.DIMS[name])).astype(np.float32) for n in LENGTHS[name]
        ][rows]
        clips = [clip[::-1] if name in backwards else clip for clip in clips]
        offsets = np.cumsum([0, *map(len, clips)])
        features[name] = Ragged.of(((np.concatenate(clips), offsets),), caps[name])
    labels = generator.uniform(-1, 1, (len(LENGTHS["text"]), 4)).astype(np.float32)[rows]
    tokens, mask = np.zeros((len(labels), 3, 1), np.int64), np.ones(len(labels), bool)
    split = Split("train", pd.DataFrame(), **features, tokens=tokens, labels=labels, mask=mask)
    return SplitData(split, model.inputs).batch(torch.arange(len(labels)))
