"""All figures of a built book on one sheet per theme and width, for a person to look at:
``SHOTS/figures-light-1440.png`` and so on. As in the book, a figure takes the width of its text; on
a phone, one that scrolls is cut where the screen ends."""

from __future__ import annotations

import argparse
import sys
from html import escape
from itertools import product
from pathlib import Path
from urllib.parse import unquote

from browser import CHROMIUM, launch
from bs4 import BeautifulSoup

THEMES = ("light", "dark")
# width of the window in pixels, and the number and width of the columns of a sheet
SHEETS = {1440: (3, 800), 390: (6, 358)}
STYLE = """body { margin: 1rem; font: 14px sans-serif; }
body { background: var(--pst-color-background); color: var(--pst-color-text-base); }
.bd-content { display: grid; gap: 1rem; align-items: start; }
figure { margin: 0; overflow: hidden; }
img { width: 100%; height: auto; } figcaption { overflow-wrap: anywhere; }"""
UNCUT = ' style="width: auto; max-width: none"'


def figures_of(site: Path) -> dict[Path, tuple[str, bool]]:
    """The pictures that pages show, page by page, each with the page that shows it first and its
    number there, and whether it scrolls on a phone."""
    pictures: dict[Path, tuple[str, bool]] = {}
    for page in sorted(site.rglob("*.html")):
        if "_static" in page.parts:
            continue
        article = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        name = page.relative_to(site).with_suffix("").as_posix()
        images = {image["src"]: image for image in article.select('article img[src*="_images/"]')}
        for number, (source, image) in enumerate(images.items(), 1):
            scrolls = image.find_parent(class_="avmc-wide") is not None
            place = (page.parent / unquote(source)).resolve()
            pictures.setdefault(place, (f"{name}, figure {number}", scrolls))
    return pictures


def sheet(site: Path, theme: str, columns: int, width: int) -> str:
    """One page with every figure, ``width`` pixels wide, and its place, in the book's own
    styles."""
    grid = f".bd-content {{ grid-template-columns: repeat({columns}, {width}px); }}"
    styles = [*site.glob("_static/styles/pydata-sphinx-theme.css"), site / "_static" / "avmc.css"]
    links = "".join(f'<link rel="stylesheet" href="{path.as_uri()}">' for path in styles)
    shown = "".join(
        f'<figure><img src="{path.as_uri()}" alt=""{UNCUT if scrolls and width < 600 else ""}>'
        f"<figcaption>{escape(name)}</figcaption></figure>"
        for path, (name, scrolls) in figures_of(site).items()
    )
    return (
        f'<!doctype html><html data-theme="{theme}"><head><meta charset="utf-8">{links}'
        f"<style>{STYLE}{grid}</style>"
        f'</head><body><div class="bd-content">{shown}</div></body></html>'
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", type=Path)
    parser.add_argument("--shots", type=Path, required=True)
    options = parser.parse_args()
    if CHROMIUM is None:
        print("no contact sheet: it needs Chromium and playwright (the extra 'check')")
        return 0
    options.shots.mkdir(parents=True, exist_ok=True)
    site = options.site.resolve()
    with launch() as browser:
        for theme, (window, (columns, width)) in product(THEMES, SHEETS.items()):
            source = options.shots / f"figures-{theme}-{window}.html"
            source.write_text(sheet(site, theme, columns, width), encoding="utf-8")
            size = {"width": columns * (width + 16) + 32, "height": 900}
            page = browser.new_page(viewport=size)
            page.goto(source.resolve().as_uri())
            page.screenshot(path=source.with_suffix(".png"), full_page=True)
            page.close()
    print(f"{len(figures_of(site))} figures on each of {options.shots}/figures-*.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
