"""Which declared runs a page looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from avmc_core.errors import InputError
from avmc_core.runs.experiments import experiment
from avmc_core.runs.store import Run


def runs_of(models: Mapping[str, Sequence[str]], profile: str) -> list[Run]:
    """The runs of some rows of some experiments, in the order in which they are named: {"table4":
    ["AV-MC (paper)"]}.

    Raises InputError for an experiment or a row that is not declared.
    """
    runs = []
    for name, rows in models.items():
        by_row: dict[str, list[Run]] = {}
        for run in experiment(name).runs(profile):
            by_row.setdefault(run.name, []).append(run)
        for row in rows:
            if row not in by_row:
                raise InputError(
                    f"experiment {name}", f"row {row!r}", f"one of {', '.join(by_row)}"
                )
            runs += by_row[row]
    return runs
