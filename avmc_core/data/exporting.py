"""Export of a store as the released pickles, for other code."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from avmc_core import schema
from avmc_core.data.released import Padded, write_supervised, write_unsupervised
from avmc_core.data.released_writer import EXTRACTED, MASK, SIMULATED
from avmc_core.data.store import Split, Store
from avmc_core.errors import InputError

SUPERVISED, UNSUPERVISED = "ch-simsv2s.pkl", "ch-simsv2u.pkl"


def export_released(store: Store, folder: str | Path) -> list[Path]:
    """Writes ch-simsv2s.pkl and, when the store has unlabelled clips, ch-simsv2u.pkl; returns their
    paths.

    The supervised file has what other code expects and the release lacks: a key ``mask`` (1
    labelled, 0 not; int64) in every split, and a split ``train_mix``: the rows of train, then the
    unlabelled ones with mask 0, whose labels, unknown, are written as 0. A simulated store's files
    carry a key ``simulated`` beside the splits, and those of one's own clips a key ``extracted``,
    so that an import knows them for what they are. Raises InputError where a file is already there,
    for a split without clips, which no import takes, and for a store without tokens.
    """
    folder = Path(folder)
    labelled_only = schema.UNLABELLED not in store.splits
    paths = [folder / SUPERVISED] if labelled_only else [folder / SUPERVISED, folder / UNSUPERVISED]
    for path in paths:
        if path.exists():
            raise InputError(path, "a file already there", "a folder without it")
    if not store.has_tokens:
        expected = "a store with them: the released files hold the tokens of every text"
        raise InputError(store.path, "no tokens of the text", expected)
    if empty := [name for name in schema.SPLITS if not len(store.split(name).labels)]:
        raise InputError(
            store.path,
            f"no clip in the split {empty[0]}",
            "clips in all of them, as the released files have",
        )
    facts = {
        SIMULATED: store.manifest.get("generator"),
        EXTRACTED: store.manifest["source"].get("extraction"),
    }
    marks = {name: fact for name, fact in facts.items() if fact is not None}
    names = schema.SPLITS if labelled_only else (*schema.SPLITS, schema.TRAIN_MIX)
    splits = {name: _features(split := store.split(name)) | _labels(split) for name in names}
    try:
        write_supervised(paths[0], splits, marks)
        if not labelled_only:
            write_unsupervised(paths[1], _features(store.split(schema.UNLABELLED)), marks)
    except OSError as error:
        raise InputError(
            folder, f"{type(error).__name__}: {error}", "a place where the files can be written"
        ) from None
    return paths


def _features(split: Split) -> dict:
    columns = {"id": split.clips["id"], "raw_text": split.clips["text"], "text_bert": split.tokens}
    for modality in schema.MODALITIES:
        ragged = getattr(split, modality)
        columns[modality] = tuple(
            Padded(values, np.diff(offsets), ragged.steps) for values, offsets in ragged.parts
        )
    return columns | {
        f"{modality}_lengths": getattr(split, modality).lengths for modality in ("audio", "vision")
    }


def _labels(split: Split) -> dict:
    columns = {
        schema.LABEL_KEYS[task]: split.clips[task].fillna(0.0).to_numpy() for task in schema.TASKS
    }
    return columns | {"annotations": split.clips["annotation"], MASK: split.mask.astype(np.int64)}
