"""The two tables that scoring needs: labels of clips, and predictions for them from any source.

Labels come from a feature store, from the released label table, or from any CSV file with the
columns video_id, clip_id, mode (or split) and label (or M). Predictions come from a CSV file with
video_id and clip_id (or id, the two joined by ``$_$``) and a column for each annotation that is
predicted: M, and T, A, V.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from avmc_core.artefacts import data_mark
from avmc_core.data.label_table import COLUMNS, read_meta
from avmc_core.data.released import ID_SEPARATOR
from avmc_core.data.store import open_store
from avmc_core.errors import InputError
from avmc_core.schema import LIMITS, SPLITS, TASKS

IDS = ["video_id", "clip_id"]
_NAMED = 5  # clips that an error names
_OTHER_NAMES = {"mode": "split", **COLUMNS}  # of the released label table


def read_labels(source: str | Path, limit: float | None = None) -> pd.DataFrame:
    """Labels of all labelled clips of a store or a table: video_id, clip_id, split (strings), M,
    and T, A, V where the source has them (float). ``attrs["mark"]`` says which data they belong to,
    as ``artefacts.data_mark`` does, and ``attrs["limit"]`` is the largest label that there can be:
    what the store says, 1 in the released label table, else ``limit``, which is 1 by default.

    Raises InputError for a source that is neither, for a clip that occurs twice, a label that is
    not a number in [-limit, limit], an unknown split, and a ``limit`` that is not the source's own.
    """
    path = Path(source)
    if path.is_dir():
        store = open_store(path)
        _check_limit(path, limit, store.limit)
        table = pd.concat([store.split(name).clips for name in SPLITS], ignore_index=True)
        return _marked(table[[*IDS, "split", *store.tasks]], data_mark(store), store.limit)
    table = _read(path)
    if {"text", "annotation", *COLUMNS} <= set(table):
        table = read_meta(path)
        _check_limit(path, limit, min(LIMITS))
        released = table.loc[table["split"].isin(SPLITS), [*IDS, "split", *TASKS]]
        return _marked(released, "label table", min(LIMITS))
    limit = limit or min(LIMITS)
    table = table.rename(columns=_OTHER_NAMES)
    _require(
        path, table, [*IDS, "split", "M"], "video_id, clip_id, mode (or split) and label (or M)"
    )
    _refuse(path, table, table.duplicated(IDS), "listed twice", "each clip once")
    _refuse(
        path,
        table,
        ~table["split"].isin(SPLITS),
        "of no known split",
        f"one of {', '.join(SPLITS)}",
    )
    tasks = [task for task in TASKS if task in table]
    for task in tasks:
        table[task] = _numbers(path, table, task)
        wider = f", or --limit {max(LIMITS):g} for labels to {max(LIMITS):g}"
        expected = f"labels in [{-limit:g}, {limit:g}]{wider if limit < max(LIMITS) else ''}"
        beyond = table[task].abs() > limit
        _refuse(path, table, beyond, f"with a label {task} beyond {limit:g}", expected)
    return _marked(table[[*IDS, "split", *tasks]], "label table", limit)


def read_predictions(path: str | Path) -> pd.DataFrame:
    """Predictions as a table: video_id, clip_id, and a column for each annotation that is predicted
    (float).

    Raises InputError for an unreadable file, a missing column, a clip that occurs twice, and
    a prediction that is not a finite number.
    """
    path = Path(path)
    table = _read(path)
    if "id" in table and not set(IDS) <= set(table):
        parts = (
            table["id"]
            .str.split(ID_SEPARATOR, n=1, expand=True, regex=False)
            .reindex(columns=[0, 1])
        )
        bad = table.loc[parts[1].isna(), "id"]
        if len(bad):
            raise InputError(
                f"{path}, column id", repr(bad.iloc[0]), f"video_id{ID_SEPARATOR}clip_id"
            )
        table = table.assign(video_id=parts[0], clip_id=parts[1])
    _require(path, table, [*IDS, "M"], "video_id and clip_id (or id), M, and if predicted T, A, V")
    _refuse(path, table, table.duplicated(IDS), "listed twice", "one prediction for each clip")
    tasks = [task for task in TASKS if task in table]
    for task in tasks:
        table[task] = _numbers(path, table, task)
    return table[[*IDS, *tasks]]


def matched(
    predictions: pd.DataFrame, labels: pd.DataFrame, split: str, where: str | Path
) -> pd.DataFrame:
    """The labelled clips of one split in their order, with predictions beside their labels in
    columns ``predicted M`` ....

    Predictions for clips of other splits are left out. Raises InputError, naming clips, when the
    split has a clip without a prediction, or a prediction is for a clip that the labels do not
    know.
    """
    known = pd.MultiIndex.from_frame(labels[IDS])
    given = pd.MultiIndex.from_frame(predictions[IDS])
    _refuse(
        where,
        predictions,
        ~given.isin(known),
        "that the labels do not know",
        "clips of the label table or store",
    )
    clips = labels[labels["split"] == split]
    if clips.empty:
        raise InputError(
            "the labels", f"no clip of split {split}", "a label table or store with that split"
        )
    absent = ~pd.MultiIndex.from_frame(clips[IDS]).isin(given)
    _refuse(
        where,
        clips,
        absent,
        f"of split {split} without a prediction",
        f"all {len(clips)} clips of {split}",
    )
    named = predictions.rename(columns={task: f"predicted {task}" for task in TASKS})
    return clips.merge(named, on=IDS, how="left", validate="one_to_one")


def _check_limit(where: Path, asked: float | None, known: float) -> None:
    """Raises InputError where a range of labels is asked for that is not that of the source."""
    if asked not in (None, known):
        expected = f"{known:g}, the largest label of {where}"
        raise InputError("limit of the labels", f"{asked:g}", expected)


def _marked(table: pd.DataFrame, mark: str, limit: float) -> pd.DataFrame:
    table = table.reset_index(drop=True)
    table.attrs = {"mark": mark, "limit": limit}
    return table


def _read(path: Path) -> pd.DataFrame:
    """A CSV file as text, so that a clip 0001 stays 0001."""
    if not path.is_file():
        found = "no file" if not path.exists() else "not a regular file"
        raise InputError(path, found, "a CSV file")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            table = pd.read_csv(
                path, dtype=str, keep_default_na=False, encoding=encoding, skipinitialspace=True
            )
        except UnicodeDecodeError:
            continue
        except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
            raise InputError(path, str(error).strip(), "a CSV file with a header") from None
        if table.empty:
            raise InputError(path, "no rows", "one row per clip")
        return table
    raise InputError(
        path, "bytes that are neither UTF-8 nor GB18030", "a CSV file in one of these encodings"
    )


def _require(path: str | Path, table: pd.DataFrame, names: Sequence[str], expected: str) -> None:
    missing = [name for name in names if name not in table]
    if missing:
        raise InputError(path, f"no column {', '.join(missing)}", f"the columns {expected}")


def _refuse(
    path: str | Path, table: pd.DataFrame, bad: pd.Series | np.ndarray, what: str, expected: str
) -> None:
    """Raises InputError that names the first of the bad clips, if there are any."""
    if not (count := int(np.count_nonzero(bad))):
        return
    clips = [
        f"{video}/{clip}" for video, clip in table.loc[np.asarray(bad), IDS].head(_NAMED).to_numpy()
    ]
    names = ", ".join(clips) + (", ..." if count > len(clips) else "")
    raise InputError(path, f"{count} clip{'s' if count > 1 else ''} {what}: {names}", expected)


def _numbers(path: str | Path, table: pd.DataFrame, column: str) -> pd.Series:
    values = pd.to_numeric(table[column], errors="coerce").astype(np.float64)
    _refuse(
        path,
        table,
        ~np.isfinite(values),
        f"whose {column} is not a finite number",
        f"a number in column {column}",
    )
    return values
