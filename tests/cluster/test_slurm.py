"""A grid gives the same bytes on a Slurm cluster of one node as in local processes, also when a job
is killed or the node loses one."""

from __future__ import annotations

import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGKILL

import pytest
from click.testing import CliRunner

from avmc_core.commands import main as cli
from avmc_core.errors import InputError, RunsLost
from avmc_core.runs import experiments
from avmc_core.runs.declaration import Experiment, Row
from avmc_core.runs.grid import run_all
from avmc_core.runs.slurm import FOLDER, Slurm
from avmc_core.runs.store import RunStore

SCRIPT = Path(__file__).parents[2] / "tools" / "slurm_node.sh"
SEEDS = (1, 2, 3, 4, 5)
ONE_EPOCH = (("training.max_epochs", 1),)
# seconds, so that a job of these is still at work when it is killed
MANY_EPOCHS = (("training.max_epochs", 500), ("training.patience", 500))
EXPERIMENT = Experiment(
    title="20 quick runs",
    source="",
    rows=(
        Row("AV-MC", "AV-MC", MANY_EPOCHS),
        *(Row(name, name, ONE_EPOCH) for name in ("AV-MC(Semi)", "LF_DNN", "Unimodal LSTM")),
    ),
    seeds=(("ci", SEEDS),),
)
GRID = EXPERIMENT.runs("ci")
TEXT = {"capture_output": True, "text": True, "check": True}
SLURM = Slurm(block=5, poll_seconds=0.3, settle_seconds=1)


def node(command: str, folder: Path) -> str:
    done = subprocess.run([SCRIPT, command, folder], capture_output=True, text=True)
    if done.returncode == 3:
        pytest.skip(f"NOT TESTED ON A CLUSTER: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """The folder of a running Slurm."""
    folder = tmp_path_factory.mktemp("slurm")
    before = dict(os.environ)
    try:
        os.environ["SLURM_CONF"] = node("start", folder).partition("=")[2].strip()
        yield folder
    finally:
        node("stop", folder)
        os.environ.clear()
        os.environ.update(before)


def jobs(state: str) -> list[str]:
    return subprocess.run(
        ["squeue", "--noheader", "--array", "--format=%i", f"--states={state}"], **TEXT
    ).stdout.split()


def wait_for_jobs(state: str) -> list[str]:
    for _ in range(600):
        if found := jobs(state):
            return found
        time.sleep(0.1)
    raise AssertionError(f"no job {state} after a minute")


def working_job(runs: RunStore) -> str:
    """The id of a job whose process is computing its runs."""
    for _ in range(600):
        for job in jobs("RUNNING"):
            if any((runs.root / ".work").glob("*.lock")):
                return job
        time.sleep(0.1)
    raise AssertionError("no job at work after a minute")


def kill(job: str) -> None:
    """Ends the processes of a job as the system does when memory runs out."""
    (number,) = subprocess.run(
        ["squeue", "--noheader", "--array", "--format=%A", f"--jobs={job}"], **TEXT
    ).stdout.split()
    for line in subprocess.run(["scontrol", "listpids", number], **TEXT).stdout.splitlines()[1:]:
        pid, _, step, *_ = line.split()
        if step == "0":
            os.kill(int(pid), SIGKILL)


def at_once(job: str) -> None:
    """Otherwise Slurm waits two minutes before it starts a job again."""
    assert wait_for_jobs("PENDING") == [job]
    subprocess.run(["scontrol", "update", f"JobId={job}", "StartTime=now"], check=True)


def submitted(runs: RunStore) -> int:
    return len(list((runs.root / FOLDER).glob("*_submitted.pkl")))


def same_bytes(one, two) -> None:
    for run in GRID:
        names = {path.name for path in one[run].folder.iterdir()}
        assert (
            names
            == {path.name for path in two[run].folder.iterdir()}
            == {"record.json", "predictions.safetensors", "model.safetensors"}
        )
        for name in names - {"record.json"}:
            assert (one[run].folder / name).read_bytes() == (two[run].folder / name).read_bytes(), (
                run,
                name,
            )
        assert one[run].history == two[run].history


def test_a_killed_job_costs_one_resubmission_and_no_byte(
    cluster, tiny_store, tmp_path, monkeypatch
):
    runs = RunStore(tmp_path / "avmc" / "runs")
    with ThreadPoolExecutor() as pool:
        grid = pool.submit(
            run_all, GRID, tiny_store, runs, executor=SLURM, device="cpu", progress_bar=False
        )
        kill(working_job(runs))
        with pytest.raises(RunsLost, match=r"(?s)5 runs without a result.*AV-MC 5\): srun: "):
            grid.result()
    assert (len(list(runs)), submitted(runs)) == (15, 4)

    monkeypatch.setitem(experiments.EXPERIMENTS, "quick", EXPERIMENT)
    monkeypatch.setenv("AVMC_HOME", str(tmp_path / "avmc"))
    options = [
        "--store",
        str(tiny_store.path),
        "--cluster",
        "slurm",
        "--block",
        "5",
        "--minutes",
        "5",
    ]
    again = CliRunner().invoke(cli.main, ["run", "quick", *options])
    assert (
        again.exit_code == 0 and "20 runs" in again.output and "1 job submitted" in again.output
    ), again.output
    assert submitted(runs) == 5
    here = run_all(GRID, tiny_store, RunStore(tmp_path / "local"), device="cpu", progress_bar=False)
    same_bytes(run_all(GRID, tiny_store, runs, device="cpu"), here)


def lose_the_node(job: str, cluster: Path) -> None:
    node("lose", cluster)
    wait_for_jobs("PENDING")  # once the controller has given the node up
    node("back", cluster)
    time.sleep(5)  # the node is first told to end what it no longer has, which is why Slurm waits


def near_the_time_limit(job: str, cluster: Path) -> None:
    # what Slurm sends ahead of the limit
    subprocess.run(["scancel", "--signal=USR2", job], check=True)


@pytest.mark.parametrize("interrupt", [lose_the_node, near_the_time_limit])
def test_an_interrupted_job_is_queued_again(interrupt, cluster, tiny_store, tmp_path):
    runs = RunStore(tmp_path / "runs")
    with ThreadPoolExecutor() as pool:
        grid = pool.submit(
            run_all, GRID[10:15], tiny_store, runs, executor=SLURM, device="cpu", progress_bar=False
        )
        job = working_job(runs)
        interrupt(job, cluster)
        at_once(job)
        assert len(grid.result()) == 5
    assert submitted(runs) == 1


def test_who_asks_again_waits_for_the_jobs_that_are_queued(cluster, tiny_store, tmp_path):
    runs = RunStore(tmp_path / "runs")
    with ThreadPoolExecutor() as pool:
        first = pool.submit(
            run_all, GRID[10:12], tiny_store, runs, executor=SLURM, device="cpu", progress_bar=False
        )
        wait_for_jobs("PENDING,RUNNING")
        time.sleep(0.5)
        second = run_all(
            GRID[10:12], tiny_store, runs, executor=SLURM, device="cpu", progress_bar=False
        )
        assert second == first.result()
    assert submitted(runs) == 1


def test_what_sbatch_refuses_is_one_error(cluster, tiny_store, tmp_path):
    with pytest.raises(InputError, match="partition"):
        run_all(
            GRID[10:11],
            tiny_store,
            RunStore(tmp_path / "runs"),
            executor=Slurm(sbatch=("partition=none",)),
        )
