"""Building blocks of the interactive figures and tables."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape


def radios(legend: str, name: str, choices: Mapping[str, str], checked: str = "") -> str:
    """One choice among values, each in words; ``checked`` (default: the first) is chosen."""
    checked = checked or next(iter(choices))
    buttons = "".join(
        f'<label><input type="radio" name="{name}" '
        f'value="{value}"{" checked" if value == checked else ""}> {escape(words)}</label>'
        for value, words in choices.items()
    )
    return f"<fieldset><legend>{escape(legend)}</legend>{buttons}</fieldset>"
