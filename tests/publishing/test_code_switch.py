"""One switch for the code of the whole site: pages with folded code have it, and others do not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("sphinx", reason="the book needs the extra 'book'")
from docutils import nodes
from docutils.utils import new_document

from avmc_core.publishing import code_switch


@pytest.mark.parametrize(
    "tags, offered", [(["cell", "tag_hide-input"], True), (["cell"], False), (None, False)]
)
def test_pages_with_folded_code_have_the_switch(tags, offered):
    """A page that has nothing to show needs no button and no script."""
    document, added = new_document("page"), []
    if tags:
        document += nodes.container("", classes=tags)
    context = {"header_buttons": []}
    app = SimpleNamespace(add_js_file=lambda name, body: added.append(body))
    code_switch._offer_switch(app, "page", "", context, document)
    assert (context["header_buttons"] == [code_switch.BUTTON]) == offered
    assert added == ([code_switch.script()] if offered else [])


def test_the_switch_asks_nobody_else():
    assert "http" not in code_switch.script() and "fetch" not in code_switch.script()
