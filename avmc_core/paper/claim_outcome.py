"""The outcome of a check of the claim ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """The printed and the found figure in words; ``holds`` is None if the evidence does not decide.
    A statement that does not hold entirely may hold ``partly``."""

    printed: str
    found: str
    holds: bool | None
    partly: bool = False


def compared(printed: str, tally: str, better: int, worse: int, whole: int) -> Outcome:
    """The verdict of many comparisons on a statement that says "better": it holds if all of them
    are better, and holds in part if more than half of them are. It fails if so many are worse (on
    paper: not better) that at most half of them can be better. Otherwise it remains open."""
    holds = True if better == whole else False if better > whole / 2 or worse >= whole / 2 else None
    return Outcome(printed, tally, holds, partly=whole / 2 < better < whole)


def words(value: Any) -> str:
    """Plain data in words: floats without trailing zeros, lists with commas."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {words(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(words(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
