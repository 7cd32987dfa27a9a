"""Which clips an extraction is about: a folder with a label table, a list, or one file; with each
clip found under its name.

Names can differ invisibly: in the case of an ending, an accent in one code point or
two, the bytes of a Chinese name that was written under another encoding. All of these are one name
here. For a name that fits no file, the error suggests the nearest.
"""

from __future__ import annotations

import os
import re
import unicodedata
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pandas as pd

from avmc_core import schema
from avmc_core.clips.media import shown
from avmc_core.data.label_table import listed, read_meta, with_zeros
from avmc_core.data.released import ID_SEPARATOR
from avmc_core.errors import InputError
from avmc_core.files import names
from avmc_core.files.encodings import decoded

_USUAL = (".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v", ".ts", ".mts", ".m2ts", ".flv", ".wmv")
_OTHERS = (".mpg", ".mpeg", ".3gp", ".3g2", ".rmvb", ".rm", ".vob", ".f4v", ".asf", ".ogv")
VIDEO = (*_USUAL, *_OTHERS)
SOUND = (".wav", ".flac", ".mp3", ".m4a", ".aac", ".ogg", ".opus", ".wma", ".amr")
ENDINGS = (*VIDEO, *SOUND)  # in any case; where several files fit, the first of these is taken
TABLES, LISTS = (".csv", ".tsv"), (".txt", ".lst")
SHEETS = (".xlsx", ".xls", ".ods", ".numbers")
META = "meta.csv"
# what MMSA-FET calls the table, and the folder beside it that has the videos' folders
OTHER_META, RAW = "label.csv", "Raw"

_IDS_SHUN = re.compile(r"[\x00-\x1f\x7f-\x9f/\\]|\$_\$")


def clip_table(clips: Path, text: str = "") -> pd.DataFrame:
    """One row per clip: video_id, clip_id, text, M, T, A, V, annotation, split, id, path (a file or
    the place where one was looked for), absent (why there is none; "" where there is).

    ``clips``: a folder with meta.csv (or label.csv) and files ``<video_id>/<clip_id>`` with any of
    ``ENDINGS`` in it or in its folder ``Raw``; that table itself; a text file with a clip on each
    line, its path, a tab, and its transcript;
    or one clip, whose transcript is ``text``. Raises InputError.
    """
    clips = Path(clips)
    if clips.is_dir():
        table = _labelled(_table_in(clips), clips)
    elif clips.is_file() and clips.suffix.lower() in TABLES:
        table = _labelled(clips, clips.parent)
    elif clips.is_file() and clips.suffix.lower() in LISTS:
        table = _listed(clips)
    elif clips.is_file():
        _refuse_sheet(clips)
        table = _unlabelled([(_id(clips.stem), "0001", text, clips)], _Folders())
    else:
        near = _nearest(clips.name, clips.parent)
        absence = "nothing there" + (
            f"; the nearest name is {shown(clips.parent / near)}" if near else ""
        )
        expected = f"a clip, a list of clips, or a folder with {META} and <video_id>/<clip_id>.mp4"
        raise InputError(shown(clips), absence, expected)
    table["id"] = table["video_id"] + ID_SEPARATOR + table["clip_id"]
    if (twice := table["id"].duplicated()).any():
        raise InputError(shown(clips), f"clip {table['id'][twice].iloc[0]} twice", "each clip once")
    there = table[table["absent"] == ""]
    if (twice := there["path"].duplicated(keep=False)).any():
        one, other = there[twice].sort_values("path", kind="stable")["id"].iloc[:2]
        shared_file = (
            f"{shown(there['path'][twice].min().name)} as the only file for {one} and {other}"
        )
        raise InputError(
            shown(clips), shared_file, "a file for each clip: <video_id>/<clip_id>.mp4"
        )
    return table


def one_clip(path: str | Path) -> Path:
    """The file under a name, whatever its Unicode form. Raises InputError, with the nearest name,
    where there is none."""
    path = Path(path)
    if path.is_file():
        _refuse_sheet(path)
        if path.suffix.lower() in (*TABLES, *LISTS):
            content = "a list of clips" if path.suffix.lower() in LISTS else "a table"
            raise InputError(
                shown(path), content, "one clip; `avmc extract` reads lists and tables"
            )
        return path
    if path.is_dir():
        raise InputError(shown(path), "a folder", "one clip")
    if other := _Names(path.parent).exactly(path.name):
        return other
    near = _nearest(path.name, path.parent)
    absence = "nothing there" + (
        f"; the nearest name is {shown(path.parent / near)}" if near else ""
    )
    raise InputError(shown(path), absence, "a clip")


def _refuse_sheet(path: Path) -> None:
    if path.suffix.lower() in SHEETS:
        raise InputError(shown(path), "a sheet", "a clip, or the sheet saved as CSV in UTF-8")


def _table_in(folder: Path) -> Path:
    """The label table of a folder. Raises InputError, naming what else could be it, for none."""
    for name in (META, OTHER_META):
        if (folder / name).is_file():
            return folder / name
    others = [path for path in _Names(folder).paths if path.suffix.lower() in (*TABLES, *SHEETS)]
    there = f"; there is {shown(others[0].name)}" if others else ""
    expected = f"a folder with {META}: video_id, clip_id, text, labels" + (
        ", saved as CSV in UTF-8" if others and others[0].suffix.lower() in SHEETS else ""
    )
    raise InputError(shown(folder), f"no {META}{there}", expected)


def _labelled(meta: Path, root: Path) -> pd.DataFrame:
    table = read_meta(meta)
    located = _with_files(table, root)
    return (
        _with_files(table, root / RAW)
        if located["absent"].all() and (root / RAW).is_dir()
        else located
    )


def _with_files(table: pd.DataFrame, root: Path) -> pd.DataFrame:
    """The clips of a label table, as files in ``root`` and its folders."""
    read = _Folders()
    folders = read[root]
    there = [(shown(path.parent.name), shown(path.stem)) for path in root.glob("*/*")]
    for path in folders.paths:  # <video_id>_<clip_id>, either of which may hold a "_", too
        if path.suffix.lower() in ENDINGS:
            parts = shown(path.stem).replace(ID_SEPARATOR, "_").split("_")
            there += [("_".join(parts[:n]), "_".join(parts[n:])) for n in range(1, len(parts))]
    table = with_zeros(table, there)
    paths, absent = [], []
    for video, clip in zip(table["video_id"], table["clip_id"], strict=True):
        folder = folders.exactly(video) or root / video
        held = read[folder]
        path = held.clip(clip) or folders.clip(f"{video}_{clip}")
        path = path or folders.clip(f"{video}{ID_SEPARATOR}{clip}")
        paths.append(path or folder / f"{clip}.mp4")
        absent.append("" if path else _why_absent(folders, video, held, clip))
    return table.assign(path=paths, absent=absent)


def _listed(path: Path) -> pd.DataFrame:
    """The clips of a list, which holds paths as bytes and transcripts as text."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(shown(path), str(error), "a readable list of clips") from None
    if b"\0" in data:  # UTF-16 and UTF-32, as editors save them, marked or not
        data = decoded(shown(path), data)[0].encode()
    lines = data.removeprefix(b"\xef\xbb\xbf").splitlines()
    rows, read, bare, untabbed = [], _Folders(), 0, 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name, tab, sentence = line.partition(b"\t")
        cells = [name.strip(b"\r "), sentence.strip(b"\r ")]
        plain = [_unquoted(cell) for cell in cells]
        bare += plain != cells
        given = os.fsdecode(plain[0])
        text = names.typed(os.fsdecode(plain[1]), f"{shown(path)}, line {number}")
        place = _place(read, path.parent, given)
        if not place.exists():  # as Windows writes a path
            place = _place(read, path.parent, given.replace("\\", "/"))
        video = path.stem if place.parent == path.parent else place.parent.name
        rows.append((_id(video), _id(place.stem), text.strip(), place))
        untabbed += not tab and not place.exists()
    if not rows or untabbed == len(rows):
        content = "no tab in any line" if rows else "no line"
        raise InputError(
            shown(path), content, "a clip on each line: its path, a tab, its transcript"
        )
    table = _unlabelled(rows, read)
    table.attrs["repairs"] = listed({"lines of the list read without quotes around a cell": bare})
    return table


def _unquoted(cell: bytes) -> bytes:
    """A cell without the quotes in which a spreadsheet and Windows' "Copy as path" put it."""
    inner = cell[1:-1].replace(b'""', b"")
    quoted = len(cell) > 1 and cell[:1] == cell[-1:] == b'"' and b'"' not in inner
    return cell[1:-1].replace(b'""', b'"') if quoted else cell


def _place(read: _Folders, base: Path, given: str) -> Path:
    """The file that a list names, each part of its path under any reading of its bytes."""
    place = base
    for part in Path(given).parts:
        inner = place / part
        place = inner if inner.exists() else read[place].exactly(part) or inner
    return place


def _unlabelled(rows: list[tuple[str, str, str, Path]], read: _Folders) -> pd.DataFrame:
    records = []
    for video, clip, text, path in rows:
        file = path if path.is_file() else read[path.parent].exactly(path.name)
        absent = "" if file else _why_absent(None, "", read[path.parent], path.name)
        row = {
            "video_id": video,
            "clip_id": clip,
            "text": text,
            "annotation": "",
            "split": schema.UNLABELLED,
        }
        records.append(
            row | dict.fromkeys(schema.TASKS, np.nan) | {"path": file or path, "absent": absent}
        )
    return pd.DataFrame(records)


def _id(name: str) -> str:
    """A file's name as an id."""
    return _IDS_SHUN.sub("_", shown(name)).strip(" .")[:200] or "clip"


class _Names:
    """The names in a folder, which is read once: each under all that its bytes can say."""

    def __init__(self, folder: Path):
        self._whole = names.entries(folder)
        self.paths = sorted({path for paths in self._whole.values() for path in paths})
        self._clips: dict[str, list[Path]] = {}
        for path in self.paths:
            stems = _stems(path) if path.suffix.lower() in ENDINGS else ()
            for reading in {one for stem in stems for one in names.readings(stem)}:
                self._clips.setdefault(reading, []).append(path)

    def exactly(self, name: str) -> Path | None:
        """What the folder holds under a name; None for nothing, or for more than one that fits."""
        readings = {_nfc(name), *names.readings(name)}
        fitting = [path for reading in sorted(readings) for path in self._whole.get(reading, [])]
        return (
            fitting[0]
            if len(set(fitting)) == 1
            else next((path for path in fitting if path.name == name), None)
        )

    def clip(self, name: str) -> Path | None:
        """The clip of that name, whatever its ending; one that the name has, too, is its own."""
        if (whole := self.exactly(name)) and whole.suffix.lower() in ENDINGS and whole.is_file():
            return whole
        files = [path for path in self._clips.get(_nfc(name), []) if path.is_file()]
        return min(files, key=_rank, default=None)


class _Folders(dict[Path, _Names]):
    """The names in each folder that was asked about."""

    def __missing__(self, folder: Path) -> _Names:
        return self.setdefault(folder, _Names(folder))


def _stems(path: Path) -> set[str]:
    """What a clip's file can be called in a table: its name without the ending, and without two
    of them, as Windows gives it to a name that had one before; blanks around it do not count."""
    inner = Path(path.stem)
    one = inner.stem if inner.suffix.lower() in ENDINGS else path.stem
    return {path.stem.strip(), one.strip()}


def _rank(path: Path) -> tuple[int, int]:
    return ENDINGS.index(path.suffix.lower()), len(path.stem)


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _why_absent(folders: _Names | None, video: str, held: _Names, clip: str) -> str:
    if folders and not held.paths and not folders.exactly(video):
        near = get_close_matches(
            video, [shown(path.name) for path in folders.paths if path.is_dir()], 1, 0.5
        )
        return f"no folder {video}" + (f"; the nearest name is {near[0]}" if near else "")
    near = names.nearest(clip, [path.name for path in held.paths])
    return f"no such file {shown(clip)}" + (f"; the nearest name is {near}" if near else "")


def _nearest(name: str, folder: Path) -> str:
    return names.nearest(name, [path.name for path in _Names(folder).paths])
