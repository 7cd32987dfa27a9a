"""The book's own parts: figures come from results or the build fails, tables name their data, and
pages load nothing from other sites."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("sphinx", reason="the book needs the extra 'book'")
from docutils import nodes
from sphinx.testing.util import SphinxTestApp

from avmc_core.errors import InputError
from avmc_core.published import published
from avmc_core.publishing.book import build_book
from avmc_core.publishing.html_table import anchor
from avmc_core.publishing.tables import effects_table

BOOK = Path(__file__).parents[2] / "book"
CELLS = [
    {
        "row": row,
        "metric": metric,
        "estimate": value,
        "low": value,
        "high": value,
        "published": paper,
        "published_row": "",
    }
    for row, value, paper in (("One", 1.5, 2.25), ("Two", None, None))
    for metric in ("Acc2", "MAE")
]
CHANGE = {"estimate": -0.1, "low": -0.2, "high": 0.05}
EFFECTS = [
    {"numbers": numbers, "change": "One: mended", "seeds": 3, "MAE": CHANGE}
    for numbers in (["D02"], ["D02", "D03"])
]
MADE = {
    "data": "simulated corpus, not CH-SIMS",
    "seeds": [1, 2, 3],
    "runs": 7,
    "failed": 1,
    "command": "avmc run made",
}
RULING = {"verdict": "holds", "decided by": "the paper's figures against each other"}
RESULT = {"provenance": MADE, "data": {"cells": CELLS, "runs": 7, "effects": EFFECTS}}


@pytest.fixture
def build(tmp_path, monkeypatch):
    """The HTML of a one-page book, and Sphinx's warnings."""
    monkeypatch.setenv("AVMC_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "results").mkdir(parents=True)
    (tmp_path / "home" / "results" / "made.json").write_text(json.dumps(RESULT), encoding="utf-8")
    source = tmp_path / "source"
    source.mkdir()
    (source / "conf.py").write_text(
        "extensions = ['myst_parser', 'avmc_core.publishing.book_extension']\n", encoding="utf-8"
    )

    def page(text: str) -> tuple[str, str]:
        (source / "index.md").write_text(f"# Title\n\n{text}\n", encoding="utf-8")
        app = SphinxTestApp("html", srcdir=source, freshenv=True)
        try:
            app.build()
            return (Path(app.outdir) / "index.html").read_text(
                encoding="utf-8"
            ), app.warning.getvalue()
        finally:
            app.cleanup()

    return page


def test_anothers_site_does_not_give_way_to_the_book(tmp_path, monkeypatch):
    own = tmp_path / "_build" / "site" / "index.rst"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    (tmp_path / "_toc.yml").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no page of this book"):
        build_book()
    assert own.read_text() == "mine"


def test_a_quoted_figure_brings_its_data_mark(build):
    html, warnings = build("Made of {num}`made:runs` runs.")
    assert not warnings
    assert re.search(r"<abbr[^>]*>7</abbr>", html)
    assert "<strong>simulated corpus, not CH-SIMS</strong>" in html


def test_the_mark_of_the_data_stands_below_the_first_paragraph(build):
    """A reader first learns what a page is about; a page without such a paragraph begins with the
    mark."""
    html, _ = build("What it is about.\n\nOf {num}`made:runs` runs.\n\n## Next\n\nMore.")
    places = [html.index(words) for words in ("it is about", "avmc-mark", "Of <abbr", "More.")]
    assert places == sorted(places)
    html, _ = build("```{datamark} made\n```\n\n## Next\n\nMore.")
    assert html.index("avmc-mark") < html.index("More.")


def test_the_mark_of_simulated_data_can_wait_for_its_figures(build, tmp_path):
    """A page whose first figures are real does not say above them that they are simulated; the mark
    of what is real stays on top."""
    real = {"provenance": {"data": "real label table"}, "data": {"clips": 5}}
    (tmp_path / "home" / "results" / "counted.json").write_text(json.dumps(real), encoding="utf-8")
    later = "## Runs\n\n```{simulated-mark}\n```\n\nOf {num}`made:runs` runs."
    html, warnings = build(f"About.\n\nOf {{num}}`counted:clips` clips.\n\n{later}")
    assert not warnings
    words = ("About.", "real label table</strong>", "clips.", "Runs<", "not CH-SIMS</strong>")
    places = [html.index(word) for word in words]
    assert places == sorted(places)
    assert html.count("not CH-SIMS</strong>") == 1


def test_a_quoted_figure_leads_to_the_page_that_computed_it(build, tmp_path):
    """It leads to the row, where that page has a table of such rows: the source of a headline
    figure is one click away."""
    (tmp_path / "source" / "notebooks").mkdir()
    record = {"results": ["claims"]}
    (tmp_path / "source" / "notebooks" / "06_claims.json").write_text(
        json.dumps(record), encoding="utf-8"
    )
    result = {"provenance": MADE, "data": {"claims": 9, "rulings": {"best-AV-MC(Semi)": RULING}}}
    (tmp_path / "home" / "results" / "claims.json").write_text(json.dumps(result), encoding="utf-8")
    html, _ = build(
        "{num}`claims:claims` claims; {num}`claims:rulings.best-AV-MC(Semi).verdict`, "
        "{num}`made:runs`."
    )
    links = re.findall(r'<a[^>]*href="([^"]*)"[^>]*><abbr[^>]*>([^<]*)</abbr></a>', html)
    assert links == [
        ("notebooks/06_claims.html", "9"),
        (f"notebooks/06_claims.html#{anchor('claim', 'best-AV-MC(Semi)')}", "holds"),
    ]
    assert "verdict (the paper's figures against each other)" in html.replace("&#39;", "'")


@pytest.mark.parametrize(
    "text",
    [
        "{num}`made:gone`",
        "{num}`gone:runs`",
        "{num}`made:cells.0.estimate`",  # no format: nobody quotes sixteen digits
        "{published}`gone`",
        "```{results-table} gone\n```",
        "```{results-table} made\n:rows: Gone\n```",
        "```{results-table} made\n:metrics: Corr\n```",
        "```{records-table} made:gone\n```",
    ],
)
def test_what_is_not_there_fails_the_build(build, text):
    assert "WARNING" in build(text)[1]


def test_results_stand_beside_the_papers_figures(build):
    """With their provenance: data, seeds, failed runs and command."""
    html, warnings = build("```{results-table} made\n:against: Table 2\n```")
    assert not warnings
    rows = [
        re.sub("<title>.*?</title>|<[^>]+>", " ", row).split()
        for row in re.findall("(?s)<tr>.*?</tr>", html)
    ]
    assert rows[1:] == [
        ["One", "1.50", "2.25", "[1.50,", "1.50]", "1.500", "2.250", "[1.500,", "1.500]"],
        ["Two", "–", "–"],
    ]
    line = re.sub("<[^>]+>", "", re.search(r'<p class="avmc-caption">.*?</p>', html)[0])
    assert line == (
        "Data: simulated corpus, not CH-SIMS · seeds 1–3 · 7 runs, 1 failed · the paper: "
        "Table 2 (on other data) · agreement not counted: "
        "other data · command: avmc run made"
    )


@pytest.mark.parametrize("data, shown", [("real label table", True), ("simulated corpus", False)])
def test_the_text_model_is_shown_where_it_read_real_sentences(build, tmp_path, data, shown):
    """On the landing page it comes first; its results on generated sentences are not shown
    there."""
    cell = {"estimate": 0.5, "low": 0.4, "high": 0.6, "level": 0.95, "note": ""}
    row = {"task": "M", "model": "reads", "slice": "test", "clips": 9}
    rows = [row | dict.fromkeys(("Acc2", "Corr", "MAE"), cell), {"task": "T"}]
    result = {"provenance": {"data": data, "command": "avmc made"}, "data": {"rows": rows}}
    (tmp_path / "home" / "results" / "text_only.json").write_text(json.dumps(result))
    html, warnings = build("```{real-text-only}\n```")
    assert not warnings
    assert (">reads<" in html.replace('<span class="whole">reads</span>', ">reads<")) == shown
    assert (data in html) == shown


def test_only_figures_that_are_shown_are_counted_as_met(build, tmp_path):
    real = {**RESULT, "provenance": MADE | {"data": "imported store sims (0123abcd), CH-SIMS v2.0"}}
    (tmp_path / "home" / "results" / "made.json").write_text(json.dumps(real), encoding="utf-8")
    assert "0 of 2 published figures" in build("```{results-table} made\n```")[0]
    assert "0 of 1 published figures" in build("```{results-table} made\n:metrics: MAE\n```")[0]
    assert "published figures" not in build("```{results-table} made\n:rows: Two\n```")[0]


def test_every_difference_is_in_the_table_measured_or_not(build):
    """A joint effect appears once, in a row of its own, and not under any of its numbers."""
    entries = "".join(f"(d{n})=\n### D{n} · Entry {n}\n\n" for n in ("01", "02", "03"))
    html, warnings = build(f"## All\n\n{entries}```{{effects-table}} made:effects\n```")
    assert not warnings
    rows = [
        re.sub("<title>.*?</title>|<[^>]+>", "|", row)
        for row in re.findall("(?s)<tr>.*?</tr>", html)
    ][1:]
    figures = ["3", "-0.100", "[-0.200, +0.050]"]
    assert [[part for part in row.split("|") if part] for row in rows] == [
        ["D01", "Entry 01", "not measured", "–", "–"],
        ["D02", "Entry 02", "One: mended", *figures],
        ["D03", "Entry 03", "only together with others, below", "–", "–"],
        ["D02 + D03 together", "several at once", "One: mended", *figures],
    ]
    assert 'href="#d02"' in html and 'id="d02"' in html


def test_an_effect_of_one_seed_has_no_interval():
    effect = {"numbers": ["D01"], "change": "One: mended"}
    effect["MAE"] = {"estimate": -0.1, "low": -0.2, "high": 0.05}
    several, one = (
        effects_table("### D01 · First", [effect | {"seeds": seeds}]).words() for seeds in (2, 1)
    )
    column = "MAE ↓ changes by"
    assert several[column][0] == "-0.100 [-0.200, +0.050]" and one[column][0] == "-0.100"


def test_an_effect_without_an_entry_is_an_error(build):
    assert "KeyError" in build("(d01)=\n### D01 · First\n\n```{effects-table} made:effects\n```")[1]


def test_the_papers_figures_come_from_one_file(build):
    html, warnings = build("{published}`supervised_clips`")
    assert not warnings
    assert f">{published()['text_figures']['supervised_clips']['value']}</abbr>" in html


def test_every_difference_that_the_code_names_is_on_the_page():
    page = (BOOK / "differences.md").read_text(encoding="utf-8")
    anchors = re.findall(r"^\(d(\d\d)\)=$", page, re.MULTILINE)
    named = {
        number
        for path in (BOOK.parent / "avmc_core").rglob("*.py")
        for number in re.findall(r"\bD(\d\d)\b", path.read_text(encoding="utf-8"))
    }
    assert len(anchors) == len(set(anchors))
    assert named <= set(anchors)


def test_the_place_of_the_pdf_is_filled_whole_on_a_built_page(build, tmp_path):
    """The words of the real page contain inline code, which Sphinx turns into spans."""
    from avmc_core.publishing.book import fill_pdf_links

    (line,) = (
        line
        for line in (BOOK / "take_away.md").read_text(encoding="utf-8").splitlines()
        if "avmc-pdf" in line
    )
    html, _ = build(line)
    (tmp_path / "site").mkdir()
    page = tmp_path / "site" / "index.html"
    page.write_text(html, encoding="utf-8")
    assert fill_pdf_links(tmp_path / "site", "9 pages", link=True) == 1
    filled = page.read_text(encoding="utf-8")
    assert '<span class="avmc-pdf"><a href="book.pdf">9 pages</a></span>.' in filled
    assert "has printed one" not in filled and filled.count("<span") == filled.count("</span>")


def test_figures_have_words_and_wide_ones_room(tmp_path):
    """An image as an executed notebook leaves it, in a cell whose source names the function that
    drew it."""
    from docutils.utils import new_document

    from avmc_core.publishing.book_figures import describe, drawing

    (tmp_path / "wide.svg").write_text('<svg width="527.2pt" height="9pt"/>')
    (tmp_path / "small.svg").write_text('<svg width="319.4pt" height="9pt"/>')
    document = new_document("page")
    section = nodes.section("", nodes.title("", "Every seed"))
    document += section
    for name in ("wide", "small"):
        source = nodes.literal_block(
            "", "display(figures.mark(figures.pairwise(a), b))", language="ipython3"
        )
        picture = nodes.container("", nodes.image(uri=f"{name}.svg"))
        caption = nodes.paragraph(
            "", "Data: simulated corpus, not CH-SIMS · profile ci · command: make"
        )
        section += nodes.container("", source, picture, caption, classes=["cell"])
    describe(SimpleNamespace(srcdir=tmp_path), document)
    words = (
        "Figure under “Every seed”: Joint label counts of every two annotations; the area of a "
        "square is the number of clips, and clips on the diagonal are those on which the two "
        "agree. Data: simulated corpus, not CH-SIMS."
    )
    wide, small = document.findall(nodes.image)
    assert wide["alt"] == small["alt"] == words
    assert len(wide.parent) == 3 and 'class="avmc-wide" tabindex="0"' in wide.parent[0].astext()
    assert len(small.parent) == 1
    assert (
        drawing("figures", "use_style")
        == drawing("no_figures", "any")
        == drawing("figures", "mark")
        == ""
    )


def test_every_figure_that_a_notebook_draws_can_be_described():
    from avmc_core.publishing.book_figures import DRAWN, drawing

    other = {"mark", "caption", "use_style", "consistency_in_words"}
    for path in (BOOK.parent / "notebooks").glob("*.py"):
        for module, name in DRAWN.findall(path.read_text(encoding="utf-8")):
            assert drawing(module, name) or name in other, (path.name, module, name)


def test_pages_load_nothing_from_elsewhere():
    for page in BOOK.rglob("*"):
        if page.suffix in (".md", ".css", ".svg"):
            text = page.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
            text = re.sub(r'url\("[\w.]+"\)', "", text)  # a file beside the style sheet
            assert not re.search(
                r"<script|<iframe|@import|url\((?!#)|src\s*=|https?://(?!doi\.org)", text
            ), page
