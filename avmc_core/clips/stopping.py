"""An extraction that is asked to stop does so at once, and says how to go on."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


class Stopped(KeyboardInterrupt):
    """Ctrl-C, or a signal to terminate. ``number`` is the signal's."""

    def __init__(self, number: int):
        super().__init__(number)
        self.number, self.done = number, ""

    def saying(self, finished: int, clips: int) -> Stopped:
        """The same exception, which now says how far the extraction was."""
        self.done = f"{finished} of {clips} clips were finished"
        return self

    @property
    def status(self) -> int:
        """The exit status that a shell gives to what a signal ended."""
        return 128 + self.number


@contextmanager
def stoppable() -> Iterator[None]:
    """Within it, SIGINT and SIGTERM raise ``Stopped`` in the main thread, once; later ones are
    ignored, so that what was begun is closed. Does nothing in another thread, where signals do not
    arrive."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = {kind: signal.getsignal(kind) for kind in kinds}

    def stop(number: int, _frame: object) -> None:
        for kind in kinds:
            signal.signal(kind, signal.SIG_IGN)
        raise Stopped(number)

    for kind in kinds:
        signal.signal(kind, stop)
    try:
        yield
    finally:
        for kind, handler in before.items():
            if handler is not None:  # one that was not set from Python
                signal.signal(kind, handler)


def leave(status: int) -> NoReturn:
    """Ends this process now. An interpreter that has loaded PyTorch takes seconds to take itself
    down in order."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
