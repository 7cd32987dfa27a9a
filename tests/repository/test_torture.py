"""The short torture: a fifth of the listed hostile files, a few random ones of each family, a chain
of kills of the quick jobs, and every fault. ``make torture`` runs all of it at length."""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("the sandbox reads /proc", allow_module_level=True)

from torture import faults, hostile, jobs, kills, report
from torture.fault_tools import NotHere

SEED, RANDOM = 1, 4


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("AVMC_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize("module", hostile.MODULES)
def test_hostile_files_end_clearly(module, place):
    """They are refused, or read as another reader reads them: no crash, no hang, no gigabyte of
    memory, no socket, no program and no stray file."""
    # the memory of other tests does not count
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        families = fresh.submit(_families, module, place).result()
    if reason := families[0]["skipped"]:
        pytest.skip(reason)
    assert [bad for family in families for bad in family["bad"]] == []
    assert sum(family["cases"] for family in families) > 1


def _families(module: str, place: Path) -> list[dict]:
    return list(hostile.run(module, RANDOM, SEED, place, every=5))


@pytest.mark.parametrize("name", ["import", "training"])
def test_five_kills_change_no_byte(name, place):
    (job,) = jobs.jobs(place / "shared", [name])
    count = kills.torture(job, kills.KILLS_A_CHAIN, SEED, place)
    assert count["kills"] == 5 and not any(
        count[key] for key in ("accepted", "lost", "different", "failed", "orphans")
    ), count


@pytest.mark.parametrize("name", faults.FAULTS)
def test_faults_hold(name, place):
    try:
        assert faults.FAULTS[name](place)
    except NotHere as reason:
        pytest.skip(str(reason))


def test_the_recorded_torture_was_whole_and_ended_well():
    """The book's page shows the figures of this record."""
    recorded = report.recorded()
    totals = recorded["data"]["totals"]
    bad = ("bad", "accepted", "lost", "different", "orphans")
    assert {name: totals[name] for name in bad} == dict.fromkeys(bad, 0) and totals[
        "missing"
    ] == "none"
    assert (
        totals["files"] >= 2000
        and totals["kills"] >= 250
        and totals["held"] == totals["faults"] >= 20
    )
    assert totals["minutes"] < 75
    assert all(row["kills"] >= 50 and row["chains"] >= 10 for row in recorded["data"]["kills"])
    assert (
        recorded["data"]["shown"] == report.shown(recorded["data"])
        and "+" not in recorded["provenance"]["commit"]
    )
