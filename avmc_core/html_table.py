"""A plain HTML table that a reader can filter by words, by the values of chosen columns, and sort by a click on a heading.

Everything is in the markup itself; without JavaScript the whole table is there, unsorted. Nothing is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd

SCRIPT = """
(function () {
  const box = document.getElementById(ID), rows = Array.from(box.querySelectorAll("tbody tr"));
  const words = box.querySelector("input"), lists = Array.from(box.querySelectorAll("select"));
  const count = box.querySelector("output");
  function filter() {
    let shown = 0;
    for (const row of rows) {
      const fits = row.textContent.toLowerCase().includes(words.value.toLowerCase()) &&
        lists.every(l => !l.value || row.cells[l.dataset.column].textContent.trim() === l.value);
      row.hidden = !fits;
      shown += fits;
    }
    count.textContent = shown + " of " + rows.length;
  }
  function key(row, column) {
    const cell = row.cells[column], number = parseFloat(cell.dataset.sort || cell.textContent);
    return isNaN(number) ? cell.textContent : number;
  }
  box.querySelectorAll("th button").forEach((head, column) => head.addEventListener("click", () => {
    const up = head.dataset.up = head.dataset.up === "1" ? "" : "1";
    const missing = value => typeof value === "string" && (value === "" || value === "–");
    rows.sort((a, b) => {
      const x = key(a, column), y = key(b, column);
      if (missing(x) !== missing(y)) return missing(x) ? 1 : -1;
      const order = typeof x === typeof y ? (x > y) - (x < y) : typeof x === "number" ? -1 : 1;
      return up ? order : -order;
    });
    rows.forEach(row => row.parentNode.appendChild(row));
  }));
  words.addEventListener("input", filter);
  lists.forEach(l => l.addEventListener("change", filter));
  filter();
})();
"""
STYLE = """
#ID { overflow-x: auto; font-size: 0.85em; } #ID table { width: 100%; border-collapse: collapse; }
#ID td, #ID th { text-align: left; vertical-align: top; padding: 0.3em 0.5em; border-bottom: 1px solid #8885; }
#ID th button { font: inherit; font-weight: bold; background: none; border: 0; padding: 0; color: inherit; cursor: pointer; }
#ID .filters { display: flex; flex-wrap: wrap; gap: 0.6em; margin-bottom: 0.6em; }
"""


def html_table(
    frame: pd.DataFrame, name: str, filters: Sequence[str] = (), details: Mapping[str, Sequence[str]] | None = None
) -> str:
    """``frame`` as HTML under the id ``name``; a drop-down for each column in ``filters``; ``details`` gives for a column
    what unfolds on a click on its cell, one text a row."""
    details = details or {}
    columns = list(frame.columns)
    selects = "".join(
        f'<label>{escape(column)} <select data-column="{columns.index(column)}"><option value="">all</option>'
        + "".join(f"<option>{escape(str(value))}</option>" for value in dict.fromkeys(frame[column]))
        + "</select></label>"
        for column in filters
    )
    head = "".join(f'<th scope="col"><button type="button">{escape(column)}</button></th>' for column in columns)
    body = "".join(
        "<tr>" + "".join(_cell(column, value, details.get(column, ()), i) for column, value in row.items()) + "</tr>"
        for i, (_, row) in enumerate(frame.iterrows())
    )
    return (
        f'<div id="{name}"><style>{STYLE.replace("ID", name)}</style>'
        f'<div class="filters"><label>Words <input type="search"></label>{selects}<output></output></div>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"<script>{SCRIPT.replace('ID', repr(name))}</script></div>"
    )


def _cell(column: str, value: object, details: Sequence[str], row: int) -> str:
    text = escape(str(value))
    if details and details[row]:
        folded = f"<br><code>{escape(details[row])}</code>"
        return f"<td><details><summary>{text}</summary>{folded}</details></td>"
    return f"<td>{text}</td>"
