"""The filterable table is whole without JavaScript, escapes what it shows, and lines up the three truths."""

from __future__ import annotations

from html.parser import HTMLParser

import pandas as pd

from avmc_core.html_table import html_table
from avmc_core.metrics import METRICS
from avmc_core.published import published
from avmc_core.three_truths import HEADS, SHARED, spread, three_truths


class Cells(HTMLParser):
    """Texts of td elements, options and the nesting of tags."""

    def __init__(self):
        super().__init__()
        self.open, self.cells, self.options = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("input", "br"):
            self.open.append(tag)
        if tag in ("td", "option"):
            (self.cells if tag == "td" else self.options).append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "td" in self.open:
            self.cells[-1] += data
        elif "option" in self.open:
            self.options[-1] += data


def test_every_cell_is_in_the_markup():
    frame = pd.DataFrame({"name": ["<b>a</b>", "b & c"], "value": [1, "–"]})
    page = Cells()
    page.feed(html_table(frame, "t", ["value"], {"name": ["where it is", ""]}))
    assert page.open == []
    assert page.cells == ["<b>a</b>where it is", "1", "b & c", "–"]
    assert page.options == ["all", "1", "–"]


def test_three_truths_against_the_tables():
    """Each published figure stands in its own column; a party that says nothing leaves a dash."""
    for metric in SHARED:
        column = METRICS[metric].column
        table = three_truths({}, metric).set_index("Model")
        sources = {"paper": published()["table2_benchmark"], **published()["later_tables"]}
        assert set(table.index) == {model for source in sources.values() for model in source["rows"]}
        for name, source in sources.items():
            for model, text in table[HEADS[name]].items():
                values = source["rows"].get(model)
                assert (text == "–") == (values is None)
                if values is not None:
                    assert abs(float(text) - values[source["metrics"].index(column)]) < 0.00051
        assert set(table[HEADS["ours"]]) == {"–"}
        assert spread(metric)["gap"] > 0
