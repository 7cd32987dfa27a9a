"""The second acoustic set of Table 3: hidden states of wav2vec 2.0 from weights in a local folder,
a step every 20 ms.

A step is the plain mean of all hidden states of the network, the input of its layers included. Or
it holds them all, layer after layer, for a model that learns their weights
(``models.layered_lstm``). Such steps are means over 100 ms, which a weighted mean of layers leaves
as it is: 0.4 MB for a second of sound and a network of the base size, where the plain mean takes
0.15 MB.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from avmc_core.clips.media import RATE
from avmc_core.errors import InputError
from avmc_core.files import pretrained
from avmc_core.schema import HOP_SECONDS, STEPS

NAME = "audio_wav2vec"  # in ``schema.EXTRAS``
POOLED = 5  # steps whose states are averaged when all layers are kept
# samples: as long as the other acoustic features go
HEARD = round(RATE * HOP_SECONDS["audio"] * STEPS["audio"])


@cache
def load(folder: str | Path) -> tuple[Any, Any]:
    """The network in evaluation mode and what prepares its input. The internet is never asked.

    Raises InputError for a folder in which any weight is absent, damaged or of another model
    (``files.pretrained``).
    """
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    place = pretrained.folder_of(folder, "a wav2vec 2.0 model")
    facts = pretrained.configuration(place, "wav2vec2")
    preprocessor = place / "preprocessor_config.json"
    if preprocessor.is_file():
        pretrained.checked(preprocessor)
    try:
        with torch.random.fork_rng(devices=[]):
            model = Wav2Vec2Model(Wav2Vec2Config.from_dict(facts))
        prepare = Wav2Vec2FeatureExtractor(**_preparation(preprocessor))
    except (
        OSError,
        ValueError,
        TypeError,
        AttributeError,
        RuntimeError,
        ZeroDivisionError,
    ) as error:
        reason = f"{type(error).__name__}: {str(error)[:120]}"
        raise InputError(place, reason, "the configuration of a wav2vec 2.0 model") from None
    if prepare.sampling_rate != RATE:
        raise InputError(
            preprocessor, f"sound at {prepare.sampling_rate} samples per second", f"{RATE}"
        )
    pretrained.fill(model, place, "wav2vec2.", optional=[r"masked_spec_embed$"])
    return model, prepare


def _preparation(path: Path) -> dict[str, Any]:
    """The settings of the feature extractor, as the weights were trained; its own defaults where
    the file is absent."""
    facts = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    known = (
        "feature_size",
        "sampling_rate",
        "padding_value",
        "do_normalize",
        "return_attention_mask",
    )
    return {key: facts[key] for key in known if key in facts}


def layers(folder: str | Path) -> int:
    """How many hidden states the network has, the input of its layers included."""
    return load(folder)[0].config.num_hidden_layers + 1


def shape(folder: str | Path, every_layer: bool = False) -> tuple[int, int]:
    """The most steps that a clip can have, and their width."""
    network = load(folder)[0]
    steps, width = int(network._get_feat_extract_output_lengths(HEARD)), network.config.hidden_size
    return (-(-steps // POOLED), layers(folder) * width) if every_layer else (steps, width)


def version(folder: str | Path, every_layer: bool = False) -> str:
    """The name and version of what made the features, for a store's manifest."""
    digest = hashlib.sha256()
    for path in pretrained.weight_files(pretrained.folder_of(folder, "a wav2vec 2.0 model")):
        digest.update(path.read_bytes())
    how = "means over 0.1 s of each of" if every_layer else "plain mean of"
    return (
        f"wav2vec 2.0 {Path(folder).name}, {how} {layers(folder)} hidden states, weights "
        f"{digest.hexdigest()[:12]}"
    )


def hidden_states(signal: np.ndarray, folder: str | Path, every_layer: bool = False) -> np.ndarray:
    """(T, D) float32 from a signal (S,) at 16 kHz, cut where the other acoustic features are; with
    ``every_layer`` (T, L * D), at a fifth of the rate. Raises InputError for a signal too short for
    a step."""
    import torch

    model, prepare = load(folder)
    heard = signal[:HEARD]
    if int(model._get_feat_extract_output_lengths(len(heard))) < 1:
        raise InputError("sound", f"{len(signal) / RATE:.3f} s", "enough for a step of wav2vec 2.0")
    values = prepare(heard, sampling_rate=RATE, return_tensors="pt").input_values
    with torch.no_grad():
        states = torch.cat(model(values, output_hidden_states=True).hidden_states)  # (L, T, D)
    if not every_layer:
        return states.mean(dim=0).numpy().astype(np.float32)
    # (T / 5, L, D)
    pooled = torch.stack([part.mean(dim=1) for part in states.split(POOLED, dim=1)])
    return pooled.flatten(1).numpy().astype(np.float32)
