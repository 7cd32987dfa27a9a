"""When a process of a grid is ended from outside there is one clear error, finished runs are kept,
and the rest can be computed."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from click.testing import CliRunner

from avmc_core.commands import main as cli
from avmc_core.errors import RunsLost
from avmc_core.runs import experiments, local
from avmc_core.runs.declaration import Experiment, Row
from avmc_core.runs.grid import run_all
from avmc_core.runs.store import Run, RunStore

# of a model whose seeds are trained one by one, so that there are several processes
LONG = (("training.max_epochs", 3),)
GRID = [Run("MTFN", seed, LONG) for seed in range(5)]


@pytest.fixture
def killed(monkeypatch):
    """What the system does when memory runs out: SIGKILL for the first process that a pool
    starts."""
    pools = []

    class Pool(local.ProcessPoolExecutor):
        def __init__(self, *words, **options):
            super().__init__(*words, **options)
            pools.append(self)

    def kill():
        while not stop.is_set():
            for pid in list(pools[0]._processes or ()) if pools else ():
                os.kill(pid, signal.SIGKILL)
                return
            time.sleep(0.005)

    stop = threading.Event()
    monkeypatch.setattr(local, "ProcessPoolExecutor", Pool)
    thread = threading.Thread(target=kill)
    thread.start()
    yield
    stop.set()
    thread.join()


def test_runs_without_a_record_are_named_and_computed_the_next_time(tiny_store, tmp_path, killed):
    runs = RunStore(tmp_path)
    with pytest.raises(
        RunsLost, match=r"(\d) runs? without a record .*MTFN 0.*want of memory"
    ) as error:
        run_all(GRID, tiny_store, runs, jobs=2, device="cpu", progress_bar=False)
    done = [record.seed for record in runs]
    assert 4 in done, "what this process was at"
    assert all((f"MTFN {seed}" in str(error.value)) != (seed in done) for seed in range(5))
    records = run_all(GRID, tiny_store, runs, jobs=1, device="cpu", progress_bar=False)
    assert [record.status for record in records.values()] == ["done"] * 5


def test_the_command_says_that_it_can_be_given_again(tiny_store, tmp_path, killed, monkeypatch):
    plan = Experiment("quick", "", (Row("MTFN", "MTFN", LONG),), (("ci", (0, 1, 2)),))
    monkeypatch.setitem(experiments.EXPERIMENTS, "quick", plan)
    monkeypatch.setenv("AVMC_HOME", str(tmp_path))
    words = ["run", "quick", "--store", str(tiny_store.path), "--device", "cpu", "--jobs", "2"]
    lost = CliRunner().invoke(cli.main, words)
    assert lost.exit_code == 1 and isinstance(lost.exception, SystemExit)
    assert "without a record" in lost.output and "goes on where this one was" in lost.output
    words[-1] = "1"
    assert CliRunner().invoke(cli.main, words).exit_code == 0
