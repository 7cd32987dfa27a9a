"""Sphinx extension: ``{cue-explorer}``, an interactive figure: which annotations explain how much
of M.

It is self-contained: markup, a few lines of script and the recorded figures. It works by keyboard,
from the file system and without a network. Without scripts, and in print, the table under it says
the same.
"""

from __future__ import annotations

import json
from html import escape
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from avmc_core.analysis.cues import BANDS, MODALITIES, SUBSETS, recorded
from avmc_core.home import resource_text
from avmc_core.publishing.book_extension import read_result
from avmc_core.publishing.markup import radios
from avmc_core.schema import TASK_NAMES

LABELS = {"T": "words (T)", "A": "voice (A)", "V": "face (V)"}
PARTS = {"new": "new clips", "original": "original clips"}


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("cue-explorer", CueExplorer)
    return {"version": "1", "parallel_read_safe": True}


class CueExplorer(SphinxDirective):
    """``{cue-explorer}``: takes no arguments."""

    def run(self) -> list[nodes.Node]:
        read_result(self.env, "cues")
        return [nodes.raw("", explorer(recorded()), format="html")]


def explorer(data: dict[str, Any]) -> str:
    """The figure as HTML, from ``cues.by_part``."""
    boxes = "".join(
        '<label><input type="checkbox" name="cue" '
        f'value="{task}"{" checked" if task != "T" else ""}> {LABELS[task]}</label>'
        for task in MODALITIES
    )
    parts = radios("Clips", "part", PARTS)
    bands = radios("Strength", "band", {name: words for name, (_, words) in BANDS.items()})
    figures = json.dumps(data, separators=(",", ":"))
    return (
        '<div class="avmc-cues"><form class="avmc-cues-ask" hidden>'
        f"<fieldset><legend>Annotators were given</legend>{boxes}</fieldset>"
        f"{parts}{bands}"
        '<div class="avmc-cues-bar" aria-hidden="true"><span class="share"></span><span '
        'class="interval"></span></div>'
        '<output aria-live="polite"></output></form>'
        f"<details open><summary>All figures</summary>{_table(data)}</details>"
        f'<script type="application/json">{figures}</script>'
        f"<script>{resource_text('cues.js')}</script></div>"
    )


def _table(data: dict[str, Any]) -> str:
    heads = "".join(
        f'<th scope="col">{escape(name)}</th>' for name in ("annotations", *PARTS.values())
    )
    rows = "".join(
        f'<tr><th scope="row">{" + ".join(TASK_NAMES[task] for task in subset)}</th>'
        + "".join(
            "<td>{:.2f} [{:.2f}, {:.2f}]</td>".format(*data[part]["all"]["r2"][subset])
            for part in PARTS
        )
        + "</tr>"
        for subset in SUBSETS
    )
    clips = "; ".join(
        f"{words}: {data[part]['all']['clips']:,} of {data[part]['all']['videos']} videos"
        for part, words in PARTS.items()
    )
    return (
        "<table><caption>R² of the multimodal label M on the annotations of single "
        "modalities, all clips, with 95 % intervals "
        "over source videos. Real labels, no network. "
        f"{escape(clips)}.</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )
