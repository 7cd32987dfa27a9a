"""Sphinx extension: one switch for the whole site shows or hides the code behind figures and
tables.

A notebook's cells tagged ``hide-input`` are folded by myst-nb, each under a bar of its own. Here
these bars are replaced by one button in the header of each page, which the browser remembers, and
under each figure and table for a button that shows its own cell. Cells without the tag are part of
what a page tells and always stand there. Without scripts the bars stay as they are.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from avmc_core.home import resource_text

FOLDED = "hide-input"
BUTTON = {
    "type": "javascript",
    "javascript": "avmcCode.toggle()",
    "icon": "fas fa-code",
    "tooltip": "Show or hide the code behind figures and tables, on all pages",
    "label": "avmc-code-button",
}


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("html-page-context", _offer_switch, priority=998)
    return {"version": "1", "parallel_read_safe": True}


def _offer_switch(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """The button, and the script before anything is drawn, on pages that have folded code."""
    if doctree is None or not folds_code(doctree):
        return
    context.get("header_buttons", []).append(dict(BUTTON))
    app.add_js_file(None, body=script())


def folds_code(doctree: nodes.document) -> bool:
    """Whether a page has a cell whose code is folded."""
    return any(f"tag_{FOLDED}" in cell["classes"] for cell in doctree.findall(nodes.container))


def script() -> str:
    """The switch's own script, which stands in the page itself."""
    return resource_text("code_switch.js")
