"""Reader of the released label table, meta.csv."""

from __future__ import annotations

import csv
import io
import math
import re
from pathlib import Path

import pandas as pd

from avmc_core import schema
from avmc_core.errors import InputError

COLUMNS = {"label": "M", "label_T": "T", "label_A": "A", "label_V": "V"}  # of the file: of the table
_REQUIRED = ("video_id", "clip_id", "text", *COLUMNS, "annotation")
_SPLIT = "mode"  # absent from the unsupervised part's table
_MAX_BYTES = 2**26
_ENCODINGS = ("utf-8-sig", "gb18030")  # the first reads UTF-8 with and without a byte order mark
_BAD_ID = re.compile(r"[\x00-\x1f\x7f-\x9f/\\]|^\s|\s$|^\.*$|\$_\$|.{201}")  # $_$ joins the two ids elsewhere
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def read_meta(path: str | Path) -> pd.DataFrame:
    """meta.csv as a table: video_id, clip_id, text (strings), M, T, A, V (float, NaN where unlabelled), annotation,
    split (train, valid, test or unlabelled).

    UTF-8 and GB18030 are read. Ids stay strings. What had to be set right is listed in ``attrs["repairs"]`` as
    ``{"what": ..., "count": ...}``: columns that are not used, an encoding other than UTF-8.
    Raises InputError, with the line, for a missing or doubled column, a line with too many or too few fields, an id that is
    empty, only dots, longer than 200 characters, there twice, or holds control characters, path separators or $_$, a label
    that is no number in [-1, 1], an unknown split, and for labels without a split or a split without labels.
    """
    text, encoding = _decode(Path(path))
    repairs = [] if encoding == _ENCODINGS[0] else [{"what": f"meta.csv was read as {encoding}", "count": 1}]
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = _header(path, next(reader, []))
        unused = [name for name in header if name not in (*_REQUIRED, _SPLIT)]
        if unused:
            repairs.append({"what": f"columns of meta.csv left out: {', '.join(unused)}"[:200], "count": len(unused)})
        rows: dict[tuple[str, str], dict] = {}
        for fields in reader:
            if not fields:
                continue
            where = f"{path}, line {reader.line_num}"
            if len(fields) != len(header):
                raise InputError(where, f"{len(fields)} fields", f"{len(header)}, as in the header")
            row = _row(where, dict(zip(header, fields, strict=True)))
            if rows.setdefault((row["video_id"], row["clip_id"]), row) is not row:
                raise InputError(where, f"clip {row['video_id']}/{row['clip_id']} again", "each clip once")
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}", str(error), "well-formed CSV") from None
    if not rows:
        raise InputError(path, "no rows", "one row a clip")
    table = pd.DataFrame(list(rows.values()))
    table.attrs["repairs"] = repairs
    return table


def _decode(path: Path) -> tuple[str, str]:
    try:
        if not path.is_file():
            raise InputError(path, "no file" if not path.exists() else "no regular file", "a label table, meta.csv")
        if (size := path.stat().st_size) > _MAX_BYTES:
            raise InputError(path, f"{size} bytes", f"a label table of up to {_MAX_BYTES}")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(path, str(error), "a readable label table") from None
    for encoding in _ENCODINGS:
        try:
            return data.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    raise InputError(path, "bytes that are neither UTF-8 nor GB18030", "a label table in one of these encodings")


def _header(path: str | Path, names: list[str]) -> list[str]:
    missing = [name for name in _REQUIRED if name not in names]
    if missing:
        raise InputError(f"{path}, line 1", f"no column {', '.join(missing)}", f"the columns {', '.join(_REQUIRED)}")
    if len(set(names)) < len(names):
        raise InputError(f"{path}, line 1", "a column twice", "each column once")
    return names


def _row(where: str, fields: dict[str, str]) -> dict:
    for key in ("video_id", "clip_id"):
        if _BAD_ID.search(fields[key]):
            raise InputError(f"{where}, column {key}", repr(fields[key][:200]), "an id without separators and controls")
    if "\0" in "".join(fields.values()):
        raise InputError(where, "a NUL character", "text")
    labels = {task: _label(f"{where}, column {name}", fields[name]) for name, task in COLUMNS.items()}
    split = fields.get(_SPLIT, "") or schema.UNLABELLED
    if split not in (*schema.SPLITS, schema.UNLABELLED):
        raise InputError(
            f"{where}, column {_SPLIT}", repr(split[:200]), f"one of {', '.join(schema.SPLITS)}, or nothing"
        )
    empty = sum(math.isnan(label) for label in labels.values())
    if empty != (4 if split == schema.UNLABELLED else 0):
        raise InputError(where, f"{4 - empty} labels in a row of split {split}", "four labels with a split, else none")
    names = {key: fields[key] for key in ("video_id", "clip_id", "text")}
    return {**names, **labels, "annotation": fields["annotation"], "split": split}


def _label(where: str, text: str) -> float:
    if not text.strip():
        return math.nan
    label = float(text) if _NUMBER.fullmatch(text.strip()) else math.nan  # float() takes 1_0 and other digits, too
    if not -1 <= label <= 1:
        raise InputError(where, repr(text[:200]), "a number in [-1, 1], or nothing")
    return label
