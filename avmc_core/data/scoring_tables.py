"""The two tables that scoring needs: labels of clips, and predictions for them from any source.

Labels come from a feature store, from the released label table, or from any CSV file with the
columns video_id, clip_id, mode (or split) and label (or M). Predictions come from a CSV file with
video_id and clip_id (or id, the two joined by ``$_$``) and a column for each annotation that is
predicted: M, and T, A, V. MMSA's results for single clips have Ids and SResults for id and M.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from avmc_core.artefacts import data_mark
from avmc_core.data import cells
from avmc_core.data.label_sets import NAMES, SIMULATED
from avmc_core.data.label_table import (
    COLUMNS,
    OTHER_NAMES,
    is_meta,
    listed,
    places,
    read_meta,
    with_zeros,
)
from avmc_core.data.released import ID_SEPARATOR
from avmc_core.data.store import open_store
from avmc_core.data.text_table import TextTable, read_table
from avmc_core.errors import InputError
from avmc_core.files.encodings import undamaged
from avmc_core.schema import LIMITS, SPLITS, TASKS

IDS = ["video_id", "clip_id"]
_NAMED = 5  # clips that an error names
_OF_LABELS = {"video_id": (), "clip_id": (), **OTHER_NAMES}
# the other names are those of MMSA's results for single clips
_OF_PREDICTIONS = {**dict.fromkeys((*IDS, *TASKS), ()), "id": ("Ids",), "M": ("SResults",)}


def read_labels(source: str | Path, limit: float | None = None) -> pd.DataFrame:
    """Labels of all labelled clips of a store or a table: video_id, clip_id, split (strings), M,
    and T, A, V where the source has them (float). ``attrs["mark"]`` says which data they belong to,
    as ``artefacts.data_mark`` does, and ``attrs["limit"]`` is the largest label that there can be:
    what the store says, 1 in the released label table, else ``limit``, which is 1 by default.
    ``attrs["set"]``: how the labels are called, where their counts cannot say it.

    ``attrs["repairs"]`` lists what had to be set right in a table, as that of ``read_meta`` does.

    Raises InputError for a source that is neither, for a clip that occurs twice, a label that is
    not a number in [-limit, limit], an unknown split, and a ``limit`` that is not the source's own.
    """
    path = Path(source)
    if path.is_dir():
        store = open_store(path)
        _check_limit(path, limit, store.limit)
        table = pd.concat([store.split(name).clips for name in SPLITS], ignore_index=True)
        marked = _marked(table[[*IDS, "split", *store.tasks]], data_mark(store), store.limit)
        marked.attrs["set"] = NAMES[SIMULATED] if store.simulated else ""
        return marked
    if not path.exists():
        raise InputError(path, "no file or folder", "a label table (CSV) or an imported store")
    what = "the table of labels"
    read = read_table(path, what)
    if is_meta(path, read.header):
        table = read_meta(path, read)
        _check_limit(path, limit, min(LIMITS))
        released = table.loc[table["split"].isin(SPLITS), [*IDS, "split", *TASKS]]
        return _marked(released, "label table", min(LIMITS), table.attrs["repairs"])
    limit = limit or min(LIMITS)
    table = _columns(path, read, _OF_LABELS, what).rename(columns={"mode": "split", **COLUMNS})
    _require(
        path, table, [*IDS, "split", "M"], "video_id, clip_id, mode (or split) and label (or M)"
    )
    _refuse(path, table, table.duplicated(IDS), "listed twice", "each clip once")
    given = table["split"]
    table["split"] = given.map(cells.split)
    table.attrs["repairs"][f"splits of {what} under other names"] += int(
        (table["split"] != given).sum()
    )
    _refuse(
        path,
        table,
        ~table["split"].isin(SPLITS),
        "of no known split",
        f"one of {', '.join(SPLITS)}",
    )
    tasks = [task for task in TASKS if task in table]
    for task in tasks:
        table[task] = _numbers(path, table, task, what)
        wider = f", or --limit {max(LIMITS):g} for labels to {max(LIMITS):g}"
        expected = f"labels in [{-limit:g}, {limit:g}]{wider if limit < max(LIMITS) else ''}"
        beyond = table[task].abs() > limit
        _refuse(path, table, beyond, f"with a label {task} beyond {limit:g}", expected)
    repairs = listed(table.attrs["repairs"])
    return _marked(table[[*IDS, "split", *tasks]], "label table", limit, repairs)


def read_predictions(path: str | Path, what: str = "the table of predictions") -> pd.DataFrame:
    """Predictions as a table: video_id, clip_id, and a column for each annotation that is predicted
    (float). ``attrs["repairs"]`` lists what had to be set right in ``what`` the table is.

    Raises InputError for an unreadable file, a missing column, a clip that occurs twice, and
    a prediction that is not a finite number.
    """
    path = Path(path)
    table = _columns(path, read_table(path, what), _OF_PREDICTIONS, what)
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
        table[task] = _numbers(path, table, task, what)
    predictions = table[[*IDS, *tasks]]
    predictions.attrs = {"repairs": listed(table.attrs["repairs"])}
    return predictions


def matched(
    predictions: pd.DataFrame,
    labels: pd.DataFrame,
    split: str,
    where: str | Path,
    what: str = "the predictions",
) -> pd.DataFrame:
    """The labelled clips of one split in their order, with predictions beside their labels in
    columns ``predicted M`` ....

    Predictions for clips of other splits are left out, and leading zeros that a spreadsheet took
    from their ids are restored, which ``attrs["repairs"]`` says of ``what`` they are. Raises
    InputError, naming clips, when the split has a clip without a prediction, or a prediction is for
    a clip that the labels do not know.
    """
    predictions = with_zeros(predictions, labels[IDS].itertuples(index=False, name=None), what)
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
    merged = clips.merge(named, on=IDS, how="left", validate="one_to_one")
    merged.attrs = {"repairs": predictions.attrs.get("repairs", [])}
    return merged


def _check_limit(where: Path, asked: float | None, known: float) -> None:
    """Raises InputError where a range of labels is asked for that is not that of the source."""
    if asked not in (None, known):
        expected = f"{known:g}, the largest label of {where}"
        raise InputError("limit of the labels", f"{asked:g}", expected)


def _marked(
    table: pd.DataFrame, mark: str, limit: float, repairs: Sequence[dict] = ()
) -> pd.DataFrame:
    table = table.reset_index(drop=True)
    table.attrs = {"mark": mark, "limit": limit, "repairs": list(repairs)}
    return table


def _columns(
    path: Path, read: TextTable, known: Mapping[str, tuple[str, ...]], what: str
) -> pd.DataFrame:
    """The ``known`` columns of a table as text, so that a clip 0001 stays 0001, with ids as they
    are meant; its repairs, a Counter, in ``attrs``. Other columns may hold anything."""
    if not read.rows:
        raise InputError(path, "no rows", "one row per clip")
    columns, repairs = places(path, read.header, known), read.repairs
    for line, row in read.rows if read.flaw else ():
        undamaged(f"{path}, line {line}", read.separator.join(row[n] for n in columns.values()))
    table = pd.DataFrame({ours: [row[n] for _, row in read.rows] for ours, n in columns.items()})
    repairs[f"column names of {what} in capitals or small letters"] += sum(
        read.header[n] not in (ours, *known[ours]) for ours, n in columns.items()
    )
    for name in [name for name in (*IDS, "id") if name in table]:
        given = table[name]
        table[name] = given.map(cells.name)
        repairs[f"ids of {what} with blanks around them"] += int((table[name] != given).sum())
    table.attrs = {"repairs": repairs, "commas": read.separator != ",", "header": read.header}
    return table


def _require(path: str | Path, table: pd.DataFrame, names: Sequence[str], expected: str) -> None:
    missing = [name for name in names if name not in table]
    if missing:
        there = ", ".join(table.attrs["header"])[:200]
        raise InputError(
            path,
            f"no column {', '.join(missing)}",
            f"the columns {expected}; there are {there}",
        )


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


def _numbers(path: str | Path, table: pd.DataFrame, column: str, what: str) -> pd.Series:
    repaired = [cells.number(cell, table.attrs["commas"]) for cell in table[column]]
    for _, repair in repaired:
        table.attrs["repairs"][f"numbers of {what} {repair}"] += bool(repair)
    values = pd.to_numeric(
        pd.Series([plain for plain, _ in repaired], table.index), errors="coerce"
    ).astype(np.float64)
    bad = ~np.isfinite(values)
    first = repr(table.loc[bad, column].iloc[0])[:60] if bad.any() else ""
    _refuse(
        path,
        table,
        bad,
        f"whose {column} is not a finite number",
        f"a number in column {column}" + (f", not {first}" if first else ""),
    )
    return values
