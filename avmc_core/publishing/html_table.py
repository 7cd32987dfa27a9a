"""The one kind of table in the book: complete without JavaScript; with it, sorted by a click on a
heading and filtered by words.

Everything is in the markup itself, the CSV too: nothing is loaded, so a table works in the book, in
a notebook, on paper and from the file system.
"""

from __future__ import annotations

import math
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

import pandas as pd

from avmc_core.analysis.estimate import Estimate, picture, scale
from avmc_core.errors import InputError
from avmc_core.home import resource_text

SHORT = 12  # characters that are never broken
LONG = 60  # characters from which on a cell is a sentence, no name
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(?=$| \[)")
SEARCHED = 10  # rows from which on a field for words is shown
KEY = (
    '<span><svg width="26" height="13"><path class="line" d="M1 6.5H25"/><circle cx="13" '
    'cy="6.5" r="2.6"/></svg> '
    "ours with its 95 % interval</span>"
)
PAPER_KEY = (
    '<span><svg width="11" height="13"><path class="paper" d="M5.5 2l4.5 4.5-4.5 '
    '4.5-4.5-4.5z"/></svg> published</span>'
)


@dataclass(frozen=True)
class Link:
    """A cell that leads elsewhere."""

    text: str
    target: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Table:
    """``frame`` (its index is not shown) under the name ``name``, unique on a page: the last value
    of a notebook's cell.

    ``filters`` names columns that get a drop-down; ``details`` gives for a column what unfolds on a
    click on its cells, one text per row; ``decimals`` gives the number of decimals of a column's
    numbers, or their format. A column of ``Estimate`` gets a picture in each cell, all on one
    scale, whose ends stand in its heading; or on one scale for each value of the column
    ``scale_by``. ``anchors`` gives each row a name (``anchor``), so that other pages can link to
    it. Raises InputError for a name that cannot serve as an id.
    """

    frame: pd.DataFrame
    name: str
    filters: Sequence[str] = ()
    details: Mapping[str, Sequence[str]] = field(default_factory=dict)
    decimals: Mapping[str, int | str] = field(default_factory=dict)
    scale_by: str = ""
    anchors: Sequence[str] = ()

    def __post_init__(self):
        if not re.fullmatch(r"[a-z0-9_-]+", self.name):
            raise InputError("Table", f"name {self.name!r}", "lower case letters, digits, - and _")

    def __repr__(self) -> str:
        """For a terminal: the same words, no pictures."""
        return self.words().to_string(index=False)

    def words(self) -> pd.DataFrame:
        """Every cell as text."""
        return pd.DataFrame(
            {name: [self._text(name, value) for value in self.frame[name]] for name in self.frame}
        )

    def csv(self) -> str:
        """Full precision; a column of estimates becomes value, low, high, published and
        difference."""
        columns = {}
        for name in self.frame:
            cells = list(self.frame[name])
            if not _estimated(cells):
                columns[name] = cells
                continue
            columns[name] = [cell.value for cell in cells]
            for part in ("low", "high", "published", "difference"):
                values = [getattr(cell, part) for cell in cells]
                if any(value is not None for value in values):
                    columns[f"{name} {part}"] = values
        return pd.DataFrame(columns).to_csv(index=False, lineterminator="\n")

    def _repr_html_(self) -> str:
        columns = [self._column(number, name) for number, name in enumerate(self.frame)]
        head = "".join(heading for heading, _ in columns)
        rows = ["".join(row) for row in zip(*(cells for _, cells in columns), strict=True)]
        ids = [f' id="{name}"' for name in self.anchors] or [""] * len(rows)
        body = "".join(f"<tr{name}>{row}</tr>" for name, row in zip(ids, rows, strict=True))
        wanted = int(len(self.frame) >= SEARCHED or bool(self.filters))
        return (
            f'<div class="avmc-t" id="table-{self.name}">'
            f'<style>{resource_text("table.css")}</style><div class="tools" '
            f'data-wanted="{wanted}" hidden><label>Words <input type="search"></label>'
            f"{self._selects()}<output></output></div>"
            f'<div class="box" tabindex="0" role="region" aria-label="table {self.name}">'
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
            f'<div class="key">{self._key()}{self._download()}</div>'
            f"<script>{resource_text('table.js')}</script></div>"
        )

    def _column(self, number: int, name: str) -> tuple[str, list[str]]:
        """The heading and the cells of a column."""
        values, ends = list(self.frame[name]), ""
        if _estimated(values):
            groups = list(self.frame[self.scale_by]) if self.scale_by else [""] * len(values)
            scales = {
                g: scale(v for v, of in zip(values, groups, strict=True) if of == g)
                for g in dict.fromkeys(groups)
            }
            cells = [
                (_estimate(v, scales[g]), _sort(v.value))
                for v, g in zip(values, groups, strict=True)
            ]
            kind = "e"
            if not self.scale_by and scales[""]:
                ends = "".join(f"<span>{values[0].text(end)}</span>" for end in scales[""])
                ends = f'<span class="ends">{ends}</span>'
        elif _numeric(values):
            kind, cells = "n", [(self._text(name, v), _sort(v)) for v in values]
        else:
            kind = ""
            cells = [(_linked(v, escape(self._text(name, v))), _written(v)) for v in values]
            if name in self.details:
                cells = [
                    (_folded(text, more), key)
                    for (text, key), more in zip(cells, self.details[name], strict=True)
                ]
        tag = "th" if number == 0 else "td"
        scope = ' scope="row"' if number == 0 else ""
        # a screen reader must be able to say what the button sorts by
        unnamed = "" if name else ' aria-label="row"'
        heading = (
            f'<th scope="col" class="{kind}"><button '
            f'type="button"{unnamed}>{escape(str(name))}</button>{ends}</th>'
        )
        return heading, [
            f'<{tag} class="{kind}"{scope}{order}>{text}</{tag}>' for text, order in cells
        ]

    def _selects(self) -> str:
        return "".join(
            f"<label>{escape(name)} <select "
            f'data-column="{self.frame.columns.get_loc(name)}"><option value="">all</option>'
            + "".join(
                f"<option>{escape(self._text(name, value))}</option>"
                for value in dict.fromkeys(self.frame[name])
            )
            + "</select></label>"
            for name in self.filters
        )

    def _text(self, column: str, value: object) -> str:
        if not _known(value):
            return "–"
        if isinstance(value, bool):
            return "yes" if value else "no"
        if not isinstance(value, float):
            return str(value)
        spec = self.decimals.get(column, 2)
        # z: what rounds to zero has no sign
        return format(value, f"z.{spec}f" if isinstance(spec, int) else spec)

    def _key(self) -> str:
        cells = [
            cell for name in self.frame for cell in self.frame[name] if isinstance(cell, Estimate)
        ]
        ours = KEY if any(cell.interval for cell in cells) else ""
        return ours + (PAPER_KEY if any(cell.published is not None for cell in cells) else "")

    def _download(self) -> str:
        """A link that carries the table itself, so that it works from the file system as well."""
        data = b64encode(self.csv().encode()).decode()
        return (
            f'<a download="{self.name}.csv" '
            f'href="data:text/csv;charset=utf-8;base64,{data}">Download as CSV</a>'
        )


def anchor(table: str, key: str) -> str:
    """The name of a row of ``table``: letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", f"{table}-{key}".lower()).strip("-")


def _estimate(value: Estimate, ends: tuple[float, float] | None) -> str:
    if value.value is None and value.published is None:
        return f'<span class="note">{escape(value.note or "–")}</span>'
    theirs = "" if value.published is None else f"<i>{value.text(value.published)}</i>"
    under = "<br>".join(filter(None, [value.interval, escape(value.note)]))
    pair = f'<span class="pair"><b>{value.text(value.value)}</b>{theirs}</span>'
    return pair + picture(value, ends) + (f'<span class="of">{under}</span>' if under else "")


def _linked(value: object, text: str) -> str:
    """A link, or words: short ones and names like AV-MC stay whole, a row of alternatives may break
    after each."""
    if len(text) <= SHORT:
        text = f'<span class="whole">{text}</span>'
    elif len(text) < LONG:
        text = re.sub(r"\S+-\S+", r'<span class="whole">\g<0></span>', text.replace("/", "/<wbr>"))
    return f'<a href="{escape(value.target)}">{text}</a>' if isinstance(value, Link) else text


def _folded(text: str, more: str) -> str:
    return (
        f"<details><summary>{text}</summary><code>{escape(more)}</code></details>" if more else text
    )


def _sort(value: float | None) -> str:
    return f' data-sort="{value if _known(value) else ""}"'


def _written(value: object) -> str:
    """The key by which a number in words is sorted, with its interval or without."""
    number = NUMBER.match(str(value))
    return _sort(float(number[0])) if number else ""


def _estimated(cells: Sequence[object]) -> bool:
    return bool(cells) and all(isinstance(cell, Estimate) for cell in cells)


def _numeric(cells: Sequence[object]) -> bool:
    known = [value for value in cells if _known(value)]
    return bool(known) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in known
    )


def _known(value: object) -> bool:
    return (
        value is not None
        and value is not pd.NA
        and not (isinstance(value, float) and math.isnan(value))
    )
