"""The Chinese glyphs of figures and pages: a subset of Noto Sans CJK SC that travels with the
package.

It holds every character that a generated sentence may have and every Chinese character in this
project's own files, and no others: ``tools/subset_font.py`` makes it, under the licence that lies
beside it (``han.LICENSE.txt``).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

from avmc_core.home import resource

FAMILY = "AVMC Han"
# matplotlib carries the first; what it lacks comes from the second
FIGURE_FAMILIES = ("DejaVu Sans", FAMILY)


def han_font() -> Path:
    """The font file (.otf)."""
    return resource("han.otf")


@cache
def register() -> tuple[str, ...]:
    """Makes the font known to matplotlib; returns the families to draw with, in the order in which
    glyphs are looked up."""
    from matplotlib import font_manager

    manager = font_manager.fontManager
    manager.addfont(han_font())
    # or matplotlib warns wherever text is bold
    manager.ttflist.append(replace(manager.ttflist[-1], weight=700))
    return FIGURE_FAMILIES


def is_han(char: str) -> bool:
    """Whether ``char`` is Chinese writing or its punctuation: what matplotlib's and a browser's own
    fonts may lack."""
    return (
        "\u3000" <= char <= "\u303f" or "\u3400" <= char <= "\u9fff" or "\uff00" <= char <= "\uffef"
    )
