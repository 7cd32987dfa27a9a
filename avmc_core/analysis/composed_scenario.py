"""A scenario that the generator of the embedded corpus composes: one simulated actor says one
neutral sentence in the requested voices and faces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from avmc_core import schema
from avmc_core.analysis.scenarios import TARGETS, Scenarios, Target, pair_of
from avmc_core.artefacts import data_mark
from avmc_core.data.ragged import Ragged, Selection
from avmc_core.data.store import CLIP_COLUMNS, Split, Store
from avmc_core.errors import InputError
from avmc_core.simulated.clips import SECONDS
from avmc_core.simulated.face import TRAITS, visual
from avmc_core.simulated.label_model import expected_multimodal, spread
from avmc_core.simulated.sentences import neutral_sentence
from avmc_core.simulated.settings import generator_of
from avmc_core.simulated.signals import acoustic
from avmc_core.simulated.text_encoder import build_encoder
from avmc_core.text_encoder import encode


def composed(store: Store, targets: Sequence[Target] = TARGETS, *, seed: int = 0) -> Scenarios:
    """One simulated actor: a neutral sentence in voices and faces that the corpus's generator makes
    for the targets.

    Clips of the corpus express their labels only in part, and each has its own speaker. Here voice
    and face express the targets fully, and the speaker is the same throughout. Raises InputError
    for a store that the generator did not make.
    """
    generator = generator_of(store.manifest)
    if generator is None:
        raise InputError(
            store.path,
            "clips that were not generated",
            "the simulated corpus, whose generator makes more",
        )
    # (K, 2)
    shorter, labels = (generator.numbers.shorter, np.array([pair_of(target) for target in targets]))
    rng, count = np.random.default_rng(seed), len(labels)
    words = neutral_sentence(rng)
    states, lengths, tokens = encode([words.text], build_encoder())
    frames = {
        name: np.full(
            count, min(int(rate * SECONDS[0] / shorter), getattr(store.split("test"), name).steps)
        )
        for name, rate in (("audio", 100), ("vision", 25))
    }
    voice, face = (
        np.tile(rng.standard_normal(size), (count, 1)) for size in (schema.DIMS["audio"], TRAITS)
    )
    values = {
        "audio": acoustic(labels[:, 0] / spread("A"), voice, frames["audio"], rng),
        "vision": visual(labels[:, 1] / spread("V"), face, frames["vision"], rng),
    }
    ragged = {
        name: Ragged.of(
            ((values[name], np.concatenate([[0], n.cumsum()])),),
            getattr(store.split("test"), name).steps,
        )
        for name, n in frames.items()
    }
    text = Ragged.of(((states, np.concatenate([[0], lengths])),), schema.STEPS["text"])
    all_labels = np.column_stack([np.full(count, np.nan), np.zeros(count), labels]).astype(
        np.float32
    )
    clips = pd.DataFrame(
        {"id": [f"composed {number}" for number in range(1, count + 1)]}, columns=list(CLIP_COLUMNS)
    )
    clips = clips.assign(
        video_id="composed",
        split="composed",
        text=words.text,
        **dict(zip(schema.TASKS, all_labels.T.astype(np.float64), strict=True)),
        text_length=int(lengths[0]),
        **{f"{name}_length": n for name, n in frames.items()},
    )
    split = Split(
        "composed",
        clips,
        text=Selection.of(text, np.zeros(count, np.int64)),
        **ragged,
        tokens=np.repeat(tokens, count, axis=0),
        labels=all_labels,
        mask=np.zeros(count, bool),
    )
    source = f"one composed actor, {data_mark(store)}"
    return Scenarios(
        source, words.text, words.gloss, split, expected_multimodal(all_labels[:, 1:], "test")
    )
