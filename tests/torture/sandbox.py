"""One hostile case in a separate process: how it ended, how long it took, how much memory it used,
and what it tried to do."""

from __future__ import annotations

import gc
import json
import os
import re
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from avmc_core.errors import InputError

# stated limits of one case: wall time, peak memory of the whole process
SECONDS, MEGABYTES = (60, 1000)
REFUSED, REPAIRED, HARMLESS = "refused", "repaired", "harmless"  # the three good ends
FORBIDDEN = re.compile(
    r"socket\.|subprocess|os\.(system|exec|fork|spawn|posix_spawn)|pty|ftplib|urllib|http|smtplib|webbrowser|ctypes\.dlopen"
    r"|pickle\.find_class"
)


@dataclass(frozen=True)
class Outcome:
    """How a case ended: one of the three good ends, or crash, hang, memory, accepted, error,
    escaped."""

    end: str
    detail: str = ""
    seconds: float = 0.0
    megabytes: int = 0


_trusted = False


@contextmanager
def trusted() -> Iterator[None]:
    """Within this context an independent reader is asked what is in a file that ours accepted: it
    is not watched."""
    global _trusted
    _trusted = True
    try:
        yield
    finally:
        _trusted = False


class Accepted(AssertionError):
    """A damaged file was accepted as a good one."""


def guarded(case: Callable[[], str], folder: Path) -> Outcome:
    """Forks; the child runs ``case``, which returns REPAIRED or HARMLESS, raises InputError, or
    Accepted.

    The child may write under ``folder`` only; what it tries besides (a socket, a program, a file
    elsewhere, a module that reading a good file has not loaded yet) is an escape. Longer or larger
    than the limits is an end of its own.
    """
    read, write = os.pipe()
    start = time.perf_counter()
    child = os.fork()
    if not child:
        os.close(read)
        _child(case, folder, write)
    os.close(write)
    said = _hear(read, child, start)
    os.close(read)
    _, status = os.waitpid(child, 0)
    seconds = time.perf_counter() - start
    if said:
        return Outcome(**{**json.loads(said), "seconds": seconds})
    if seconds >= SECONDS:
        return Outcome("hang", f"more than {SECONDS} s", seconds)
    return Outcome(
        "crash",
        "ended with "
        f"{signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else status}",
        seconds,
    )


def _hear(read: int, child: int, start: float) -> bytes:
    said = b""
    while select.select([read], [], [], max(0.0, start + SECONDS - time.perf_counter()))[0]:
        part = os.read(read, 65536)
        if not part:
            return said
        said += part
    os.kill(child, signal.SIGKILL)
    return b""


def _child(case: Callable[[], str], folder: Path, write: int) -> None:
    """Never returns."""
    gc.freeze()  # what the parent left to collect may wait for threads, which are not here
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libraries that decode media talk
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (2**34, 2**34))  # the machine's memory is not the test's
    escapes: list[str] = []
    _watch(escapes, folder)
    try:
        outcome = Outcome(case())
    except InputError as error:
        short = len(str(error)) <= 2000 and error.found and error.expected
        outcome = (
            Outcome(REFUSED, str(error))
            if short
            else Outcome("error", f"an unreadable message: {str(error)[:200]}")
        )
    except Accepted as error:
        outcome = Outcome("accepted", str(error)[:500])
    except MemoryError:
        outcome = Outcome("memory", "MemoryError")
    except BaseException as error:  # whatever leaks out of a reader
        outcome = Outcome("error", f"{type(error).__name__}: {str(error)[:500]}")
    peak = peak_megabytes()
    if escapes:
        outcome = Outcome("escaped", escapes[0])
    elif peak > MEGABYTES:
        outcome = Outcome("memory", f"{peak} MB")
    os.write(
        write,
        json.dumps(
            {**asdict(outcome), "detail": outcome.detail[:2000], "megabytes": peak}
        ).encode(),
    )
    os._exit(0)


def peak_megabytes() -> int:
    """Of this process alone: not ru_maxrss, which a child inherits."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) // 1024


def _watch(escapes: list[str], folder: Path) -> None:
    """Notes every event that a reader of data has no business with."""
    roots = (str(folder), "/dev/null", "/proc/self")
    loaded = set(sys.modules)

    def audit(event: str, args: tuple) -> None:
        if _trusted:
            return
        if FORBIDDEN.match(event) and event != "socket.gethostname":
            escapes.append(f"{event} {args!r}"[:200])
        elif (
            event == "open"
            and isinstance(args[0], str)
            and isinstance(args[2], int)
            and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        ):
            if not os.path.abspath(args[0]).startswith(roots):
                escapes.append(f"open {args[0]!r} for writing"[:200])
        elif event == "import" and args[0] not in loaded:
            escapes.append(f"import {args[0]}"[:200])

    sys.addaudithook(audit)
