"""Faults other than kills, one after another, and whether each left the promises intact."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torture import faults_of_clocks, faults_of_files, faults_of_runs
from torture.fault_tools import NotHere

FAULTS: dict[str, Callable[[Path], str]] = (
    faults_of_files.FAULTS | faults_of_runs.FAULTS | faults_of_clocks.FAULTS
)


def run(place: Path) -> list[dict]:
    """Every fault, with what happened, and whether the promise about it held."""
    rows = []
    for number, (name, fault) in enumerate(FAULTS.items()):
        folder = place / f"fault{number}"
        folder.mkdir(parents=True)
        row = {"fault": name, "what": "", "held": False, "skipped": ""}
        try:
            row |= {"what": fault(folder), "held": True}
        except NotHere as reason:
            row["skipped"] = str(reason)
        except Exception as error:
            row["what"] = f"{type(error).__name__}: {error}"[:300]
        rows.append(row)
    return rows
