"""The book's table is complete without JavaScript, escapes its content, and draws its pictures to
scale."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from avmc_core.analysis.estimate import MARGIN, WIDTH, Cell, Estimate, picture, places, scale
from avmc_core.analysis.statistics import Interval
from avmc_core.errors import InputError
from avmc_core.publishing.html_table import Table
from avmc_core.publishing.tables import agreement, result_table

VOID = ("input", "br", "wbr", "circle", "path")
CELLS = [
    Cell(value, low, high, paper, 3, row=row, metric="MAE")
    for row, value, low, high, paper in (
        ("One", 0.3, 0.2, 0.4, 0.25),
        ("Two", 0.5, 0.45, 0.6, 0.35),
        ("Three", None, None, None, None),
    )
]


class Cells(HTMLParser):
    """Texts of the body's cells and of options; tags must nest."""

    def __init__(self, html: str):
        super().__init__()
        self.open, self.cells, self.options, self.sort = [], [], [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("td", "th") and "tbody" in self.open:
            self.cells.append("")
            self.sort.append(dict(attrs).get("data-sort"))
        elif tag == "option":
            self.options.append("")

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if "tbody" in self.open and "title" not in self.open:
            self.cells[-1] += data
        elif "option" in self.open:
            self.options[-1] += data


def read_csv(html: str) -> list[dict[str, str]]:
    data = re.search(r'href="data:text/csv;charset=utf-8;base64,([^"]+)"', html)[1]
    return list(csv.DictReader(io.StringIO(base64.b64decode(data).decode())))


def test_every_cell_is_in_the_markup():
    frame = pd.DataFrame(
        {"name": ["<b>a</b>", "b & c"], "value": [1, "–"], "share": [0.12345, math.nan]}
    )
    html = Table(frame, "t", ["value"], {"name": ["where it is", ""]}, {"share": 3})._repr_html_()
    page = Cells(html)
    assert page.cells == ["<b>a</b>where it is", "1", "0.123", "b & c", "–", "–"]
    assert page.options == ["all", "1", "–"]
    assert page.sort == [None, "1.0", "0.12345", None, None, ""]
    # without JavaScript there is no filter to be misled by
    assert 'class="tools" data-wanted="1" hidden' in html
    assert read_csv(html)[0] == {"name": "<b>a</b>", "value": "1", "share": "0.12345"}


def test_written_numbers_sort_as_numbers():
    """By text, +0.6 would come before -0.4."""
    cells = ["+0.6", "-0.4", "-0.17 [-0.41, +0.19]", "3 of 5", "2022-07-07", "one"]
    page = Cells(Table(pd.DataFrame({"name": "x", "value": cells}), "t")._repr_html_())
    assert page.sort[1::2] == ["0.6", "-0.4", "-0.17", None, None, None]


def test_a_name_is_an_id():
    with pytest.raises(InputError):
        Table(pd.DataFrame(), "Table 2")


def test_a_cell_is_saved_in_the_form_in_which_it_is_read():
    """The order of the fields included: saved results are compared byte for byte."""
    place = {"row": "Text/default, unimodal", "run": "text, annotation T", "metric": "Acc2"}
    ours = {"estimate": 71.25, "low": 65.0, "high": None}
    paper = {"published": 68.67, "published_row": "Text/default", "note": ""}
    record = place | ours | paper
    assert json.dumps(Cell.read(record).record()) == json.dumps(record)
    plain = {key: value for key, value in record.items() if key != "run"}
    assert json.dumps(Cell.read(plain).record()) == json.dumps(plain)
    cell = Cell.of("Acc2", Interval(0.7125, 0.65, math.nan), 68.67, row="Text/default, unimodal")
    assert (cell.value, cell.low, cell.high, cell.decimals) == (71.25, 65.0, None, 2)
    with pytest.raises(KeyError):
        Cell.read(record | {"metric": "Acc4"})
    with pytest.raises(TypeError):
        Cell.read(record | {"other": 1})


def test_the_picture_is_to_scale():
    assert scale(CELLS) == (0.2, 0.6)

    def at(number: float) -> str:
        return f"{MARGIN + (number - 0.2) / 0.4 * (WIDTH - 2 * MARGIN):.1f}"

    drawn = picture(CELLS[0], scale(CELLS))
    assert f'class="line" d="M{at(0.2)} 6.5H{at(0.4)}"' in drawn
    assert f'<circle cx="{at(0.3)}"' in drawn and f'class="paper" d="M{at(0.25)} 2.0l' in drawn
    assert "difference +0.050" in drawn and "zero" not in drawn
    assert 'class="zero"' in picture(Estimate(0.1, -0.1, 0.2), (-0.1, 0.2))
    assert scale([Estimate(math.nan)]) is None


def test_small_figures_keep_two_digits():
    shown = {
        numbers: places(*numbers)
        for numbers in ((0.5, 0.4), (0.00041, 0.00036, 0.00058), (0.0,), (math.nan, 4.0))
    }
    assert list(shown.values()) == [3, 5, 3, 3]
    assert str(Estimate(0.00041, 0.00036, 0.00058, decimals=5)) == "0.00041 [0.00036, 0.00058]"


def test_results_stand_beside_the_papers_figures():
    table = result_table(CELLS, "made")
    page = Cells(table._repr_html_())
    assert page.cells == [
        "One",
        "0.3000.250[0.200, 0.400]",
        "Two",
        "0.5000.350[0.450, 0.600]",
        "Three",
        "–",
    ]
    assert page.sort == [None, "0.3", None, "0.5", None, ""]
    assert repr(table).splitlines()[1].split() == [
        "One",
        "0.300",
        "[0.200,",
        "0.400]",
        "/",
        "0.250",
    ]
    first = read_csv(table._repr_html_())[0]
    assert (first["MAE ↓"], first["MAE ↓ published"], first["MAE ↓ low"]) == ("0.3", "0.25", "0.2")
    assert (
        agreement(CELLS, "imported store sims (0123abcd), CH-SIMS v2.0")
        == "1 of 2 published figures lie within our intervals"
    )
    for other in ("simulated corpus, not CH-SIMS", "own clips, store 0123abcd"):
        assert agreement(CELLS, other) == "agreement not counted: other data"
    assert (
        agreement(CELLS[-1:], "imported store sims (0123abcd), CH-SIMS v2.0")
        == agreement(CELLS[-1:], "simulated corpus, not CH-SIMS")
        == ""
    )
    chosen = result_table(CELLS, "made", ["MAE"], ["Two", "One"])
    assert list(chosen.frame["Model"]) == ["Two", "One"]
    with pytest.raises(KeyError):
        result_table(CELLS, "made", ["Corr"])
