"""A figure with its interval and the corresponding published figure, the cell of a results table
that holds them, and the small picture of the three."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Self

from avmc_core.analysis.statistics import Interval
from avmc_core.data.metric_conventions import ALL

# pixels; the margin keeps a diamond at the end of the scale whole
WIDTH, HEIGHT, MARGIN = (86, 13, 5)


@dataclass(frozen=True)
class Estimate:
    """``value`` with ``low`` and ``high`` and the ``published`` figure, all on the display scale;
    None where there is none.

    ``note`` says why there is no value, or what went into it; ``signed`` shows the sign of a
    difference.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    published: float | None = None
    decimals: int = 2
    note: str = ""
    signed: bool = False

    def __post_init__(self):
        for name in ("value", "low", "high", "published"):
            number = getattr(self, name)
            if number is not None and not math.isfinite(number):
                object.__setattr__(self, name, None)

    @property
    def difference(self) -> float | None:
        """Ours minus the published figure."""
        return None if self.value is None or self.published is None else self.value - self.published

    def text(self, number: float | None) -> str:
        sign = "+" if self.signed else "z"  # z: a level that rounds to zero has no sign
        return "–" if number is None else f"{number:{sign}.{self.decimals}f}"

    @property
    def interval(self) -> str:
        if self.low is None or self.high is None:
            return ""
        return f"[{self.text(self.low)}, {self.text(self.high)}]"

    def __str__(self) -> str:
        """One line: ours, its interval, and after a stroke the published figure."""
        ours = self.note if self.value is None and self.note else self.text(self.value)
        note = f"({self.note})" if self.value is not None and self.note else ""
        return " ".join(filter(None, [ours, self.interval, note])) + (
            "" if self.published is None else f" / {self.text(self.published)}"
        )

    def words(self) -> str:
        """The same as a sentence, for screen readers and as a tooltip of the picture."""
        parts = [
            f"ours {self.text(self.value)}" if self.published is not None else self.text(self.value)
        ]
        if self.interval:
            parts.append(f"95 % interval {self.text(self.low)} to {self.text(self.high)}")
        if self.published is not None:
            parts.append(f"paper {self.text(self.published)}")
        if (difference := self.difference) is not None:
            parts.append(f"difference {difference:+.{self.decimals}f}")
        if self.note:
            parts.append(self.note)
        return ", ".join(parts)


def places(*numbers: float, least: int = 3) -> int:
    """Decimals that show two significant digits of the largest of some numbers, and never fewer
    than ``least``."""
    largest = max((abs(number) for number in numbers if math.isfinite(number)), default=0.0)
    return max(least, 1 - math.floor(math.log10(largest))) if largest else least


def scale(column: Iterable[Estimate]) -> tuple[float, float] | None:
    """The smallest and the largest number of a column, which its pictures share as their scale.
    None for a column without numbers."""
    numbers = [n for e in column for n in (e.value, e.low, e.high, e.published) if n is not None]
    return (min(numbers), max(numbers)) if numbers else None


def picture(estimate: Estimate, ends: tuple[float, float]) -> str:
    """An SVG: the interval as a line, ours as a dot on it, the published figure as a hollow
    diamond, zero as a tick."""
    low, high = ends

    def at(number: float) -> str:
        share = (number - low) / (high - low) if high > low else 0.5
        return f"{MARGIN + share * (WIDTH - 2 * MARGIN):.1f}"

    middle = HEIGHT / 2
    parts = [f'<path class="axis" d="M0 {middle}H{WIDTH}"/>']
    if low < 0 < high:
        parts.append(f'<path class="zero" d="M{at(0)} 0V{HEIGHT}"/>')
    if estimate.low is not None and estimate.high is not None:
        parts.append(f'<path class="line" d="M{at(estimate.low)} {middle}H{at(estimate.high)}"/>')
    if estimate.value is not None:
        parts.append(f'<circle cx="{at(estimate.value)}" cy="{middle}" r="2.6"/>')
    if estimate.published is not None:
        parts.append(
            f'<path class="paper" d="M{at(estimate.published)} {middle - 4.5}l4.5 4.5-4.5 '
            '4.5-4.5-4.5z"/>'
        )
    words = escape(estimate.words())
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{words}">'
        f"<title>{words}</title>{''.join(parts)}</svg>"
    )


def of_interval(metric: str, interval: Interval | None, published: float | None = None) -> Estimate:
    """An interval on the metric's own scale as an estimate on its display scale, which
    ``published`` is on already."""
    shown = ALL[metric]
    if interval is None:
        return Estimate(None, published=published, decimals=shown.decimals)
    i = interval.scaled(shown.scale)
    return Estimate(i.estimate, i.low, i.high, published, shown.decimals, i.note)


@dataclass(frozen=True, kw_only=True)
class Cell(Estimate):
    """The estimate of one row and metric of a results table.

    ``published_row`` names the row of the paper's table that ``published`` is from, and ``run`` the
    row of the experiment, where that has another name than ``row``.
    """

    row: str
    metric: str
    published_row: str | None = None
    run: str = ""

    @classmethod
    def of(
        cls, metric: str, interval: Interval | None, published: float | None, **place: str | None
    ) -> Self:
        """The cell of an interval on the metric's own scale; ``published`` is on its display scale
        already."""
        return cls(metric=metric, **vars(of_interval(metric, interval, published)), **place)

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Self:
        """The cell that ``record`` describes. Raises KeyError for an unknown metric, and TypeError
        for other fields."""
        fields = {"value" if key == "estimate" else key: record[key] for key in record}
        return cls(**fields, decimals=ALL[record["metric"]].decimals)

    def record(self) -> dict[str, Any]:
        """The cell as a result saves it."""
        run = {"run": self.run} if self.run else {}
        ours = {"estimate": self.value, "low": self.low, "high": self.high}
        paper = {"published": self.published, "published_row": self.published_row}
        return {"row": self.row, **run, "metric": self.metric, **ours, **paper, "note": self.note}
