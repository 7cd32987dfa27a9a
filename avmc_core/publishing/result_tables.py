"""Tables of results for the book's pages, fed from saved results: ours with intervals, the paper's
figures beside them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from avmc_core.analysis.estimate import Cell
from avmc_core.analysis.statistics import Interval
from avmc_core.artefacts import other_data, statement
from avmc_core.metrics import BY_COLUMN
from avmc_core.published import published, text_figure
from avmc_core.publishing.book_extension import lookup, read_result
from avmc_core.publishing.tables import (
    Table,
    agreement,
    effects_table,
    interval_table,
    result_table,
)

log = logging.getLogger(__name__)
HEADINGS = {"F1_score": "F1", "R_square": "R²", "total": "Total"}
SCOPE = (
    "In each cell on the left ours, the mean over seeds, with its 95 % interval from "
    "resampling seeds and source videos together; "
    "on the right the paper's figure, where it prints one, which is about CH-SIMS v2.0 as "
    "its authors had it."
)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx through ``book_extension``."""
    app.add_directive("published-table", PublishedTable)
    app.add_directive("results-table", ResultsTable)
    app.add_directive("records-table", RecordsTable)
    app.add_directive("real-text-only", RealTextOnly)
    app.add_directive("effects-table", EffectsTable)
    app.add_role("published", Published())
    return {"version": "1", "parallel_read_safe": False}


class Published(SphinxRole):
    """``{published}`name|format` ``: a figure that the paper prints in its text, with its place as
    explanation."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        name, _, spec = self.text.partition("|")
        try:
            value, place = text_figure(name)
            text = format(value, spec)
        except (KeyError, TypeError, ValueError) as error:
            log.warning(
                f"published: {self.text}: {type(error).__name__}: {error}",
                location=self.get_location(),
            )
            return [nodes.problematic(self.rawtext, self.text)], []
        return [nodes.abbreviation(text, text, explanation=f"as printed in the paper, {place}")], []


class PublishedTable(SphinxDirective):
    """``{published-table} table2_benchmark``: a table of the paper as printed, with its source
    under it."""

    required_arguments = 1
    option_spec = {"caption": directives.unchanged_required}  # noqa: RUF012 - docutils' interface

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        table = published()[name]
        heads, rows = published_rows(name)
        caption = self.options.get("caption", f"Table {name[5]} of the paper, as printed.")
        notes = [
            caption,
            f"Published figures: {published()['source']}",
            *([table["note"]] if "note" in table else []),
        ]
        return table_nodes(Table(pd.DataFrame(rows, columns=["", *heads]), name), " ".join(notes))


class FromResults(SphinxDirective):
    """A directive that shows saved results; a missing result, row or metric fails the build."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        try:
            return self.shown()
        except (OSError, LookupError, TypeError, ValueError) as error:
            what = ": ".join([self.name, *self.arguments])
            log.warning(f"{what}: {type(error).__name__}: {error}", location=self.get_location())
            return []

    def shown(self) -> list[nodes.Node]:
        """The table, and the line that says where its figures come from."""
        raise NotImplementedError


class ResultsTable(FromResults):
    """``{results-table} name``: the ``cells`` of ``$AVMC_HOME/results/name.json``, one row per
    model and one column per metric.

    ``:rows:`` (separated by semicolons) and ``:metrics:`` (separated by spaces) select some of
    them; ``:caption:`` precedes the caption that every such table has, and ``:against:`` names the
    paper's table.
    """

    option_spec = {  # noqa: RUF012 - docutils' interface
        "against": directives.unchanged_required,
        "caption": directives.unchanged_required,
        "metrics": directives.unchanged_required,
        "rows": directives.unchanged_required,
    }

    def shown(self) -> list[nodes.Node]:
        name = self.arguments[0]
        result = read_result(self.env, name)
        cells = [Cell.read(record) for record in result["data"]["cells"]]
        metrics, rows = self._chosen("metrics"), self._chosen("rows")
        table = result_table(cells, name, metrics, rows)
        caption = f"{self.options.get('caption', '')} {SCOPE}".strip()
        chosen = [
            c for c in cells if c.row in (rows or [c.row]) and c.metric in (metrics or [c.metric])
        ]
        status = agreement(chosen, result["provenance"]["data"])
        line = statement(result["provenance"], self.options.get("against", ""), status)
        return [*table_nodes(table, caption), _line(line)]

    def _chosen(self, option: str) -> list[str]:
        text = self.options.get(option, "")
        return [
            part.strip() for part in text.split(";" if option == "rows" else None) if part.strip()
        ]


class RecordsTable(FromResults):
    """``{records-table} name:key``: a list of records, all with the same fields; one per row."""

    option_spec = {"caption": directives.unchanged_required}  # noqa: RUF012 - docutils' interface

    def shown(self) -> list[nodes.Node]:
        name, _, key = self.arguments[0].partition(":")
        result = read_result(self.env, name)
        table = Table(pd.DataFrame(lookup(result, key)), f"{name}-{key.replace('.', '-')}")
        line = _line(statement(result["provenance"]))
        return [*table_nodes(table, self.options.get("caption", "")), line]


class RealTextOnly(FromResults):
    """``{real-text-only}``: the scores of the model that only reads, where it was computed on real
    transcripts (a label table or store was given); nothing where it was not."""

    required_arguments = 0
    SHOWN = ("Acc2", "Corr", "MAE")

    def shown(self) -> list[nodes.Node]:
        result = read_result(self.env, "text_only")
        if other_data(result["provenance"]["data"]):
            self.env.avmc_quoted[self.env.docname].pop("text_only")
            return []
        rows = [row for row in result["data"]["rows"] if row["task"] == "M"]
        frame = pd.DataFrame(
            [
                {name: row[name] for name in ("model", "slice", "clips")}
                | {name: Interval(**row[name]) for name in self.SHOWN}
                for row in rows
            ]
        ).rename(columns={"model": "Model", "slice": "clips of"})
        caption = (
            "The model that only reads, on the real transcripts, with 95 % intervals over source "
            "videos."
        )
        table = interval_table(frame, "real-text-only", self.SHOWN)
        return [*table_nodes(table, caption), _line(statement(result["provenance"]))]


class EffectsTable(FromResults):
    """``{effects-table} name:key ...``: every D number that this page has an entry for, with the
    effects measured in results."""

    final_argument_whitespace = True
    option_spec = {"caption": directives.unchanged_required}  # noqa: RUF012 - docutils' interface

    def shown(self) -> list[nodes.Node]:
        lines, measured = [], []
        for name, _, key in (argument.partition(":") for argument in self.arguments[0].split()):
            result = read_result(self.env, name)
            measured += lookup(result, key)
            lines.append(_line(statement(result["provenance"])))
        page = Path(self.env.doc2path(self.env.docname)).read_text(encoding="utf-8")
        table = effects_table(page, measured)
        return [*table_nodes(table, self.options.get("caption", "")), *lines]


def published_rows(name: str) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of text of a published table; percentages get two decimals, MAE three,
    counts none."""
    table = published()[name]
    heads = table.get("metrics") or table["columns"]
    cells = table.get("rows") or {split: table[split] for split in ("train", "valid", "test")}
    multitask = set(table.get("multitask", ()))
    rows = []
    for label, values in cells.items():
        texts = [
            " / ".join(printed(head, v) for v in (value if isinstance(value, list) else [value]))
            for head, value in zip(heads, values, strict=True)
        ]
        rows.append([label + ("*" if label in multitask else ""), *texts])
    return [HEADINGS.get(head, head) for head in heads], rows


def printed(head: str, value: float) -> str:
    """A figure as the paper prints it."""
    if isinstance(value, int):
        return str(value)
    decimals = BY_COLUMN[head].decimals if head in BY_COLUMN else 2
    return f"{value:.{decimals}f}"


def table_nodes(table: Table, caption: str) -> list[nodes.Node]:
    """The table as HTML with its caption; for other builders its words."""
    line = nodes.paragraph(text=caption, classes=["avmc-told"])
    elsewhere = addnodes.only(expr="not format_html")
    elsewhere += _plain(table)
    return [
        nodes.raw("", table._repr_html_(), format="html"),
        elsewhere,
        *([line] if caption else []),
    ]


def _plain(table: Table) -> nodes.table:
    columns = [nodes.colspec(colwidth=1) for _ in table.frame]
    head = nodes.thead("", _row(table.frame))
    body = nodes.tbody("", *(_row(row) for row in table.words().itertuples(index=False)))
    return nodes.table("", nodes.tgroup("", *columns, head, body, cols=len(columns)))


def _row(texts: Iterable[str]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph(text=text)) for text in texts))


def _line(statement: str) -> nodes.paragraph:
    """A provenance line; what stands between backticks is code."""
    line = nodes.paragraph(classes=["avmc-caption"])
    for number, text in enumerate(statement.split("`")):
        line += nodes.literal(text=text) if number % 2 else nodes.Text(text)
    return line
