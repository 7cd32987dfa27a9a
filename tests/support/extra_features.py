"""A store with features of another kind beside the released ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from avmc_core import schema
from avmc_core.data.store import Store, open_store
from avmc_core.data.store_writer import write_extra, write_index, write_split

STEPS = 5


def with_random_wav2vec(
    store: Store, folder: Path, width: int, source: Mapping[str, Any], **index: Any
) -> Store:
    """``store`` again in a new ``folder``, with random "wav2vec" features of other lengths, 1 to
    ``STEPS``, and another width."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    clips, files = {}, {}
    for name, split in store.splits.items():
        lengths = rng.integers(1, STEPS + 1, len(split))
        values = {
            m: [getattr(split, m)[row] for row in range(len(split))] for m in schema.MODALITIES
        }
        clips[name] = split.clips
        files |= write_split(folder, name, split.clips, values, split.tokens)
        blocks = [rng.standard_normal((n, width)).astype(np.float32) for n in lengths]
        files |= write_extra(folder, name, "audio_wav2vec", blocks, lengths, width)
    steps = {**store.manifest["steps"], "audio_wav2vec": STEPS}
    write_index(
        folder,
        clips,
        files,
        steps=steps,
        source=source,
        repairs={},
        extras={"audio_wav2vec": width},
        **index,
    )
    return open_store(folder)
