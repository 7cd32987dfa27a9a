"""Finished experiments, which claims about runs are decided on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from avmc_core.paper import benchmark

if TYPE_CHECKING:
    from avmc_core.analysis.estimate import Cell
    from avmc_core.data.store import Store
    from avmc_core.runs.declaration import Row
    from avmc_core.runs.store import Record, Run


@dataclass(frozen=True)
class Finished:
    """A finished experiment: its rows, and the records of its runs on one store."""

    rows: tuple[Row, ...]
    records: dict[Run, Record]
    store: Store

    @cached_property
    def table_3(self) -> list[Cell]:
        """The cells of Table 3, drawn once for all claims about it."""
        return benchmark.table_3(benchmark.all_tasks(self.records, self.store))
