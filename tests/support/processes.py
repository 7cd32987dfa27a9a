"""Processes that tests start, watch and end."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path


def killed_itself(work: Callable[[], object]) -> bool:
    """Whether a forked process that does ``work`` ended by SIGKILL. It is forked because importing
    PyTorch in a new process takes longer than the test."""
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def held(folder: str, k: int) -> None:
    """Reports that it runs, and that it was told to stop."""
    try:
        Path(folder, f"{k}.part").write_text(str(os.getpid()))
        Path(folder, f"{k}.part").rename(Path(folder, f"{k}.running"))
        time.sleep(60)
    finally:
        Path(folder, f"{k}.closed").touch()


def appeared(path: Path, seconds: float = 180) -> str:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"no {path.name}"
        time.sleep(0.02)
    return path.read_text()


def gone(pid: int, seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
