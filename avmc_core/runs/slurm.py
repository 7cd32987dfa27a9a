"""The executor of a Slurm cluster: blocks of runs become the jobs of one array, through submitit,
and write into the run store.

The run store is the only channel between a job and the command that waits for it: a run is done
when its record is there, and lost when it is not and its job has left the queue. So nothing depends
on Slurm's accounting, and an interrupted command continues when it is given again, on any machine
that sees the store: finished runs are read, queued ones waited for, lost ones submitted.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from tqdm import tqdm

from avmc_core.data.store import Store, open_store
from avmc_core.errors import InputError, RunsLost, counted
from avmc_core.runs.local import Local
from avmc_core.runs.store import Record, Run, RunStore

# in the run store: submitit's files, the jobs' logs and, by run key, the last job of each run
FOLDER = ".slurm"


@dataclass(frozen=True)
class Block:
    """What one job computes; at its time limit submitit asks for ``checkpoint`` and queues the job
    again."""

    runs: tuple[Run, ...]
    keys: tuple[str, ...]
    store: Path
    root: Path
    device: str
    threads: int
    jobs: int

    def __call__(self) -> None:
        """Computes the runs. Raises InputError where they would come out under other keys: a node
        with another environment."""
        store = open_store(self.store)
        for run, key in zip(self.runs, self.keys, strict=True):
            if (own := run.key(store, self.device, self.threads)) != key:
                raise InputError(
                    f"{run.name}, seed {run.seed}, on {socket.gethostname()}",
                    f"key {own[:12]}",
                    f"{key[:12]}: the source, libraries, processor family, C compiler and "
                    "text encoder of the machine that submitted it, and on a GPU a Triton that "
                    "runs if it is installed",
                )
        for _ in Local(self.jobs)(self.runs, store, RunStore(self.root), self.device, self.threads):
            pass

    def checkpoint(self):
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)  # the run store holds what was done


@dataclass(frozen=True)
class Slurm:
    """Settings of the jobs on a Slurm cluster; an instance is called as a ``grid.Executor``. Raises
    InputError if submitit or a cluster is missing, or if sbatch refuses, and RunsLost, after all
    other jobs have ended, if some jobs ended without results."""

    block: int = 1  # runs in a job; they differ in their seed alone
    jobs: int = 1  # processes, and so cores, of a job
    gpus: int = 0
    # time limit; a job that reaches it is queued again and continues at the last epoch
    minutes: int = 60
    sbatch: tuple[str, ...] = ()  # further options of sbatch, such as partition=long or exclusive
    poll_seconds: float = 2.0
    # how late a network filesystem may show a record that was written elsewhere
    settle_seconds: float = 60.0

    def __call__(
        self, missing: Sequence[Run], store: Store, runs: RunStore, device: str, threads: int
    ) -> Iterator[tuple[Run, Record]]:
        keys = {run: run.key(store, device, threads) for run in missing}
        folder = runs.root.resolve() / FOLDER
        queue = _queue() or set()
        new = {keys[run]: run for run in missing if _job(folder, keys[run]) not in queue}
        where = store.path.resolve(), folder.parent, device, threads, self.jobs
        blocks = [
            Block(tuple(b), tuple(keys[run] for run in b), *where)
            for b in _blocks(list(new.values()), self.block)
        ]
        if blocks:
            self._submit(blocks, folder)
        ended = None  # since when no job of the runs that are left has been in the queue
        while keys:
            queue = _queue()
            for run in list(keys):
                if (record := runs.get(keys[run])) is not None:
                    del keys[run]
                    yield run, record
            if queue is None or any(_job(folder, key) in queue for key in keys.values()):
                ended = None
            elif time.monotonic() - (ended := ended or time.monotonic()) > self.settle_seconds:
                raise RunsLost(_report(keys, folder))
            if keys:
                time.sleep(self.poll_seconds)

    def _submit(self, blocks: Sequence[Block], folder: Path) -> None:
        """One array with a job for each block; leaves a note under each run's key of the job that
        it is in."""
        try:
            import submitit
        except ImportError as error:
            raise InputError(
                "the Slurm executor",
                "no submitit",
                "the extra: pip install --no-deps --require-hashes -r requirements-slurm.lock",
            ) from error
        cores = self.jobs * blocks[0].threads
        options = {
            name: value or True
            for name, _, value in (option.partition("=") for option in self.sbatch)
        }
        try:
            executor = submitit.SlurmExecutor(folder, max_num_timeout=100)
            executor.update_parameters(
                job_name="avmc",
                time=self.minutes,
                cpus_per_task=cores,
                # since Slurm 22.05 a step no longer takes it from its job
                srun_args=[f"--cpus-per-task={cores}"],
                additional_parameters={"requeue": True, **options},
                **({"gpus_per_node": self.gpus} if self.gpus else {}),
            )
            with executor.batch():
                jobs = [executor.submit(block) for block in blocks]
        except (RuntimeError, OSError, submitit.core.utils.FailedJobError) as error:
            raise InputError(
                "sbatch",
                str(error).strip(),
                "a cluster that takes the job; --sbatch passes it options",
            ) from error
        for block, job in zip(blocks, jobs, strict=True):
            for key in block.keys:
                (folder / key).write_text(job.job_id)
        tqdm.write(
            f"{counted(len(jobs), 'job')} submitted, the first is {jobs[0].job_id}; none of them "
            "needs this process",
            file=sys.stderr,
        )


def _blocks(runs: Sequence[Run], size: int) -> Iterator[Sequence[Run]]:
    """At most ``size`` neighbours at a time that differ in their seed alone."""
    for _, same in groupby(runs, key=lambda run: replace(run, seed=0)):
        seeds = list(same)
        yield from (seeds[start : start + size] for start in range(0, len(seeds), size))


def _job(folder: Path, key: str) -> str:
    """The last job that a run was submitted in; "" if none."""
    try:
        return (folder / key).read_text()
    except FileNotFoundError:
        return ""


def _report(lost: dict[Run, str], folder: Path) -> str:
    """The runs without a result, by job, each with the last line of the job's log."""
    runs: dict[str, list[str]] = {}
    for run, key in lost.items():
        runs.setdefault(_job(folder, key), []).append(f"{run.name} {run.seed}")
    lines = [f"{counted(len(lost), 'run')} without a result; the jobs' logs are in {folder}"]
    for job, names in runs.items():
        log = folder / f"{job}_0_log.err"
        log_lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        log_lines = [
            line.strip() for line in log_lines if line.strip() and not line.startswith("submitit")
        ]
        # how srun ends says little where there is more
        own = [line for line in log_lines if not line.startswith("srun:")]
        lines.append(
            f"job {job} ({', '.join(names)}): {(own or log_lines or ['said nothing'])[-1]}"
        )
    return "\n".join(lines)


def _queue() -> set[str] | None:
    """Ids of this user's jobs that wait or run; None if Slurm does not answer, as while its
    controller restarts."""
    command = ["squeue", "--me", "--noheader", "--array", "--format=%i"]
    try:
        return set(
            subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        )
    except (OSError, subprocess.CalledProcessError):
        return None
