"""SIGKILL at random moments of everything that takes long, followed by the same command again, to
its end.

Five kills make a chain. After each kill nothing damaged may be taken for complete, and nothing that
was finished may be gone; at the end of the chain every byte must be that of an undisturbed run.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from tqdm import tqdm

KILLS_A_CHAIN = 5


@dataclass(frozen=True)
class Job:
    """Something that is killed. ``prepare`` puts its inputs into a folder, ``work`` does it there,
    ``finished`` names what is whole there by the digest of its content (it raises when something
    damaged is taken for whole)."""

    name: str
    prepare: Callable[[Path], None]
    work: Callable[[Path], object]
    finished: Callable[[Path], dict[str, str]]
    needs: str = ""  # why it cannot be done here


@dataclass
class Count:
    """The outcomes of a job's kills."""

    job: str
    kills: int = 0
    chains: int = 0
    seconds: float = 0.0  # of one undisturbed run
    accepted: int = 0  # damaged, and taken for whole
    lost: int = 0  # finished, and gone or different after a later kill
    different: int = 0  # chains whose end is not that of an undisturbed run
    failed: int = 0  # runs after kills that ended with an error
    orphans: int = 0  # processes that outlived their killed parent
    skipped: str = ""
    notes: str = ""


def torture(
    job: Job,
    kills: int,
    seed: int,
    place: Path,
    before: dict | None = None,
    tell: Callable[[dict], None] = lambda count: None,
) -> dict:
    """Kills ``job`` so many times, in chains, in folders under ``place``. ``tell`` hears of every
    chain; ``before`` is what it heard last, when this goes on where it was."""
    count = Count(**(before or {"job": job.name}))
    if job.needs:
        count.skipped = job.needs
        return asdict(count)
    expected, count.seconds = _undisturbed(job, place)
    while count.kills < kills:
        rng = np.random.default_rng([seed, count.chains, *job.name.encode()])
        folder = _fresh(job, place / "chain")
        known: dict[str, str] = {}
        for _ in range(KILLS_A_CHAIN):
            while not _killed(
                job, folder, count.seconds * rng.uniform(0, 0.9), count, alone=rng.random() < 0.3
            ):
                folder, known = _fresh(job, folder), {}  # it was done before the kill
            count.kills += 1
            known = _check(job, folder, known, expected, count)
        if _finish(job, folder):
            count.different += job.finished(folder) != expected
            _check(job, folder, known, expected, count)
        else:
            count.failed += 1
            count.notes = count.notes or (folder / "error").read_text()[-300:]
        count.chains += 1
        tell(asdict(count))
    shutil.rmtree(place / "chain")
    return asdict(count)


def _fresh(job: Job, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    job.prepare(folder)
    return folder


def _undisturbed(job: Job, place: Path) -> tuple[dict[str, str], float]:
    """What two undisturbed runs leave, which must agree, and the seconds of the second."""
    results = []
    for _ in range(2):
        folder = _fresh(job, place / "chain")
        start = time.perf_counter()
        if not _finish(job, folder):
            raise RuntimeError(f"{job.name}, undisturbed: {(folder / 'error').read_text()}")
        seconds = time.perf_counter() - start
        results.append(job.finished(folder))
    if results[0] != results[1] or not results[0]:
        raise RuntimeError(f"{job.name}: two undisturbed runs differ: {results}")
    return results[1], seconds


def _check(
    job: Job, folder: Path, known: dict[str, str], expected: dict[str, str], count: Count
) -> dict[str, str]:
    try:
        found = job.finished(folder)
    except Exception as error:  # something there is damaged
        count.accepted += 1
        count.notes = count.notes or f"{type(error).__name__}: {error}"[:300]
        return known
    count.accepted += any(expected.get(name) != content for name, content in found.items())
    count.lost += len(known.keys() - found.keys())
    return found


def _start(job: Job, folder: Path) -> int:
    """A forked process that does the job, the first of its own session."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.setsid()
        quiet = os.open(os.devnull, os.O_RDWR)
        for handle in (0, 1, 2):
            os.dup2(quiet, handle)
        # A process that is killed while it draws a bar keeps the lock that tqdm shares with forks.
        tqdm.set_lock(threading.RLock())
        job.work(folder)
        status = 0
    except BaseException:
        (folder / "error").write_text(traceback.format_exc())
    finally:
        os._exit(status)


def _finish(job: Job, folder: Path) -> bool:
    return os.waitpid(_start(job, folder), 0)[1] == 0


def _killed(job: Job, folder: Path, seconds: float, count: Count, alone: bool) -> bool:
    """Whether the kill came before the end. ``alone``: only the first process is killed; its
    workers must end by themselves."""
    child = _start(job, folder)
    time.sleep(seconds)
    done = os.waitpid(child, os.WNOHANG)[0] != 0
    if not done:
        (os.kill if alone else _kill_session)(child, signal.SIGKILL)
        os.waitpid(child, 0)
    left = _wait_for_session(child)
    count.orphans += len(left)
    for process in left:
        count.notes = count.notes or f"orphan: {Path(f'/proc/{process}/cmdline').read_text()[:200]}"
        os.kill(process, signal.SIGKILL)
    return not done


def _session(leader: int) -> list[int]:
    """The living processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            except OSError:
                continue
            if int(session) == leader and state != "Z":
                found.append(int(entry.name))
    return found


def _kill_session(leader: int, number: int) -> None:
    for process in _session(leader):
        try:
            os.kill(process, number)
        except ProcessLookupError:
            continue


def _wait_for_session(leader: int, patience: float = 60.0) -> list[int]:
    """The processes of a session that are left after a while."""
    end = time.monotonic() + patience
    while (left := _session(leader)) and time.monotonic() < end:
        time.sleep(0.05)
    return left


def tree(folder: Path, leave_out: tuple[str, ...] = ()) -> str:
    """A digest of the path and bytes of every file."""
    hashed = sha256()
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_file() and not name.startswith(leave_out):
            hashed.update(f"{name} {sha256(path.read_bytes()).hexdigest()}\n".encode())
    return hashed.hexdigest()


if sys.platform != "linux":
    raise ImportError("kills are tried on Linux only: they look for orphans in /proc")
