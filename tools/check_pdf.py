"""Checks the book's PDF: python tools/check_pdf.py book.pdf _toc.yml.

Every chapter has its bookmark and page; no page is empty; no text leaves the page; every font is
inside the file; no character is drawn as the box that stands for a missing glyph; and figures that
answer on a screen are there in their still form.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pypdfium2
import pypdfium2.raw as pdfium
import yaml
from one_page import listed
from pypdf import PdfReader
from pypdf.generic import ContentStream, DictionaryObject, NameObject

MARGIN = 18  # points around a page in which no text may stand, its foot excepted
FOOT = 60  # points: where the page number is
LARGEST = 15_000_000  # bytes
# words of the still forms of interactive figures
STILL = ("R² of the multimodal label M on the annotations", "prediction of the blend")


def problems(path: Path, toc: Path, words: Sequence[str] = ()) -> list[str]:
    """One sentence for each thing that is wrong. ``words`` must occur, however lines are broken."""
    faults = []
    reader = PdfReader(path)
    chapters = list(listed(yaml.safe_load(toc.read_text(encoding="utf-8"))))
    tops = [item for item in reader.outline if not isinstance(item, list)]
    if len(tops) != len(chapters):
        faults.append(f"{len(tops)} bookmarks for {len(chapters)} chapters")
    if len(reader.pages) < len(chapters) + 2:
        faults.append(f"{len(reader.pages)} pages for {len(chapters)} chapters")
    if (size := path.stat().st_size) > LARGEST:
        faults.append(f"{size} bytes, more than {LARGEST}")
    for number, page in enumerate(reader.pages, 1):
        for name, font in fonts(page["/Resources"]):
            if not embedded(font):
                faults.append(f"page {number}: font {name} is not in the file")
        if missing := missing_glyphs(page, reader):
            faults.append(f"page {number}: {missing} missing glyphs")
    document = pypdfium2.PdfDocument(path)
    for number, page in enumerate(document, 1):
        faults += [f"page {number}: {problem}" for problem in placed(page)]
    printed = "".join("".join(page.get_textpage().get_text_range().split()) for page in document)
    faults += [f"lacks {text!r}" for text in words if "".join(text.split()) not in printed]
    print(f"{path}: {len(reader.pages)} pages, {len(tops)} chapters, {size / 1e6:.1f} MB")
    return faults


def placed(page: pypdfium2.PdfPage) -> Iterator[str]:
    """What is wrong with where a page's text stands."""
    width, height = page.get_size()
    text = page.get_textpage()
    outside = []
    above = 0
    for i in range(text.count_chars()):
        code = pdfium.FPDFText_GetUnicode(text, i)
        if chr(code).isspace() or code == 0:
            continue
        left, bottom, right, top = text.get_charbox(i)
        above += bottom > FOOT
        # a bracket that grows with its formula: its box is its font's, not its own
        stretched = top - bottom > height
        beside = left < MARGIN or right > width - MARGIN
        if right > left and (beside or (not stretched and (bottom < 0 or top > height - MARGIN))):
            outside.append(chr(code))
    if outside:
        yield f"{len(outside)} characters outside the margins: {''.join(outside[:40])}"
    if above == 0 and not list(
        page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_PATH], max_depth=3)
    ):
        yield "empty"


def fonts(resources: DictionaryObject) -> Iterator[tuple[str, DictionaryObject]]:
    """The fonts that a page uses, those of the drawings in it included."""
    for font in resources.get("/Font", {}).values():
        font = font.get_object()
        yield str(font.get("/BaseFont", font["/Subtype"])), font
    for drawing in resources.get("/XObject", {}).values():
        inner = drawing.get_object().get("/Resources")
        if inner is not None:
            yield from fonts(inner.get_object())


def embedded(font: DictionaryObject) -> bool:
    if font["/Subtype"] == NameObject("/Type3"):  # its glyphs are drawings in the file
        return True
    described = font["/DescendantFonts"][0].get_object() if "/DescendantFonts" in font else font
    descriptor = described.get("/FontDescriptor", {})
    return (
        any(name in descriptor.get_object() for name in ("/FontFile", "/FontFile2", "/FontFile3"))
        if descriptor
        else False
    )


def by_glyph(font: DictionaryObject) -> bool:
    """Whether the codes in the text are the numbers of glyphs, as in what Chromium prints."""
    inner = (
        font["/DescendantFonts"][0].get_object()
        if font.get("/Encoding") == "/Identity-H"
        else {"/CIDToGIDMap": ""}
    )
    return inner.get("/CIDToGIDMap", "/Identity") == "/Identity"


def missing_glyphs(page, reader: PdfReader) -> int:
    """How often glyph 0, the box for what a font lacks, is drawn in the page's own text."""
    known = page["/Resources"].get("/Font", {})
    wide = {name for name, font in known.items() if by_glyph(font.get_object())}
    current, count = "", 0
    for operands, operator in ContentStream(page.get_contents(), reader).operations:
        if operator == b"Tf":
            current = operands[0]
        elif operator in (b"Tj", b"TJ") and current in wide:
            for part in operands[0] if operator == b"TJ" else operands:
                codes = getattr(part, "original_bytes", b"")
                count += sum(codes[i : i + 2] == b"\0\0" for i in range(0, len(codes), 2))
    return count


if __name__ == "__main__":
    if not Path(sys.argv[1]).is_file():
        print("no PDF to check")
        sys.exit(0)
    wrong = problems(Path(sys.argv[1]), Path(sys.argv[2]), STILL)
    print("\n".join(wrong) or "nothing wrong")
    sys.exit(bool(wrong))
