"""Recombined clips: the words of one clip with the voice of another and the face of a third.

Nothing is copied: a recombined clip consists of three views of existing clips. Its M is not known;
T, A and V are those of the clip that gave the modality.
"""

from __future__ import annotations

import numpy as np

from avmc_core import schema
from avmc_core.data.ragged import Selection
from avmc_core.data.store import Split
from avmc_core.errors import InputError


def crossed(
    text: Split,
    text_rows: np.ndarray,
    audio: Split,
    audio_rows: np.ndarray,
    vision: Split,
    vision_rows: np.ndarray,
) -> Split:
    """A split of B recombined clips: clip b has the words of clip ``text_rows[b]`` of ``text``, and
    so on; rows (B,) may repeat.

    M is NaN and the mask False; T, A and V come from the clip that gave the modality. ``clips`` has
    the usual columns, those of the words where there is a choice, and for each modality the clip
    that it comes from: ``text_id``, ``text_video`` and so on. Raises InputError for rows that the
    splits do not have, or numbers of rows that differ.
    """
    sources = dict(zip(schema.MODALITIES, (text, audio, vision), strict=True))
    rows = {
        name: _valid(name, source, given)
        for (name, source), given in zip(
            sources.items(), (text_rows, audio_rows, vision_rows), strict=True
        )
    }
    if len({len(chosen) for chosen in rows.values()}) > 1:
        counts = ", ".join(f"{len(chosen)} of {name}" for name, chosen in rows.items())
        raise InputError("crossed clips", f"rows: {counts}", "as many rows of each modality")
    donors = {
        name: source.clips.iloc[rows[name]].reset_index(drop=True)
        for name, source in sources.items()
    }
    labels = np.full((len(rows["text"]), len(schema.TASKS)), np.nan, dtype=np.float32)
    for task, name in schema.MODALITY_OF_TASK.items():
        place = schema.TASKS.index(task)
        labels[:, place] = sources[name].labels[rows[name], place]
    ids = donors["text"]["id"].str.cat([donors["audio"]["id"], donors["vision"]["id"]], sep=" + ")
    clips = donors["text"].assign(
        id=ids,
        split="crossed",
        annotation="",
        **{task: labels[:, place].astype(np.float64) for place, task in enumerate(schema.TASKS)},
        **{f"{name}_length": donor[f"{name}_length"] for name, donor in donors.items()},
        **{f"{name}_id": donor["id"] for name, donor in donors.items()},
        **{f"{name}_video": donor["video_id"] for name, donor in donors.items()},
    )
    ragged = {
        name: Selection.of(getattr(source, name), rows[name]) for name, source in sources.items()
    }
    return Split(
        "crossed",
        clips,
        **ragged,
        tokens=text.tokens[rows["text"]],
        labels=labels,
        mask=np.zeros(len(clips), bool),
    )


def _valid(name: str, source: Split, rows: np.ndarray) -> np.ndarray:
    rows = np.asarray(rows, dtype=np.int64)
    if rows.ndim != 1 or rows.min(initial=0) < 0 or rows.max(initial=-1) >= len(source):
        raise InputError(
            f"rows of {name}",
            f"{rows.tolist()}"[:80],
            f"clips 0 to {len(source) - 1} of {source.name}",
        )
    return rows
