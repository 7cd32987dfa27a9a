"""What a reader of files did to them or found in them, in words for a terminal."""

from __future__ import annotations

from collections.abc import Mapping

COUNTED = " differs in meta.csv in "  # such a remark says itself in how many clips


def remark(repair: Mapping[str, object]) -> str:
    """One entry of ``attrs["repairs"]`` or of a manifest's ``repairs`` as a line: what was set
    right is "repaired", and what was found and kept as it was is "noticed".

    >>> remark({"what": "labels off the grid of 0.2, kept", "count": 3})
    'noticed: labels off the grid of 0.2, kept (3)'
    """
    what, count = str(repair["what"]), repair["count"]
    kept = what.endswith(("kept", "differs in meta.csv")) or COUNTED in what
    number = "" if COUNTED in what else f" ({count})"
    return f"{'noticed' if kept else 'repaired'}: {what}{number}"
