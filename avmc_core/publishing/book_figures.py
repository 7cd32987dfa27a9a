"""What the book adds to the figures of its notebooks: alternative text for readers who do not see
them, and scrolling in narrow windows."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

DRAWING = Path(__file__).parents[1] / "drawing"
DRAWN = re.compile(r"\b(\w*figures)\.(\w+)\(")
WIDTH = re.compile(r'<svg [^>]*?width="([\d.]+)pt"')
# points from which on a figure scrolls on a phone: shrunk to its window, its letters could not be
# read
WIDE = 450


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx through ``book_extension``."""
    app.connect("doctree-read", describe)
    return {"version": "1", "parallel_read_safe": False}


def describe(app: Sphinx, doctree: nodes.document) -> None:
    """Gives each figure of a notebook's outputs its alternative text, and a wide one a box in which
    it can scroll."""
    for cell in [node for node in doctree.findall(nodes.container) if "cell" in node["classes"]]:
        source = "".join(
            code.astext()
            for code in cell.findall(nodes.literal_block)
            if code.get("language") == "ipython3"
        )
        drawn = [text for module, name in DRAWN.findall(source) if (text := drawing(module, name))]
        images = list(cell.findall(nodes.image))
        for number, image in enumerate(images):
            what = drawn[number] if len(drawn) == len(images) else ""
            image["alt"] = alternative(_heading(cell), what, _data(cell))
            if _width(Path(app.srcdir) / image["uri"]) > WIDE:
                start = '<div class="avmc-wide" tabindex="0" role="region" aria-label="figure">'
                at = image.parent.index(image)
                image.parent.insert(at + 1, nodes.raw("", "</div>", format="html"))
                image.parent.insert(at, nodes.raw("", start, format="html"))


def alternative(heading: str, what: str, data: str) -> str:
    """The alternative text of a figure: where it stands, what it shows, and from which data."""
    place = f"Figure under “{heading}”" if heading else "Figure"
    return f"{place}: {what} {data}".strip() if what else f"{place}. {data}".strip()


def drawings() -> list[str]:
    """The sources of ``avmc_core.drawing``: pages depend on its docstrings, which a notebook's key
    leaves out."""
    return [path.read_text(encoding="utf-8") for path in sorted(DRAWING.glob("*.py"))]


@cache
def drawing(module: str, name: str) -> str:
    """What a function of ``avmc_core.drawing`` says that it draws, in one sentence; empty for
    others, and for those that return no figure."""
    path = DRAWING / f"{module}.py"
    functions = ast.parse(path.read_text(encoding="utf-8")).body if path.is_file() else []
    for node in functions:
        draws = isinstance(node, ast.FunctionDef) and node.name == name and name != "mark"
        if draws and isinstance(node.returns, ast.Name) and node.returns.id == "Figure":
            words = " ".join((ast.get_docstring(node) or "").split())
            words = re.sub(
                r" \((``[^()]*``|[^()]*\bN\b[^()]*)\)", "", re.sub(r"^``\w+\.\w+``: ", "", words)
            ).replace("``", "")
            sentence = words.partition(". ")[0].rstrip(".") + "."
            return sentence[0].upper() + sentence[1:]
    return ""


def _heading(node: nodes.Node) -> str:
    """The title of the section that a node stands in."""
    while node is not None and not isinstance(node, nodes.section):
        node = node.parent
    return node[0].astext() if node is not None and isinstance(node[0], nodes.title) else ""


def _data(cell: nodes.Node) -> str:
    """The data that the caption of a cell names, as a sentence."""
    data = re.search(r"Data: (.+?) ·", cell.astext())
    return f"Data: {data[1]}." if data else ""


def _width(path: Path) -> float:
    """The width in points; 0 for anything but an SVG."""
    if path.suffix != ".svg" or not path.is_file():
        return 0.0
    width = WIDTH.search(path.read_text(encoding="utf-8")[:2000])
    return float(width[1]) if width else 0.0
