"""What is published with the book: a PDF that is linked only while it is current, notes for each
release, and pages within two clicks."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import release_notes
import yaml

from avmc_core import __version__
from avmc_core.publishing.citation import citation

pytest.importorskip("papermill", reason="the book needs the extra 'book'")
from avmc_core.publishing.book import NO_PDF, PDF, drop_stale_pdf, fill_pdf_links

ROOT = Path(__file__).resolve().parents[2]
SLOT = '<p><span class="avmc-pdf">none</span></p>'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Two pages that link to the PDF, and the PDF."""
    (tmp_path / "deep").mkdir()
    for page in (tmp_path / "index.html", tmp_path / "deep" / "page.html"):
        page.write_text(SLOT)
        os.utime(page, (1, 1))
    (tmp_path / PDF).write_bytes(b"%PDF")
    return tmp_path


def test_each_page_links_to_the_pdf_from_where_it_is(site):
    assert fill_pdf_links(site, "9 pages", link=True) == 2
    assert '<a href="book.pdf">9 pages</a>' in (site / "index.html").read_text()
    assert '<a href="../book.pdf">9 pages</a>' in (site / "deep" / "page.html").read_text()
    assert fill_pdf_links(site, "none") == 2, "the places are lost once they are filled"
    assert (site / "index.html").read_text() == SLOT


def test_the_words_in_place_of_a_pdf_may_hold_code_and_are_replaced_whole(site):
    """Sphinx makes spans of inline code, also on the real page: the slot ends at its own end and
    not at that of a span."""
    code = (
        '<code class="docutils literal notranslate"><span class="pre">make</span> <span '
        'class="pre">pdf</span></code>'
    )
    page = site / "index.html"
    page.write_text(
        SLOT.replace("none", f"a PDF, where {code} has printed one")
        + '<span class="other">kept</span>'
    )
    fill_pdf_links(site, "9 pages", link=True)
    assert (
        page.read_text()
        == SLOT.replace("none", '<a href="book.pdf">9 pages</a>')
        + '<span class="other">kept</span>'
    )
    drop_stale_pdf(site)
    assert page.read_text() == SLOT.replace("none", NO_PDF) + '<span class="other">kept</span>'


def test_a_pdf_older_than_a_page_goes_and_so_do_its_links(site):
    fill_pdf_links(site, "9 pages", link=True)
    (site / PDF).touch()
    drop_stale_pdf(site)
    assert (site / PDF).is_file()
    os.utime(site / PDF, (1, 1))
    drop_stale_pdf(site)
    assert not (site / PDF).exists()
    assert "href" not in (site / "index.html").read_text()


def test_the_current_version_has_release_notes_and_is_the_one_cited():
    changelog = release_notes.CHANGELOG.read_text(encoding="utf-8")
    assert release_notes.notes(__version__, changelog).startswith("- ")
    assert citation()["version"] == __version__
    with pytest.raises(KeyError):
        release_notes.notes("99.0.0", changelog)


def test_from_the_landing_page_everything_is_near():
    """The main table, the verdict on a claim, the command that runs it again and the instructions
    for the data are one click away."""
    links = re.findall(
        r"\]\(([\w/]+)(?:\.md|\.ipynb)?\)", (ROOT / "book" / "index.md").read_text(encoding="utf-8")
    )
    assert {"results", "notebooks/03_benchmark", "notebooks/06_claims", "run", "data"} <= set(links)


def test_every_page_and_notebook_is_in_the_table_of_contents():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    listed = {
        toc["root"],
        *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"]),
    }
    pages = {path.stem for path in (ROOT / "book").glob("*.md")} | {"changelog"}
    assert listed == pages | {
        f"notebooks/{path.stem}" for path in (ROOT / "notebooks").glob("*.py")
    }
