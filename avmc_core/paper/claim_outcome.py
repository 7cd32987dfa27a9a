"""What a check of the claim ledger gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """Printed and found in words; ``holds`` is None where the evidence cannot tell."""

    printed: str
    found: str
    holds: bool | None


def words(value: Any) -> str:
    """Plain data in words: floats without trailing zeros, lists with commas."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {words(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(words(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
