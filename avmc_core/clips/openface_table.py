"""A CSV file of OpenFace 2.0 to 2.2, and which of its rows belongs to which time of the clip.

Run on a video, OpenFace stamps its rows with frame number divided by the rate that the file names,
which may not be the true one; run on a folder of pictures, it stamps every row with 0. So the times
are believed only where they fit the clip.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from avmc_core.clips.media import FPS, shown
from avmc_core.errors import InputError
from avmc_core.files.kinds import foreign_bytes
from avmc_core.schema import columns

FLAGS = ("-pose", "-2Dfp", "-aus")
CONFIDENT = 0.75  # from which on a row counts as a face where the table has no column ``success``
FEW = 2  # rows by which a table may differ from the clip in length, or 1 %
# share of the clip by which the times of a table may end earlier or later than it does, or 0.2 s
FITS = 0.05
RATES = (1.0, 130.0)  # pictures per second that a folder of them can have been made at


def read_csv(path: str | Path, frames: int) -> list[np.ndarray]:
    """The faces in a table, for a clip of which only the length is known: see ``read_table``."""
    return read_table(path, frames)[0]


def read_table(
    path: str | Path, frames: int, pictures: np.ndarray | None = None
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """The faces in an OpenFace CSV file, each (F, 177) float32 in the released column order, NaN
    where it was not found; and what was assumed.

    F = ``frames``, at 25 per second: each is given the row nearest in time, so that a table of
    another rate fits too. ``pictures`` (N,): seconds at which each picture of the clip's file comes
    on, where they are known. Raises InputError for a missing column, for a value that is not a
    number in a row with a face, and for a table that is longer than the clip.
    """
    table, notes = _numbers(path)
    _check_faces(path, table)
    time, step, more = _times(path, table, frames, np.zeros(0) if pictures is None else pictures)
    table = table.assign(time=time)
    faces = (
        [rows for _, rows in table.groupby("face_id", dropna=False)]
        if "face_id" in table.columns
        else [table]
    )
    return [_on_grid(rows, frames, step) for rows in faces], (*notes, *more)


def _numbers(path: str | Path) -> tuple[pd.DataFrame, list[str]]:
    """The table as numbers, with a column ``has_face``: whether a row holds a face."""
    try:
        table = pd.read_csv(
            path, skipinitialspace=True, encoding_errors="replace", index_col=False, **_form(path)
        )
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(
            shown(path), f"{type(error).__name__}: {error}", "a CSV file of OpenFace 2.2"
        ) from None
    table.columns = table.columns.astype(str).str.strip().str.lstrip("\ufeff")
    names, notes = list(columns("vision")), []
    judge = next((name for name in ("success", "confidence") if name in table.columns), "success")
    clocks = [name for name in ("frame", "timestamp") if name in table.columns] or ["timestamp"]
    if "face" in table.columns and not {"frame", "timestamp"} & set(table.columns):
        wanted = (
            "one of FeatureExtraction, run on the clip, or on the folder of its pictures (-fdir)"
        )
        raise InputError(shown(path), "a table of FaceLandmarkImg, which is of one picture", wanted)
    if missing := [name for name in [*names, *clocks, judge] if name not in table.columns]:
        more = ", ..." if len(missing) > 5 else ""
        absence = f"{len(missing)} columns missing: {', '.join(missing[:5])}{more}"
        raise InputError(path, absence, f"the columns that OpenFace writes with {' '.join(FLAGS)}")
    if (
        doubled := table.columns[table.columns.duplicated()]
        .intersection([*names, *clocks, judge])
        .tolist()
    ):
        raise InputError(path, f"column {doubled[0]} twice", "each column once")
    apart = [name for name in ("face_id", "face") if name in table.columns][:1]
    table = table[[*clocks, judge, *apart, *names]].rename(columns=dict.fromkeys(apart, "face_id"))
    for name in [*clocks, judge]:
        table[name] = _as_numbers(path, table[name])
    if table.empty or not np.isfinite(table[[*clocks, judge]]).all(axis=None):
        raise InputError(
            path, "no row, or an empty, infinite or too large value", "numbers that float32 holds"
        )
    if judge == "confidence":
        notes.append(
            f"no column success in OpenFace's table: rows with a confidence of {CONFIDENT} or "
            "more count as faces"
        )
    has_face = table["confidence"] >= CONFIDENT if judge == "confidence" else table["success"] == 1
    values = np.full((len(table), len(names)), np.nan, np.float32)
    rows = table.loc[has_face, names]
    rows = (
        rows.apply(lambda column: _as_numbers(path, column))
        if len(rows)
        else rows.astype(np.float64)
    )
    if not (rows.abs() <= np.finfo(np.float32).max).all(axis=None):
        bad = rows.index[~(rows.abs() <= np.finfo(np.float32).max).all(axis=1)][0]
        where = f"{shown(path)}, line {bad + 2}"
        flaw = "an empty, infinite or too large value in a row with a face"
        raise InputError(where, flaw, "numbers that float32 holds, or success 0")
    values[has_face.to_numpy()] = rows.to_numpy(np.float32)
    kept = table.drop(columns=[*names, judge]).assign(has_face=has_face)
    return pd.concat([kept, pd.DataFrame(values, columns=names, index=table.index)], axis=1), notes


def _check_faces(path: str | Path, table: pd.DataFrame) -> None:
    """Raises InputError where several rows are of one frame and no column says of which face."""
    if "frame" in table.columns and "face_id" not in table.columns:
        again = int(table.loc[table["has_face"]].drop_duplicates()["frame"].duplicated().sum())
        if again > FEW:
            repeats = f"several rows for {again} frames, without a column face_id"
            raise InputError(shown(path), repeats, "a column that says of which face a row is")


def _form(path: str | Path) -> dict[str, str]:
    """How a table is written: as OpenFace does, or as a spreadsheet saves it again. Raises
    InputError for a file that is not a table."""
    with Path(path).open("rb") as file:
        head = file.read(2**16)
    if (other := foreign_bytes(head)) is not None:
        raise InputError(shown(path), *other)
    encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    header, _, rows = head.decode(encoding, "replace").partition("\n")
    separator = max(",;\t", key=header.count)
    decimal = "," if separator != "," and "." not in rows.partition("\n")[0] else "."
    return {"sep": separator, "decimal": decimal, "encoding": encoding}


def _as_numbers(path: str | Path, column: pd.Series) -> pd.Series:
    try:
        return column.astype(np.float64)
    except ValueError as error:
        raise InputError(path, str(error)[:200], "numbers") from None


def _times(
    path: str | Path, table: pd.DataFrame, frames: int, pictures: np.ndarray
) -> tuple[np.ndarray, float, list[str]]:
    """Seconds of each row, how far apart rows are, and what was assumed."""
    seconds = frames / FPS
    stamps = table["timestamp"].to_numpy() if "timestamp" in table.columns else np.zeros(len(table))
    stamped = np.unique(stamps)
    step = float(np.median(np.diff(stamped))) if len(stamped) > 1 else 0.0
    number = _numbered(table)
    count = int(number.max()) + 1
    if _alike(count, len(pictures)):  # a row for each picture of the file: its own time is known
        own = np.interp(number, np.arange(len(pictures)), pictures)
        off = float(np.abs(own - stamps).max())
        what = (
            f"OpenFace's times are up to {off:.2f} s off"
            if step
            else "OpenFace's table has no times"
        )
        notes = [f"{what}: its frame numbers are used"] if off > 0.1 else []
        return own, max(step, 1 / FPS, float(np.diff(pictures).max(initial=0))), notes
    if not step or step < 1 / RATES[1]:  # stamps of a thousandth of a second are not times either
        rate = FPS if _alike(count, frames) else count / seconds
        if not RATES[0] <= rate <= RATES[1]:
            raise InputError(
                shown(path),
                f"{count} rows without times for {seconds:.2f} s",
                "a table of this clip",
            )
        note = (
            f"OpenFace's table has no times: its {count} rows are spread over the clip, "
            f"{rate:.2f} per second"
        )
        return number / rate, 1 / rate, [note]
    covered = float(stamped[-1]) + step
    apart = max(0.2, FITS * seconds)
    if abs(covered - seconds) <= apart:
        return stamps, step, []
    own_step = float(np.median(np.diff(pictures))) if len(pictures) > 1 else 0.0
    if _alike(count, frames) and abs(step - own_step) > FITS * own_step:
        note = (
            f"OpenFace's times end at {covered:.2f} s of {seconds:.2f} s: its {count} rows are "
            "taken as 25 per second"
        )
        return number / FPS, 1 / FPS, [note]
    if covered > seconds + apart:
        raise InputError(
            shown(path),
            f"a table of {covered:.2f} s for a clip of {seconds:.2f} s",
            "OpenFace's table of this clip",
        )
    return stamps, step, [f"OpenFace's table ends at {covered:.2f} s of {seconds:.2f} s"]


def _numbered(table: pd.DataFrame) -> np.ndarray:
    """The rows' frame numbers, from 0; without that column, by the order of times, or of rows."""
    if "frame" in table.columns:
        frame = table["frame"].to_numpy()
        return frame - (0 if frame.min() == 0 else 1)
    times, order = np.unique(table["timestamp"].to_numpy(), return_inverse=True)
    return order if len(times) > 1 else np.arange(len(table))


def _alike(count: int, other: int) -> bool:
    return other > 0 and abs(count - other) <= max(FEW, 0.01 * other)


def _on_grid(rows: pd.DataFrame, frames: int, step: float) -> np.ndarray:
    """One face's rows, ``step`` seconds apart, at F grid times."""
    rows = rows.sort_values("time", kind="stable")
    time, grid = rows["time"].to_numpy(), np.arange(frames) / FPS
    after = (
        np.searchsorted(time, grid).clip(1, len(rows) - 1)
        if len(rows) > 1
        else np.zeros(frames, int)
    )
    nearest = after - (grid - time[after - 1] <= time[after] - grid) if len(rows) > 1 else after
    values = rows[list(columns("vision"))].to_numpy(np.float32)[nearest]
    has_face = rows["has_face"].to_numpy()[nearest] & (np.abs(time[nearest] - grid) <= step)
    return np.where(has_face[:, None], values, np.float32(np.nan))
