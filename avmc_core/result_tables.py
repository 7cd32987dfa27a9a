"""Tables of results for the book's pages, fed from saved results: ours with intervals, the paper's figures beside them."""

from __future__ import annotations

import csv
import io
from base64 import b64encode
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from avmc_core.book_extension import HEADINGS, lookup, printed, read_result, table_node
from avmc_core.metrics import METRICS
from avmc_core.published import text_figure

log = logging.getLogger(__name__)
FIELDS = ("row", "metric", "estimate", "low", "high", "published", "published_row")
SCOPE = (
    "Large: ours, the mean over seeds. In brackets: its 95 % interval, from resampling seeds and source videos together. "
    "The figures labelled “paper” are about CH-SIMS v2.0 as its authors had it; ours are about: {data}."
)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx through ``book_extension``."""
    app.add_directive("results-table", ResultsTable)
    app.add_directive("records-table", RecordsTable)
    app.add_role("published", Published())
    return {"version": "1", "parallel_read_safe": False}


class Published(SphinxRole):
    """``{published}`name|format` ``: a figure that the paper prints in its text, with its place as explanation."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        name, _, spec = self.text.partition("|")
        try:
            value, place = text_figure(name)
            text = format(value, spec)
        except (KeyError, TypeError, ValueError) as error:
            log.warning(f"published: {self.text}: {type(error).__name__}: {error}", location=self.get_location())
            return [nodes.problematic(self.rawtext, self.text)], []
        return [nodes.abbreviation(text, text, explanation=f"as printed in the paper, {place}")], []


class ResultsTable(SphinxDirective):
    """``{results-table} name``: the ``cells`` of ``$AVMC_HOME/results/name.json``, a row a model and a column a metric.

    ``:rows:`` (separated by semicolons) and ``:metrics:`` (by spaces) choose among them; ``:caption:`` stands before what
    every such table says about its data. A result, row or metric that is not there fails the build.
    """

    required_arguments = 1
    option_spec = {  # noqa: RUF012 - docutils' interface
        "caption": directives.unchanged_required,
        "metrics": directives.unchanged_required,
        "rows": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        try:
            result = read_result(self.env, name)
            cells = by_row(result["data"]["cells"], self._chosen("rows"), self._chosen("metrics"))
        except (OSError, LookupError, ValueError) as error:
            log.warning(f"results-table: {name}: {type(error).__name__}: {error}", location=self.get_location())
            return []
        caption = " ".join([self.options.get("caption", ""), SCOPE.format(data=result["provenance"]["data"])]).strip()
        return [results_node(cells, caption), _download(name, csv_text(result["data"]["cells"]))]

    def _chosen(self, option: str) -> list[str]:
        text = self.options.get(option, "")
        return [part.strip() for part in text.split(";" if option == "rows" else None) if part.strip()]


class RecordsTable(SphinxDirective):
    """``{records-table} name:key``: a list of records, all with the same fields, in words; one a row."""

    required_arguments = 1
    option_spec = {"caption": directives.unchanged_required}  # noqa: RUF012 - docutils' interface

    def run(self) -> list[nodes.Node]:
        name, _, key = self.arguments[0].partition(":")
        try:
            records = lookup(read_result(self.env, name), key)
            rows = [[format(record[field]) for field in records[0]] for record in records]
        except (OSError, LookupError, ValueError) as error:
            log.warning(f"records-table: {name}:{key}: {type(error).__name__}: {error}", location=self.get_location())
            return []
        return [table_node(list(records[0]), rows, self.options.get("caption", ""))]


def by_row(cells: list[dict[str, Any]], rows: list[str], metrics: list[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """Row to metric to cell, all or those chosen, in the order chosen. Raises KeyError for one that is not there."""
    table: dict[str, dict[str, dict[str, Any]]] = {}
    for cell in cells:
        table.setdefault(cell["row"], {})[cell["metric"]] = cell
    return {row: {metric: table[row][metric] for metric in metrics or table[row]} for row in rows or table}


def results_node(table: dict[str, dict[str, dict[str, Any]]], caption: str) -> nodes.table:
    """The table: each cell holds our figure, its interval, and the paper's figure where there is one."""
    metrics = list(next(iter(table.values())))
    node = nodes.table(classes=["avmc-table", "avmc-results"])
    node += nodes.title(text=caption)
    group = nodes.tgroup(cols=len(metrics) + 1)
    group += [nodes.colspec(colwidth=1) for _ in range(len(metrics) + 1)]
    head, body = nodes.thead(), nodes.tbody()
    head += _row([[("", "")], *([("", _heading(metric))] for metric in metrics)])
    for name, cells in table.items():
        body += _row([[("avmc-model", name)], *(_lines(cell) for cell in cells.values())])
    group += [head, body]
    node += group
    return node


def csv_text(cells: list[dict[str, Any]]) -> str:
    """All cells with full precision, one a line."""
    out = io.StringIO()
    writer = csv.DictWriter(out, FIELDS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(cells)
    return out.getvalue()


def _heading(metric: str) -> str:
    known = METRICS[metric]
    name = HEADINGS.get(known.column or metric, metric)
    return f"{name} {'↑' if known.higher_is_better else '↓'}"


def _lines(cell: dict[str, Any]) -> list[tuple[str, str]]:
    """Class and text of the lines of one cell; an undefined figure (the correlation of a constant) is a dash."""
    text = {key: "–" if cell[key] is None else printed(cell["metric"], float(cell[key])) for key in FIELDS[2:6]}
    lines = [("avmc-ours", text["estimate"])]
    if cell["estimate"] is not None:
        lines.append(("avmc-interval", f"[{text['low']}, {text['high']}]"))
    if cell["published"] is not None:
        lines.append(("avmc-paper", f"paper {text['published']}"))
    return lines


def _row(entries: list[list[tuple[str, str]]]) -> nodes.row:
    row = nodes.row()
    for lines in entries:
        entry = nodes.entry()
        entry += [nodes.paragraph(text=text, classes=[name] if name else []) for name, text in lines]
        row += entry
    return row


def _download(name: str, text: str) -> nodes.raw:
    """A link that carries the table itself, so that it works from the file system as well."""
    data = b64encode(text.encode()).decode()
    link = f'<a download="{name}.csv" href="data:text/csv;charset=utf-8;base64,{data}">Download as CSV</a>'
    return nodes.raw("", f'<p class="avmc-source">{link}</p>', format="html")
