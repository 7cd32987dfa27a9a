"""Import of the released files into a feature store: once, in blocks of rows, all or nothing.

The padded float64 arrays of the release become ragged float32 ones. The files are only ever mapped,
and what was read of them is given back to the system block by block, so that memory does not grow
with their size.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from avmc_core import schema
from avmc_core.data.aligned import with_lengths
from avmc_core.data.label_sets import OTHER, recognise
from avmc_core.data.label_table import with_zeros
from avmc_core.data.layouts import RELEASED, Layout
from avmc_core.data.meta_comparison import differences
from avmc_core.data.padding import ragged_blocks, release
from avmc_core.data.released import (
    ID_SEPARATOR,
    dims,
    layout_of,
    mark,
    open_supervised,
    open_unsupervised,
    read_meta,
    steps,
    taken_for,
)
from avmc_core.data.released_writer import EXTRACTED, SIMULATED
from avmc_core.data.store import CLIP_COLUMNS, Store, open_store
from avmc_core.data.store_writer import write_index, write_split
from avmc_core.errors import InputError
from avmc_core.files.atomic import new_folder
from avmc_core.files.names import shown


def import_released(
    store_path: str | Path,
    supervised: str | Path,
    unsupervised: str | Path | None = None,
    meta: str | Path | None = None,
    *,
    simulated: dict[str, Any] | None = None,
    limit: float | None = None,
    progress: bool = True,
) -> Store:
    """Converts ch-simsv2s.pkl, and ch-simsv2u.pkl if given, into a new store at ``store_path``, and
    opens it. Another data set in the layout of the public toolkits is read as well (``layouts``):
    the store has the widths, caps and annotations of its file.

    ``meta`` is only compared with the supervised file: clips and splits must be the same, other
    texts and labels are stated. ``simulated``: settings of the generator when the files hold a
    simulated corpus; files exported from a simulated store carry them along, as those of one's own
    clips say how they were extracted. ``limit``: the largest label, 1 or 3, where that is to be
    declared; else it is told from the layout and the labels, and the manifest says how. The
    manifest of real files laid out as CH-SIMS v2.0 says which of the two circulating label sets
    they carry (``label_sets``); only with one of the two is the store called CH-SIMS v2.0.

    Stated, with their counts, under ``repairs`` in the manifest: values after a clip's end are
    dropped, -inf in sound and picture becomes 0, clips padded at the start are read from their end,
    labels off the grid and unlabelled clips with the id of a labelled one are kept, ids without a
    separator become the video id, and where texts or labels differ from those of ``meta``, the
    pickle's are kept. Everything else that does not fit is an InputError, after which, as after a
    kill, no store is left.
    """
    store_path = Path(store_path)
    sources = {"supervised": supervised, "unsupervised": unsupervised, "meta": meta}
    sources = {name: Path(path) for name, path in sources.items() if path is not None}
    repairs: Counter[str] = Counter()
    try:
        with new_folder(store_path) as folder:
            before = {name: _stamp(path) for name, path in sources.items()}
            splits = _open_sources(sources, repairs, limit)
            layout = layout_of(sources["supervised"], limit)
            grid = layout.limit == min(schema.LIMITS)
            clips = {name: _clips(name, columns, repairs, grid) for name, columns in splits.items()}
            if schema.UNLABELLED in clips:
                labelled = pd.concat([clips[name]["id"] for name in schema.SPLITS])
                both = int(clips[schema.UNLABELLED]["id"].isin(labelled).sum())
                repairs["unlabelled clips with the id of a labelled one, kept"] += both
            if meta is not None:
                own = pd.concat(clips.values())
                table = with_zeros(
                    read_meta(meta), zip(own["video_id"], own["clip_id"], strict=True)
                )
                repairs.update(
                    {repair["what"]: repair["count"] for repair in table.attrs["repairs"]}
                )
                repairs.update(dict(differences(own, table, sources["meta"])))
            files = {}
            total = sum(columns[m].nbytes for columns in splits.values() for m in schema.MODALITIES)
            with tqdm(
                total=total, unit="B", unit_scale=True, desc="import", disable=not progress
            ) as bar:
                for name, columns in splits.items():
                    kind = "unsupervised" if name == schema.UNLABELLED else "supervised"
                    where = f"{sources[kind]}, split {name}"
                    values = {
                        m: ragged_blocks(
                            f"{where}, key {m}",
                            columns[m],
                            clips[name][f"{m}_length"].to_numpy(),
                            repairs,
                            bar,
                            strict=layout.released,
                        )
                        for m in schema.MODALITIES
                    }
                    # a mapped file that is cut would end the process
                    _check_unchanged(sources, before)
                    files |= write_split(
                        folder, name, clips[name], values, columns["text_bert"], dims(columns)
                    )
            extraction = _marked(sources, EXTRACTED)
            generator = simulated if simulated is not None else _marked(sources, SIMULATED)
            named = _label_set(clips, layout) if generator is None and extraction is None else {}
            write_index(
                folder,
                clips,
                files,
                steps=steps(splits["train"]),
                dims=dims(splits["train"]),
                labels={"limit": layout.limit, "tasks": list(layout.tasks)},
                tokens=layout.tokens,
                source={name: _source(source) for name, source in sources.items()}
                | taken_for(sources["supervised"], limit)
                | ({} if extraction is None else {"extraction": extraction}),
                repairs=repairs,
                generator=generator,
                **named,
            )
            _check_unchanged(sources, before)
            open_store(folder)  # what does not open is not left behind
    except OSError as error:
        if error.filename and Path(error.filename) in sources.values():
            raise InputError(
                error.filename, f"{type(error).__name__}: {error}", "a file that can be read"
            ) from None
        raise InputError(
            store_path, f"{type(error).__name__}: {error}", "a place where a store can be written"
        ) from None
    return open_store(store_path)


def _open_sources(
    sources: dict[str, Path], repairs: Counter[str], limit: float | None
) -> dict[str, dict[str, np.ndarray]]:
    splits = dict(open_supervised(sources["supervised"], repairs, limit))
    if "unsupervised" in sources:
        splits[schema.UNLABELLED] = open_unsupervised(sources["unsupervised"], repairs)
        for what, of in (("steps", steps), ("columns", dims)):
            size, expected = of(splits[schema.UNLABELLED]), of(splits["train"])
            if size != expected:
                raise InputError(
                    sources["unsupervised"],
                    f"{what} {size}",
                    f"those of {sources['supervised']}, {expected}",
                )
    return {
        name: with_lengths(columns, repairs, release, f"{sources['supervised']}, split {name}")
        for name, columns in splits.items()
    }


def _label_set(clips: dict[str, pd.DataFrame], layout: Layout) -> dict[str, str]:
    """Which of the two circulating sets of labels real files in the released layout carry, and that
    they are CH-SIMS v2.0 where it is one of them."""
    if not layout.released or layout.limit != min(schema.LIMITS):
        return {}
    labels = recognise(pd.concat(clips.values()))
    dataset = {} if labels.key == OTHER else {"dataset": RELEASED}
    return {"label_set": str(labels), **dataset}


def _marked(sources: dict[str, Path], name: str) -> dict[str, Any] | None:
    """The facts of a mark that both files bear, None where neither does. Raises InputError for
    files of two kinds."""
    marks = [
        mark(sources[kind], name) for kind in ("supervised", "unsupervised") if kind in sources
    ]
    if len(marks) == 2 and (marks[0] is None) != (marks[1] is None):
        other = {SIMULATED: "real", EXTRACTED: "released"}[name]
        raise InputError(
            sources["unsupervised"],
            f"{other} and {name} files together",
            f"two {other} or two {name} files",
        )
    return marks[0]


def _clips(
    name: str, columns: dict[str, np.ndarray], repairs: Counter[str], grid: bool
) -> pd.DataFrame:
    """One row per clip, columns CLIP_COLUMNS; ``grid``: labels are meant to lie 0.2 apart."""
    ids = pd.Series(columns["id"].tolist(), dtype=str)
    parts = ids.str.partition(ID_SEPARATOR)
    repairs["ids without a separator, read as the video id"] += int((parts[1] == "").sum())
    table = pd.DataFrame({"id": ids, "video_id": parts[0], "clip_id": parts[2], "split": name})
    table["text"] = columns["raw_text"].tolist()
    table["annotation"] = columns["annotations"].tolist() if "annotations" in columns else ""
    for task, key in schema.LABEL_KEYS.items():
        labels = columns.get(key, np.full(len(ids), np.nan))
        off_grid = np.abs(labels * 5 - np.round(labels * 5)) > 1e-5
        repairs["labels off the grid of 0.2, kept"] += int(off_grid.sum()) if grid else 0
        table[task] = labels
    table["text_length"] = columns["text_bert"][:, 1].sum(axis=1)
    for modality in ("audio", "vision"):
        table[f"{modality}_length"] = columns[f"{modality}_lengths"]
    return table[list(CLIP_COLUMNS)]


def _stamp(path: Path) -> tuple[int, ...] | None:
    """A stamp that changes when a file is written to, truncated or replaced."""
    status = path.stat() if path.is_file() else None
    return status and (status.st_ino, status.st_size, status.st_mtime_ns)


def _check_unchanged(sources: dict[str, Path], before: dict[str, tuple[int, ...] | None]) -> None:
    for name, path in sources.items():
        if _stamp(path) != before[name]:
            raise InputError(
                path, "a file that changed while it was read", "one that stays as it is"
            )


def _source(path: Path) -> dict[str, int | str]:
    with path.open("rb") as file:
        return {
            "file": shown(path.name),
            "size": path.stat().st_size,
            "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
        }
