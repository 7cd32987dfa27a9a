"""All figures of a built book on one sheet per theme, for a person to look at:
``SHOTS/figures-light.png`` and ``SHOTS/figures-dark.png``."""

from __future__ import annotations

import argparse
import sys
from html import escape
from pathlib import Path
from urllib.parse import unquote

from browser import CHROMIUM, launch
from bs4 import BeautifulSoup

THEMES = ("light", "dark")
WIDTH = 1800  # pixels of a sheet: three figures side by side
STYLE = """body { margin: 1rem; font: 14px sans-serif; }
body { background: var(--pst-color-background); color: var(--pst-color-text-base); }
.bd-content { display: grid; grid-template-columns: repeat(3, 1fr); gap: 1rem; align-items: start; }
figure { margin: 0; } img { width: 100%; height: auto; } figcaption { overflow-wrap: anywhere; }"""


def figures_of(site: Path) -> dict[Path, str]:
    """The pictures that pages show, page by page, each with the page that shows it first and its
    number there."""
    figures: dict[Path, str] = {}
    for page in sorted(site.rglob("*.html")):
        if "_static" in page.parts:
            continue
        article = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        name = page.relative_to(site).with_suffix("").as_posix()
        sources = [image["src"] for image in article.select('article img[src*="_images/"]')]
        for number, source in enumerate(dict.fromkeys(sources), 1):
            figures.setdefault(
                (page.parent / unquote(source)).resolve(), f"{name}, figure {number}"
            )
    return figures


def sheet(site: Path, theme: str) -> str:
    """One page with every figure and its place, in the book's own styles."""
    styles = [*site.glob("_static/styles/pydata-sphinx-theme.css"), site / "_static" / "avmc.css"]
    links = "".join(f'<link rel="stylesheet" href="{path.as_uri()}">' for path in styles)
    shown = "".join(
        f'<figure><img src="{path.as_uri()}" alt="">'
        f"<figcaption>{escape(name)}</figcaption></figure>"
        for path, name in figures_of(site).items()
    )
    return (
        f'<!doctype html><html data-theme="{theme}"><head><meta charset="utf-8">{links}'
        f'<style>{STYLE}</style></head><body><div class="bd-content">{shown}</div></body></html>'
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
        for theme in THEMES:
            source = options.shots / f"figures-{theme}.html"
            source.write_text(sheet(site, theme), encoding="utf-8")
            page = browser.new_page(viewport={"width": WIDTH, "height": 900})
            page.goto(source.resolve().as_uri())
            page.screenshot(path=source.with_suffix(".png"), full_page=True)
            page.close()
    print(f"{len(figures_of(site))} figures on {options.shots}/figures-{{light,dark}}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
