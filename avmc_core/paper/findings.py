"""One finding of the audit: what was found, what the paper prints, and whether the two agree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from avmc_core.published import text_figure

HOLDS = "holds"
PART = "holds in part"  # as one may read the sentence, or in more than half of what it speaks of
FAILS = "does not hold"
UNPUBLISHED = "no published figure"
UNDECIDED = "not decided"  # the source does not decide, or is simulated
DECIDED = (HOLDS, PART, FAILS)
VERDICTS = (*DECIDED, UNPUBLISHED, UNDECIDED)


@dataclass(frozen=True)
class Finding:
    """``value`` and ``published`` are plain data, None where there is none; ``found`` and
    ``printed`` the same in words."""

    key: str
    name: str
    place: str  # where the paper speaks of it
    value: Any
    published: Any
    verdict: str
    shown: str | None = None  # the value in words, where plain data says too little
    basis: str = ""  # on which clips it rests: a key of ``Audit.bases``

    @property
    def found(self) -> str:
        return self.shown or _words(self.value)

    @property
    def printed(self) -> str:
        return _words(self.published)


def finding(
    key: str,
    name: str,
    place: str,
    value: Any,
    published: Any = None,
    shown: str | None = None,
    *,
    holds: bool | None = None,
    partly: bool = False,
    basis: str = "",
) -> Finding:
    """Decides a finding: by equality with the published value, unless ``holds`` gives the outcome;
    a finding that does not hold entirely may hold ``partly``."""
    if value is None:
        verdict = UNDECIDED
    elif published is None:
        verdict = UNPUBLISHED
    elif value == published if holds is None else holds:
        verdict = HOLDS
    else:
        verdict = PART if partly else FAILS
    return Finding(key, name, place, value, published, verdict, shown, basis)


def in_text(
    key: str, name: str, figure: str, value: Any, shown: str | None = None, **options: Any
) -> Finding:
    """A ``finding`` against a figure printed in the paper's text (``published.text_figure``)."""
    published, place = text_figure(figure)
    return finding(key, name, place, value, published, shown, **options)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of equally many cells as lines of text for a terminal, in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def slashes(values: Iterable[Any]) -> str:
    """Values as the tables write several: "1/2/3"."""
    return "/".join(str(value) for value in values)


def _words(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.2f}"
    return slashes(value) if isinstance(value, list) else str(value)
