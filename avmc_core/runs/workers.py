"""Calls in separate processes, none of which outlives a failed call, an interrupt, or the parent
process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any


def side_by_side(
    function: Callable[..., Any], calls: Sequence[tuple], jobs: int, patience: float | None = None
) -> Iterator[Any]:
    """Runs ``function(*call)`` for each call in separate processes, ``jobs`` at a time, with this
    process's working folder and environment, and yields the results in the order in which the calls
    end.

    The first exception of a call is raised here, or ChildProcessError when a process died. Calls
    that are still running then, at Ctrl-C, or when the iterator is closed receive SystemExit and
    are waited for; after ``patience`` seconds, if given, they are killed. Arguments and results are
    pickled.
    """
    context, waiting = multiprocessing.get_context("spawn"), deque(calls)
    processes: dict[Connection, BaseProcess] = {}
    running: dict[Connection, tuple] = {}
    try:
        for _ in range(min(jobs, len(waiting))):
            here, there = context.Pipe()
            processes[here] = context.Process(
                target=_serve, args=(there, function, os.getcwd()), daemon=True
            )
            # Ctrl-C reaches all: the one that asked ends the others, also while they still begin
            with _deaf():
                processes[here].start()
            there.close()
            _hand_on(waiting, here, running)
        while running:
            for pipe in wait(list(running)):
                result = _received(pipe, processes[pipe], running.pop(pipe))
                if waiting:
                    _hand_on(waiting, pipe, running)
                yield result
    finally:
        started = [process for process in processes.values() if process.pid]
        for process in started:
            process.terminate()
        deadline = None if patience is None else time.monotonic() + patience
        for process in started:
            process.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()


@contextmanager
def _deaf() -> Iterator[None]:
    """What is started in here never hears of Ctrl-C; this process hears of it afterwards."""
    resource_tracker.ensure_running()  # its start, within that of a process, would undo this
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _hand_on(waiting: deque[tuple], pipe: Connection, running: dict[Connection, tuple]) -> None:
    running[pipe] = waiting.popleft()
    with suppress(ConnectionError):  # its process died: _received says so
        pipe.send(running[pipe])


def _received(pipe: Connection, process: BaseProcess, call: tuple) -> Any:
    try:
        succeeded, outcome = pipe.recv()
    except (EOFError, ConnectionError):
        process.join()
        raise ChildProcessError(
            f"{call[0]}: its process died (exit status {process.exitcode})"
        ) from None
    if not succeeded:
        raise outcome
    return outcome


def _serve(pipe: Connection, function: Callable[..., Any], folder: str) -> None:
    """The loop of a worker process: one call after the other, until it is stopped."""
    # Ctrl-C reaches all: the one that asked ends the others
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that a call closes what it has open
    end_with_parent()
    os.chdir(folder)
    with suppress(EOFError, BrokenPipeError):  # the one that asked is gone
        while True:
            call = pipe.recv()
            try:
                outcome = True, function(*call)
            except Exception as error:
                error.add_note(traceback.format_exc())
                outcome = False, error
            pipe.send(outcome)


def end_with_parent() -> None:
    """Ends this process when its parent was killed, which would leave it waiting forever."""
    parent = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
