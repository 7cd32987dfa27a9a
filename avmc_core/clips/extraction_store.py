"""Writes the store of an extraction: finished clips, read back one by one, beside their encoded
text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from avmc_core import schema
from avmc_core.clips import wav2vec
from avmc_core.clips.clip_features import ExtractionSettings
from avmc_core.clips.clip_work import load
from avmc_core.data.store import CLIP_COLUMNS
from avmc_core.data.store_writer import write_extra, write_index, write_split
from avmc_core.text_encoder import encode


def write_clips(
    folder: Path,
    kept: pd.DataFrame,
    encoder,
    settings: ExtractionSettings,
    source: dict,
    decided: list,
) -> None:
    """The files of the store: clips in the order of the table, text encoded here."""
    splits = [
        *schema.SPLITS,
        *([schema.UNLABELLED] if (kept["split"] == schema.UNLABELLED).any() else []),
    ]
    cap, width = (
        wav2vec.shape(settings.wav2vec, settings.wav2vec_layers) if settings.wav2vec else (0, 0)
    )
    extras = {wav2vec.NAME: width} if settings.wav2vec else {}
    caps = {**schema.STEPS, **dict.fromkeys(extras, cap)}
    clips, files = {}, {}
    for name in splits:
        table = kept[kept["split"] == name].reset_index(drop=True)
        if len(table):
            states, lengths, tokens = encode(list(table["text"]), encoder)
        else:
            states = np.zeros((0, schema.DIMS["text"]), np.float32)
            lengths = np.zeros(0, np.int64)
            tokens = np.zeros((0, 3, schema.STEPS["text"]), np.int64)
        table["text_length"] = lengths
        for modality in ("audio", "vision"):  # what the clips do not have is one step of zeros
            table[f"{modality}_length"] = table[f"{modality}_steps"].clip(lower=1)
        values = {
            "text": [states],
            "audio": _steps(table, "audio"),
            "vision": _steps(table, "vision"),
        }
        clips[name] = table[list(CLIP_COLUMNS)]
        files |= write_split(folder, name, clips[name], values, tokens)
        for extra, dim in extras.items():
            files |= write_extra(
                folder,
                name,
                extra,
                _steps(table, extra),
                [len(s) for s in _steps(table, extra)],
                dim,
            )
    words = {
        "left out": "clips with frames without a speaker's face",
        "(?:audio|vision) cut from": "clips cut at the released length",
        "text cut from": f"transcripts cut at {schema.STEPS['text']} tokens",
    }
    repairs = {what: int(kept["reason"].str.contains(word).sum()) for word, what in words.items()}
    repairs |= {repair["what"]: repair["count"] for repair in decided}
    write_index(
        folder,
        clips,
        files,
        steps=caps,
        source={"extraction": source},
        repairs=repairs,
        extras=extras,
    )


def _steps(table: pd.DataFrame, modality: str) -> Iterator[np.ndarray]:
    return (load(entry)[0][modality] for entry in table["entry"])
