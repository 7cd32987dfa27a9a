"""The second acoustic set of Table 3: hidden states of wav2vec 2.0 from weights in a local folder, a step every 20 ms.

A step is the plain mean of all hidden states of the network, the input of its layers included. Layer weights that are learned with
the model start there (a softmax of zeros). Learning them is not implemented: it would take the states of every layer, nearly 20 MB
a clip from a network of the base size.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from avmc_core.errors import InputError
from avmc_core.media import RATE
from avmc_core.schema import HOP_SECONDS, STEPS

NAME = "audio_wav2vec"  # in ``schema.EXTRAS``
HEARD = round(RATE * HOP_SECONDS["audio"] * STEPS["audio"])  # samples: as long as the other acoustic features go


@cache
def load(folder: str | Path) -> tuple[Any, Any]:
    """The network in evaluation mode and what prepares its input. Raises InputError for a folder without them; the network is
    never asked for weights over the internet."""
    from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2Model

    remedy = "a folder with config.json and the weights of a wav2vec 2.0 model, downloaded beforehand"
    if not Path(folder, "config.json").is_file():
        raise InputError(folder, "no config.json", remedy)
    try:
        model, report = Wav2Vec2Model.from_pretrained(folder, local_files_only=True, output_loading_info=True)
        prepared = Path(folder, "preprocessor_config.json").is_file()
        prepare = Wav2Vec2FeatureExtractor.from_pretrained(folder) if prepared else Wav2Vec2FeatureExtractor()
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise InputError(folder, f"{type(error).__name__}: {str(error)[:200]}", remedy) from None
    if missing := sorted(name for name in report["missing_keys"] if name != "masked_spec_embed"):
        raise InputError(folder, f"no weights for {', '.join(missing[:3])}", remedy)
    return model.eval(), prepare


def steps(folder: str | Path) -> int:
    """The most steps that a clip can have."""
    return int(load(folder)[0]._get_feat_extract_output_lengths(HEARD))


def version(folder: str | Path) -> str:
    """What made the features, for a store's manifest."""
    digest = hashlib.sha256()
    for path in sorted(Path(folder).glob("*.safetensors")) or sorted(Path(folder).glob("*.bin")):
        digest.update(path.read_bytes())
    layers = load(folder)[0].config.num_hidden_layers + 1
    return f"wav2vec 2.0 {Path(folder).name}, plain mean of {layers} hidden states, weights {digest.hexdigest()[:12]}"


def hidden_states(signal: np.ndarray, folder: str | Path) -> np.ndarray:
    """(T, D) float32 from a signal (S,) at 16 kHz, cut where the other acoustic features are. Raises InputError for a signal
    too short for a step."""
    import torch

    model, prepare = load(folder)
    heard = signal[:HEARD]
    if int(model._get_feat_extract_output_lengths(len(heard))) < 1:
        raise InputError("sound", f"{len(signal) / RATE:.3f} s", "enough for a step of wav2vec 2.0")
    values = prepare(heard, sampling_rate=RATE, return_tensors="pt").input_values
    with torch.no_grad():
        layers = model(values, output_hidden_states=True).hidden_states
    return torch.stack(layers).mean(dim=0)[0].numpy().astype(np.float32)
