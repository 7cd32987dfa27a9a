"""The one place where a table of text is opened: which encoding it is in, what separates its cells,
what a spreadsheet added.

Whatever had to be decided or set right is counted, so that a command can say it.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from avmc_core.errors import InputError
from avmc_core.files.encodings import decoded, undamaged
from avmc_core.files.kinds import foreign_bytes

MAX_BYTES = 2**26
_HEAD = 512  # bytes that show what a file is
SEPARATORS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class TextTable:
    """A header and rows of as many cells each, with the line that each ends on. ``flaw``: what is
    wrong somewhere in the text, for whoever needs all of it: signs of a wrong conversion, or quotes
    within a cell."""

    header: list[str]
    rows: list[tuple[int, list[str]]]
    separator: str
    repairs: Counter[str]
    flaw: InputError | None = None


def read_table(path: str | Path, what: str) -> TextTable:
    """The table in the file ``path``; ``what`` it should be is said in errors.

    It reads UTF-8, UTF-16 and UTF-32, GB18030 and Big5; commas, semicolons, tabs and bars; a first
    line ``sep=;``. Blank rows and columns and names with blanks around them are set right. Raises
    InputError for anything that is not a table of text, for bytes whose encoding is in doubt, for a
    quote that never ends, and for a row with too many or too few cells.
    """
    path = Path(path)
    repairs: Counter[str] = Counter()
    text, encoding = decoded(path, _bytes(path, what))
    repairs[f"{what} was read as {encoding}"] += encoding != "utf-8-sig"
    flaw = None
    try:
        undamaged(str(path), text)
    except InputError as error:
        flaw = error
    first, _, rest = text.partition("\n")
    if first.strip().lower().startswith("sep=") and len(first.strip()) <= 5:
        separator, text = first.strip()[4:] or "\t", rest
        skipped = 1
    else:
        separator, skipped = _separator(first), 0
    repairs[f"{what} was read with {_name(separator)} between its cells"] += separator != ","
    lines, misquoted = _lines(path, text, separator, skipped)
    header, rows = _trimmed(path, lines, what, repairs)
    return TextTable(header, rows, separator, repairs, flaw or misquoted)


def _bytes(path: Path, what: str) -> bytes:
    try:
        if not path.is_file():
            raise InputError(
                path, "no file" if not path.exists() else "not a regular file", f"a table, {what}"
            )
        with path.open("rb") as file:
            head = file.read(_HEAD)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            last = file.read(1)
            _check_kind(path, what, head, last)  # first: a large pickle is no large table
            if size > MAX_BYTES:
                raise InputError(path, f"{size:,} bytes", f"a table of up to {MAX_BYTES:,}")
            file.seek(0)
            return file.read()
    except OSError as error:
        raise InputError(path, str(error), "a readable table") from None


def _check_kind(path: Path, what: str, head: bytes, last: bytes) -> None:
    """Raises InputError for a file that its first bytes, or its last, show to be no table."""
    if head.startswith(b"\x80") and last == b".":
        raise InputError(
            path, "a pickle", f"a table, {what}; `avmc data import --supervised` reads pickles"
        )
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        raise InputError(path, "JSON", f"a table, {what}: rows of CSV under a header")
    if (other := foreign_bytes(head)) is not None:
        raise InputError(path, *other)


def _separator(header: str) -> str:
    """The separator of which a header holds the most outside quotes; a comma if it holds none."""
    header = re.sub(r'"[^"]*"', "", header)
    return max(SEPARATORS, key=lambda separator: (header.count(separator), separator == ","))


def _name(separator: str) -> str:
    return {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}.get(
        separator, repr(separator)
    )


def _lines(
    path: Path, text: str, separator: str, skipped: int
) -> tuple[list[tuple[int, list[str]]], InputError | None]:
    """The cells of each line, and what is wrong with the quotes of some cell."""
    style = {
        "delimiter": separator,
        # only where a quoted cell has a blank before it: a transcript may begin with one
        "skipinitialspace": re.search(rf'{re.escape(separator)} +"(?!")', text) is not None,
    }
    flaw = None
    for strict in (True, False):
        reader = csv.reader(io.StringIO(f"{text}\n\n", newline=""), strict=strict, **style)
        try:
            lines = [(reader.line_num + skipped, cells) for cells in reader]
        except csv.Error as error:
            where = f"{path}, line {reader.line_num + skipped}"
            flaw = flaw or InputError(where, str(error), "well-formed CSV")
            continue
        if not lines[-1][1]:  # else the blank line at the end is within a quote that never ends
            return lines, flaw
    raise flaw


def _trimmed(
    path: Path, lines: list[tuple[int, list[str]]], what: str, repairs: Counter[str]
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header and rows without the blank rows and columns that spreadsheets leave."""
    blank = [not any(cell.strip() for cell in cells) for _, cells in lines]
    repairs[f"blank rows of {what} left out"] += sum(
        empty and bool(cells) for empty, (_, cells) in zip(blank, lines, strict=True)
    )
    lines = [line for empty, line in zip(blank, lines, strict=True) if not empty]
    if not lines:
        return [], []
    (first, header), rows = lines[0], lines[1:]
    if len(header) == 1 and any(len(cells) > 1 for _, cells in rows):
        title = f"{header[0][:80]!r}, a title"
        raise InputError(f"{path}, line {first}", title, "the names of the columns")
    names = [name.strip() for name in header]
    repairs[f"column names of {what} with blanks around them"] += sum(
        map(str.__ne__, names, header)
    )
    numbers = [cells[0] for _, cells in rows if len(cells) == len(names) + 1 and cells[-1].strip()]
    if len(set(numbers)) == len(rows) and all(map(str.isdecimal, numbers)):
        rows = [(line, cells[1:]) for line, cells in rows]
        repairs[f"row names of {what} left out"] += len(rows)  # as R writes them: without a title
    width = len(names)
    while width and not names[width - 1]:
        width -= 1
    kept = []
    for number, cells in rows:
        if len(cells) < width or any(cell.strip() for cell in cells[len(names) :]):
            expected = f"{len(names)}, as in the header"
            raise InputError(f"{path}, line {number}", f"{len(cells)} fields", expected)
        kept.append((number, [*cells, *[""] * (len(names) - len(cells))][: len(names)]))
    beyond = any(len(cells) > len(names) for _, cells in rows)
    unnamed = [place for place, name in enumerate(names) if not name]
    repairs[f"columns of {what} without a name left out"] += len(unnamed) + beyond
    named = [place for place, name in enumerate(names) if name]
    return [names[place] for place in named], [
        (n, [cells[place] for place in named]) for n, cells in kept
    ]
