"""Prints a built book as one PDF, book.pdf beside its index.html, and links to it from the pages
that offer it.

All pages become one HTML document, which Chromium prints: once to learn on which page each chapter
begins, once more with the table of contents filled in. What does not fit into the page's width is
set smaller; what still does not fit is an error.
"""

from __future__ import annotations

import json
import re
import sys
from html import escape
from pathlib import Path

from browser import CHROMIUM, launch
from one_page import chapters, document
from pypdf import PdfReader, PdfWriter

from avmc_core.drawing.fonts import han_font
from avmc_core.home import home
from avmc_core.publishing.book import PDF, fill_pdf_links
from avmc_core.publishing.citation import citation
from avmc_core.runs.surroundings import commit

SOURCE = "book-print.html"
WIDTH = 657  # CSS pixels between the margins of A4: 174 mm
SMALLEST = 4.5  # points: a wide table's digits, still readable on paper

# Sets each table that is wider than the page smaller, step by step; returns what is too wide in the
# end.
FIT = """([width, smallest]) => {
  const points = 0.75, wide = [];
  for (const table of document.querySelectorAll("table")) {
    let size = parseFloat(getComputedStyle(table).fontSize) * points;
    const excess = () => table.getBoundingClientRect().right - width;
    for (; excess() > 0.5 && size > smallest; size -= 0.25) {
      table.style.fontSize = size + "pt";
      for (const part of table.querySelectorAll("*"))
        if (part.tagName !== "svg") part.style.fontSize = "inherit";
      for (const cell of table.querySelectorAll("th, td")) { cell.style.padding = "0.3mm 0.6mm"; }
    }
    if (excess() > 0.5) for (const cell of table.querySelectorAll("*")) {
      cell.style.overflowWrap = "anywhere"; cell.style.whiteSpace = "normal";
    }
  }
  for (const part of document.querySelectorAll("article *")) {
    const box = part.getBoundingClientRect();
    if (box.right > width + 1 && box.width > 0 && !part.closest("mjx-assistive-mml, svg"))
      wide.push(part.tagName + " " + part.className + ": " + part.textContent.slice(0, 60));
  }
  return wide;
}"""


# A face is fetched when text first needs it; printing does not wait for that. Those of formulas are
# asked for here, and one that cannot be read is an error. The Chinese font is installed for the
# browser instead: as a face of the page it was missing from a line of a table now and then.
FONTS = """() => Promise.all([...document.fonts].map(face => face.load()))
  .then(() => document.fonts.ready).then(() => document.fonts.size)"""


def facts() -> list[str]:
    """What the title page says about the making of the book."""
    cited = citation()
    results = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((home() / "results").glob("*.json"))
    ]
    marks = sorted({str(result["provenance"]["data"]) for result in results})
    lines = [
        cited["authors"][0]["name"],
        f"Data: {'; '.join(marks)}",
        f"Code: version {cited['version']}, {commit() or 'no commit'}",
        "Companion to: "
        + cited["references"][0]["title"]
        + f", doi {cited['references'][0]['doi']}",
    ]
    return [f"<p>{escape(line)}</p>" for line in lines]


def print_book(site: Path, toc: Path) -> int:
    """Writes ``site``/book.pdf; returns its number of pages. Raises RuntimeError for what does not
    fit on a page."""
    book = chapters(site, toc)
    css = Path(__file__).with_name("print.css").read_text(encoding="utf-8")
    title, title_facts = citation()["title"], facts()
    mark = re.sub("<[^>]+>", "", title_facts[1])
    footer = (
        '<div style="font: 7px DejaVu Sans; color: #555; width: 100%; margin: 0 18mm; '
        "display: flex; "
        'justify-content: space-between">'
        f'<span>{mark}</span><span class="pageNumber"></span></div>'
    )
    starts: dict[str, int] = {}
    source = site / SOURCE
    try:
        with launch(han_font().parent) as browser:
            page = browser.new_page(viewport={"width": WIDTH, "height": 1000}, color_scheme="light")
            page.emulate_media(media="print")
            for _ in range(2):
                source.write_text(
                    document(book, site, css, title, title_facts, starts), encoding="utf-8"
                )
                page.goto(source.resolve().as_uri())
                page.wait_for_function(
                    "window.MathJax && MathJax.startup && MathJax.startup.promise", timeout=60_000
                )
                page.evaluate("MathJax.startup.promise.then(() => true)")
                page.evaluate(FONTS)
                if wide := page.evaluate(FIT, [WIDTH, SMALLEST]):
                    raise RuntimeError("wider than the page: " + "; ".join(wide[:8]))
                page.pdf(
                    path=site / PDF,
                    prefer_css_page_size=True,
                    print_background=True,
                    display_header_footer=True,
                    header_template="<span></span>",
                    footer_template=footer,
                    outline=True,
                    tagged=True,
                )
                starts = first_pages(PdfReader(site / PDF))
    finally:
        source.unlink(missing_ok=True)
    return describe(site / PDF, title)


def first_pages(pdf: PdfReader) -> dict[str, int]:
    """Page (from 1) of each chapter's anchor."""
    return {
        name.lstrip("/"): pdf.get_destination_page_number(place) + 1
        for name, place in pdf.named_destinations.items()
        if re.fullmatch(r"/?c\d+", name)
    }


def describe(path: Path, title: str) -> int:
    """Gives the PDF its title and opens it with the bookmarks shown; returns its number of
    pages."""
    writer = PdfWriter(clone_from=path)
    writer.add_metadata({"/Title": title, "/Author": citation()["authors"][0]["name"]})
    writer.page_mode = "/UseOutlines"
    writer.write(path)
    return len(writer.pages)


if __name__ == "__main__":
    if CHROMIUM is None:
        print("no PDF: it needs Chromium and playwright (the extra 'check')")
        sys.exit(0)
    folder = Path(sys.argv[1])
    count = print_book(folder, Path("_toc.yml"))
    places = fill_pdf_links(folder, f"{count} pages as PDF", link=True)
    (folder / PDF).touch()  # younger than the pages that now link to it
    print(
        f"{folder / PDF}: {count} pages, {(folder / PDF).stat().st_size / 1e6:.1f} MB, linked "
        f"from {places} places"
    )
