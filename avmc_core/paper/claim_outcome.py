"""What a check of the claim ledger gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """Printed and found in words; ``holds`` is None where the evidence cannot tell. What does not
    hold altogether may do so ``partly``."""

    printed: str
    found: str
    holds: bool | None
    partly: bool = False


def compared(printed: str, found: str, better: int, worse: int, whole: int) -> Outcome:
    """What many comparisons say of a sentence that says "better": it holds when all of them do, and
    in part when more than half of them do. It fails when worse ones (on paper: those that are not
    better) leave no more than half of them to be better. What remains is open."""
    holds = True if better == whole else False if better > whole / 2 or worse >= whole / 2 else None
    return Outcome(printed, found, holds, partly=whole / 2 < better < whole)


def words(value: Any) -> str:
    """Plain data in words: floats without trailing zeros, lists with commas."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {words(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(words(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
