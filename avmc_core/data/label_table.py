"""Reader of the released label table, meta.csv."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from avmc_core import schema
from avmc_core.data import cells
from avmc_core.data.text_table import TextTable, read_table
from avmc_core.errors import InputError

# of the file: of the table
COLUMNS = {"label": "M", "label_T": "T", "label_A": "A", "label_V": "V"}
_REQUIRED = ("video_id", "clip_id", "text", *COLUMNS, "annotation")
_SPLIT = "mode"  # absent from the unsupervised part's table
OTHER_NAMES = {  # what other tables call the columns
    **{name: (task,) for name, task in COLUMNS.items()},
    **{"label": ("label_M", "M"), _SPLIT: ("split",)},
}
_NAMES = {name: OTHER_NAMES.get(name, ()) for name in (*_REQUIRED, _SPLIT)}
# $_$ joins the two ids elsewhere
_BAD_ID = re.compile(r"[\x00-\x1f\x7f-\x9f/\\]|^\s|\s$|^\.*$|\$_\$|.{201}")
_WHOLE = re.compile(r"^(\d+)\.0+$", re.ASCII)
_QUOTED = re.compile(r'^(?:="(.*)"|\'(.*))$')  # how a spreadsheet is told that an id is text
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def read_meta(path: str | Path, table: TextTable | None = None) -> pd.DataFrame:
    """meta.csv as a table: video_id, clip_id, text (strings), M, T, A, V (float, NaN where
    unlabelled), annotation, split (train, valid, test or unlabelled). ``table``: what is in the
    file, where it is read already.

    Ids stay strings. What had to be decided or set right is listed in ``attrs["repairs"]`` as
    ``{"what": ..., "count": ...}``: an encoding other than UTF-8, blank rows and columns
    (``text_table``), columns that are not used, decimal commas. Raises InputError, with the line,
    for a missing or doubled column, a line with too many or too few fields, an id that is empty,
    only dots, longer than 200 characters, repeated, or holds control characters, path separators
    or $_$, a label that is not a number in [-1, 1], an unknown split, and for labels without a
    split or a split without labels.
    """
    table = table or read_table(path, "meta.csv")
    if table.flaw is not None:
        raise table.flaw
    repairs = table.repairs
    columns = _header(path, table.header, repairs)
    unused = [name for n, name in enumerate(table.header) if n not in columns.values()]
    if unused:
        repairs[f"columns of meta.csv left out: {', '.join(unused)}"[:200]] += len(unused)
    rows: dict[tuple[str, str], dict] = {}
    for line, row_cells in table.rows:
        where = f"{path}, line {line}"
        fields = {name: row_cells[place] for name, place in columns.items()}
        _trim(fields, repairs, table.separator != ",")
        row = _row(where, fields)
        if rows.setdefault((row["video_id"], row["clip_id"]), row) is not row:
            raise InputError(
                where, f"clip {row['video_id']}/{row['clip_id']} again", "each clip once"
            )
    if not rows:
        raise InputError(path, "no rows", "one row per clip")
    lost = sum(len(row["text"]) > 1 and not row["text"].strip("? ") for row in rows.values())
    if 2 * lost > len(rows):
        damage = f"question marks alone in {lost} of {len(rows)} transcripts"
        raise InputError(path, damage, "the text as it was before it was converted")
    clips = pd.DataFrame(list(rows.values()))
    clips.attrs["repairs"] = listed(repairs)
    return clips


def listed(repairs: Mapping[str, int]) -> list[dict]:
    """What was set right, as ``attrs["repairs"]`` of a table has it."""
    return [{"what": what, "count": count} for what, count in repairs.items() if count]


def places(
    path: str | Path, header: list[str], known: Mapping[str, tuple[str, ...]]
) -> dict[str, int]:
    """Where each of the ``known`` columns stands: under its own name before the others that it may
    have, and as these are written before in other capitals. Raises InputError where two columns
    have that name."""
    columns, small = {}, [name.lower() for name in header]
    for ours, others in known.items():
        candidates = [
            pair for name in (ours, *others) for pair in ((name, header), (name.lower(), small))
        ]
        for name, names in candidates:
            if ours not in columns and name in names:
                columns[ours] = names.index(name)
                if names.count(name) > 1:
                    raise InputError(path, f"a second column {name}", "each column once")
    return columns


def is_meta(path: str | Path, header: list[str]) -> bool:
    """Whether a table has all columns of the released one."""
    return set(_REQUIRED) <= set(places(path, header, _NAMES))


def _header(path: str | Path, names: list[str], repairs: Counter[str]) -> dict[str, int]:
    columns = places(f"{path}, line 1", names, _NAMES)
    for ours, place in columns.items():
        if names[place].lower() == ours.lower():
            repairs["column names of meta.csv in capitals"] += names[place] != ours
        else:
            repairs[f"column {names[place]} of meta.csv read as {ours}"] += 1
    missing = [name for name in _REQUIRED if name not in columns]
    if missing:
        absence = f"no column {', '.join(missing)} among {', '.join(names)}"
        raise InputError(f"{path}, line 1", absence[:400], f"the columns {', '.join(_REQUIRED)}")
    return columns


def _trim(fields: dict[str, str], repairs: Counter[str], commas: bool) -> None:
    """Sets right what the cells of ids, labels and splits may have around them or instead."""
    for name in ("video_id", "clip_id"):
        if fields[name] != (plain := cells.name(fields[name])):
            fields[name] = plain
            repairs["ids of meta.csv with blanks around them"] += 1
    for name in COLUMNS:
        fields[name], repair = cells.number(fields[name], commas)
        repairs[f"labels of meta.csv {repair}"] += bool(repair)
    if (given := fields.get(_SPLIT, "")) and (plain := cells.split(given)) != given:
        fields[_SPLIT] = plain
        repairs[f"split {given!r} of meta.csv read as {plain}"] += 1


def with_zeros(
    meta: pd.DataFrame, ids: Iterable[tuple[str, str]], what: str = "meta.csv"
) -> pd.DataFrame:
    """``meta`` with the leading zeros that a spreadsheet took from its ids, where only one of the
    pairs ``ids`` (video, clip) can be meant; their number is added to its repairs, under the name
    ``what`` of the table."""
    known = set(ids)
    plain: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for pair in known:
        plain.setdefault((_plain(pair[0]), _plain(pair[1])), []).append(pair)
    own = list(zip(meta["video_id"], meta["clip_id"], strict=True))
    taken = set(own) & known
    restored = []
    for pair in own:
        candidates = plain.get((_plain(pair[0]), _plain(pair[1])), [])
        fits = pair not in known and len(candidates) == 1 and candidates[0] not in taken
        restored.append(candidates[0] if fits else pair)
    count = sum(map(tuple.__ne__, own, restored))
    if not count or len(set(restored)) < len(restored):  # two rows for one clip: nothing is clear
        return meta
    restored_table = meta.assign(
        video_id=[video for video, _ in restored], clip_id=[clip for _, clip in restored]
    )
    marked = sum(
        any(map(_QUOTED.match, pair))
        for pair, new in zip(own, restored, strict=True)
        if pair != new
    )
    counts = {
        f"ids of {what} marked as text by a spreadsheet": marked,
        f"ids of {what} whose lost leading zeros were restored": count - marked,
    }
    restored_table.attrs["repairs"] = [*meta.attrs.get("repairs", []), *listed(counts)]
    return restored_table


def _plain(name: str) -> str:
    """An id as a spreadsheet leaves it: a number in plain digits without leading zeros, a fraction
    of nothing, or signs that it is text."""
    if (narrow := unicodedata.normalize("NFKC", name)).isascii():  # digits of double width
        name = narrow
    if quoted := _QUOTED.match(name):
        name = quoted[1] or quoted[2] or name
    return (
        (name.lstrip("0") or "0")
        if (name := _WHOLE.sub(r"\1", name)).isascii() and name.isdigit()
        else name
    )


def _row(where: str, fields: dict[str, str]) -> dict:
    for key in ("video_id", "clip_id"):
        if not fields[key]:
            raise InputError(
                f"{where}, column {key}",
                "''",
                "an id in every row: merged cells of a spreadsheet leave gaps",
            )
        if _BAD_ID.search(fields[key]):
            raise InputError(
                f"{where}, column {key}",
                repr(fields[key][:200]),
                "an id without separators and controls",
            )
    if "\0" in "".join(fields.values()):
        raise InputError(where, "a NUL character", "text")
    if cells.is_formula(fields["text"]):
        formula = f"{fields['text'].strip()!r}, which a spreadsheet put in place of a text"
        raise InputError(
            f"{where}, column text", formula, "the transcript, with the column formatted as text"
        )
    labels = {
        task: _label(f"{where}, column {name}", fields[name]) for name, task in COLUMNS.items()
    }
    split = fields.get(_SPLIT, "") or schema.UNLABELLED
    if split not in (*schema.SPLITS, schema.UNLABELLED):
        raise InputError(
            f"{where}, column {_SPLIT}",
            repr(split[:200]),
            f"one of {', '.join(schema.SPLITS)}, or nothing",
        )
    empty = sum(math.isnan(label) for label in labels.values())
    if empty != (4 if split == schema.UNLABELLED else 0):
        raise InputError(
            where,
            f"{4 - empty} labels in a row of split {split}",
            "four labels with a split, else none",
        )
    names = {key: fields[key] for key in ("video_id", "clip_id", "text")}
    return {**names, **labels, "annotation": fields["annotation"], "split": split}


def _label(where: str, text: str) -> float:
    if not text.strip():
        return math.nan
    # float() takes 1_0 and other digits, too
    label = float(text) if _NUMBER.fullmatch(text.strip()) else math.nan
    if not -1 <= label <= 1:
        raise InputError(where, repr(text[:200]), "a number in [-1, 1], or nothing")
    return label
