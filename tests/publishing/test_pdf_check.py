"""The defects that the check of the book's PDF must notice, on PDFs made by matplotlib, and how
pages become one document."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pytest

pytest.importorskip("pypdf", reason="the PDF needs the extra 'check'")
pytest.importorskip("pypdfium2", reason="the PDF needs the extra 'check'")
pytest.importorskip("bs4", reason="the PDF needs the extra 'book'")
import check_pdf
import one_page
from pypdf import PdfReader, PdfWriter

TOC = (
    "root: index\nparts:\n  - caption: First\n    chapters:\n      - file: notebooks/a\n      "
    "- file: b\n"
)


def pdf(path: Path, *texts: str, core_fonts: bool = False) -> Path:
    """A PDF of one page for each text; the first three have bookmarks."""
    writer = PdfWriter()
    for i, text in enumerate(texts):
        with plt.rc_context(
            {"pdf.fonttype": 42, "pdf.use14corefonts": core_fonts, "font.family": "DejaVu Sans"}
        ):
            fig = plt.figure(figsize=(6, 8))
            fig.text(0.3, 0.5, text)
            fig.savefig(path.with_suffix(f".{i}.pdf"))
            plt.close(fig)
        writer.append(path.with_suffix(f".{i}.pdf"), outline_item=text[:8] if i < 3 else None)
    writer.write(path)
    return path


@pytest.fixture
def toc(tmp_path: Path) -> Path:
    (tmp_path / "_toc.yml").write_text(TOC)
    return tmp_path / "_toc.yml"


def test_a_sound_document_passes(tmp_path, toc):
    assert (
        check_pdf.problems(pdf(tmp_path / "x.pdf", "one", "two", "three", "four", "five"), toc)
        == []
    )


def test_chapters_without_pages_are_noticed(tmp_path, toc):
    found = check_pdf.problems(pdf(tmp_path / "x.pdf", "one", "two"), toc)
    assert "2 bookmarks for 3 chapters" in found and "2 pages for 3 chapters" in found


def test_text_beyond_the_margin_is_noticed(tmp_path, toc):
    found = check_pdf.problems(
        pdf(tmp_path / "x.pdf", *["a table that is much wider than its page" * 3] * 5), toc
    )
    assert len(found) == 5 and all("characters outside the margins" in line for line in found)


def test_a_still_form_that_is_missing_is_noticed(tmp_path, toc):
    """Its words may be broken over lines."""
    printed = pdf(tmp_path / "x.pdf", "one", "two", "three", "four\nlines", "five")
    found = check_pdf.problems(printed, toc, ("four lines", "six"))
    assert found == ["lacks 'six'"]


def test_a_font_that_is_not_in_the_file_is_noticed(tmp_path, toc):
    found = check_pdf.problems(pdf(tmp_path / "x.pdf", *["plain"] * 5, core_fonts=True), toc)
    assert found == [f"page {i}: font /Helvetica is not in the file" for i in range(1, 6)]


def test_an_empty_page_is_noticed(tmp_path):
    writer = PdfWriter()
    writer.add_blank_page(595, 842)
    writer.write(tmp_path / "x.pdf")
    assert list(check_pdf.placed(check_pdf.pypdfium2.PdfDocument(tmp_path / "x.pdf")[0])) == [
        "empty"
    ]


def test_the_box_for_a_missing_glyph_is_noticed(tmp_path):
    reader = PdfReader(pdf(tmp_path / "x.pdf", "one"))
    page, name = reader.pages[0], check_pdf.NameObject
    key, font = next((key, font.get_object()) for key, font in page["/Resources"]["/Font"].items())
    font["/DescendantFonts"][0].get_object()[name("/CIDToGIDMap")] = name("/Identity")
    content = check_pdf.ContentStream(None, reader)
    content.set_data(b"BT " + key.encode() + b" 9 Tf <00410000> Tj ET")
    page[name("/Contents")] = content
    assert font["/Encoding"] == "/Identity-H" and check_pdf.missing_glyphs(page, reader) == 1


def page_of(title: str, body: str) -> str:
    return (
        "<html><body><nav>menu</nav><article "
        f'class="bd-article"><h1>{title}</h1>{body}</article></body></html>'
    )


def test_links_and_anchors_hold_in_one_document(tmp_path, toc):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "index.html").write_text(
        page_of(
            "I", '<a href="notebooks/a.html#x">1</a><a href="b.html">2</a><a href="f.csv">3</a>'
        )
    )
    (tmp_path / "notebooks" / "a.html").write_text(
        page_of("A", '<p id="x">here</p><a href="#x">up</a><img src="../i.svg">')
    )
    details = "<details><summary>short</summary><code>long</code></details>"
    folded = f"<table><tr><td>{details}</td></tr></table>"
    (tmp_path / "b.html").write_text(
        page_of(
            "B",
            folded + "<style>#t { color: #fff }</style><table id='t'></table><script>0</script>",
        )
    )
    book = one_page.chapters(tmp_path, toc)
    text = one_page.document(book, tmp_path, "", "T", [], {"c1": 7})
    assert [(chapter.title, chapter.part) for chapter in book] == [
        ("I", ""),
        ("A", "First"),
        ("B", ""),
    ]
    assert 'href="#c1-x">1' in text and 'href="#c2">2' in text and "<a>3</a>" in text
    assert 'id="c1-x"' in text and 'href="#c1-x">up' in text and 'src="i.svg"' in text
    assert "#c2-t { color: #fff }" in text and "menu" not in text and "<script>0" not in text
    assert "short" in text and "long" not in text
    assert '<a href="#c1">A</a><span class="page">7</span>' in text
