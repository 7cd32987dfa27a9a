"""Work that is told to stop does so at once, even where Python would lose the signal."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

KINDS = (signal.SIGINT, signal.SIGTERM)
SOON = 0.01  # seconds until a lost signal is sent again


class Stopped(KeyboardInterrupt):
    """Ctrl-C, or a signal to terminate. ``number`` is the signal's."""

    def __init__(self, number: int):
        super().__init__(number)
        self.number, self.done = number, ""

    def saying(self, finished: int, clips: int) -> Stopped:
        """Records in ``done`` how far the extraction had got; returns this exception."""
        self.done = f"{finished} of {clips} clips were finished"
        return self

    @property
    def status(self) -> int:
        """The exit status that a shell reports for a process ended by this signal."""
        return 128 + self.number


@contextmanager
def stoppable() -> Iterator[None]:
    """Within it, SIGINT and SIGTERM raise ``Stopped`` in the main thread, once, unless they were
    ignored before; later ones are ignored, so that what was begun is closed. Does nothing in
    another thread, where signals do not arrive."""
    if not _signals_arrive():
        yield
        return

    def stop(number: int, _frame: object) -> None:
        handle(signal.SIG_IGN)
        raise Stopped(number)

    def handle(handler: Any) -> None:
        _restore({kind: handler for kind in KINDS if before[kind] is not signal.SIG_IGN})

    before = {kind: signal.getsignal(kind) for kind in KINDS}
    handle(stop)
    try:
        with heard(lambda: handle(stop)):
            yield
    finally:
        _restore(before)


@contextmanager
def heard(prepare: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Within it, a KeyboardInterrupt that Python would ignore, raised in a destructor or in a
    callback of a weak reference such as those of the import system, is sent again as a signal,
    after ``prepare()``."""

    def again(ignored: Any) -> None:
        if not isinstance(ignored.exc_value, KeyboardInterrupt):
            hook(ignored)
            return
        prepare()
        number = getattr(ignored.exc_value, "number", signal.SIGINT)
        threading.Timer(SOON, os.kill, (os.getpid(), number)).start()

    hook, sys.unraisablehook = sys.unraisablehook, again
    try:
        yield
    finally:
        sys.unraisablehook = hook


@contextmanager
def ended_at_once() -> Iterator[None]:
    """Within it, SIGINT and SIGTERM end the process, unless they are ignored: for a command that
    has not begun anything yet. A KeyboardInterrupt among the imports of large packages may be
    turned into an ImportError there, or be lost."""
    if not _signals_arrive():
        yield
        return
    before = {kind: signal.getsignal(kind) for kind in KINDS}
    _restore({kind: signal.SIG_DFL for kind in KINDS if before[kind] is not signal.SIG_IGN})
    try:
        yield
    finally:
        _restore(before)


def _signals_arrive() -> bool:
    return threading.current_thread() is threading.main_thread()


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    for kind, handler in handlers.items():
        if handler is not None:  # one that was not set from Python
            signal.signal(kind, handler)


def leave(status: int) -> NoReturn:
    """Ends this process now. An interpreter that has loaded PyTorch would take seconds for an
    orderly shutdown."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
