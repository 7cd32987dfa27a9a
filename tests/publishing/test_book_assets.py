"""The site carries the icons that it shows in a font that holds only these, and nothing else of the
theme's icon collection."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("pydata_sphinx_theme", reason="the book needs the extra 'book'")
import pydata_sphinx_theme as theme
from fontTools.ttLib import TTFont

from avmc_core.publishing import book_assets

STATIC = Path(theme.__file__).parent / "theme" / "pydata_sphinx_theme" / "static"
PAGE = (
    "<html><head>\n<script defer "
    'src="_static/scripts/fontawesome.js?digest=5"></script></head><body>{}</body></html>'
)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The theme's own files and one page with two icons."""
    shutil.copytree(STATIC, tmp_path / "_static")
    (tmp_path / "index.html").write_text(
        PAGE.format('<i class="fas fa-download"></i><i class="fa-solid fa-bars fa-lg">')
    )
    return tmp_path


def test_only_the_icons_shown_stay(site):
    kept = book_assets.lighten(site)
    assert {"download", "bars"} <= kept
    assert "bitcoin" not in kept
    font = TTFont(site / book_assets.WEBFONTS / book_assets.ICON_FONT)
    assert {0xF019, 0xF0C9} <= set(font.getBestCmap()) and len(font.getBestCmap()) == len(kept)
    css = (site / book_assets.THEME_CSS).read_text(encoding="utf-8")
    assert (
        ".fa-bars:before" in css
        and ".fa-bitcoin:before" not in css
        and book_assets.ICON_FONT in css
    )
    assert "fontawesome.js" not in (site / "index.html").read_text()
    assert not [
        path
        for path in site.rglob("*")
        if path.suffix in (".map", ".ttf", ".woff2") or path.name == "fontawesome.js"
    ]


def test_an_icon_that_the_theme_does_not_have_is_reported(site, monkeypatch):
    """Read from the logger itself: Sphinx, once it has run in a process, hands nothing on."""
    said: list[str] = []
    monkeypatch.setattr(book_assets.log, "warning", said.append)
    (site / "index.html").write_text(PAGE.format('<i class="fas fa-nosuchicon"></i>'))
    book_assets.lighten(site)
    assert ["nosuchicon" in line for line in said] == [True]
