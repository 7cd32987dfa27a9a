"""The paper's printed figures, from one data file: ``resources/published.json``."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from avmc_core.home import resource_text

# column heads
PARTIES = {
    "paper": "Paper",
    "laboratory": "Laboratory, later",
    "third_party": "Third party",
    "ours": "Ours",
}


@cache
def published() -> dict[str, Any]:
    """Tables 1 to 4, figures printed in the text (``text_figures``: value, place, what it says),
    and later tables published by others (``later_tables``)."""
    return json.loads(resource_text("published.json"))


def text_figure(name: str) -> tuple[Any, str]:
    """Value and place in the paper of a figure printed in its text. Raises KeyError for an unknown
    name."""
    figure = published()["text_figures"][name]
    return figure["value"], figure["place"]
