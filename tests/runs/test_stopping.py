"""A signal to stop takes effect wherever it arrives, also in code in which Python ignores
exceptions."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import weakref

import pytest

from avmc_core.runs.stopping import KINDS, Stopped, ended_at_once, heard, stoppable


class Ended:
    """Sends its own process the signal to stop while it is being destroyed."""

    def __init__(self, kind: signal.Signals):
        self.kind = kind

    def __del__(self):
        os.kill(os.getpid(), self.kind)
        time.sleep(0.001)  # here Python hears of it


def _handlers() -> list:
    return [*map(signal.getsignal, KINDS), sys.unraisablehook]


@pytest.mark.parametrize("kind", KINDS)
def test_a_signal_is_heard_in_a_destructor(kind):
    before = _handlers()
    with pytest.raises(Stopped) as caught, stoppable():
        Ended(kind)
        time.sleep(20)
    assert caught.value.status == 128 + kind and _handlers() == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_signal_is_heard_in_a_callback_of_a_weak_reference(kind):
    with pytest.raises(Stopped) as caught, stoppable():
        reference = weakref.ref(
            target := threading.Event(), lambda _: (os.kill(os.getpid(), kind), time.sleep(0.001))
        )
        del target
        time.sleep(20)
    assert caught.value.number == kind and reference() is None


def test_an_ordinary_interrupt_is_heard_in_a_destructor():
    """This is the case of commands that save after each run and end with a KeyboardInterrupt."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), heard():
            Ended(signal.SIGINT)
            time.sleep(20)
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_ignored_exceptions_are_reported_as_before(monkeypatch):
    reported: list = []
    monkeypatch.setattr(sys, "unraisablehook", lambda ignored: reported.append(ignored.exc_type))

    class Broken:
        def __del__(self):
            raise ValueError

    with stoppable():
        Broken()
    assert reported == [ValueError]


@pytest.mark.parametrize("kind", KINDS)
def test_before_the_work_begins_a_signal_ends_the_process(kind):
    """Even inside code that catches every exception, as some imports do."""
    program = f"""
from avmc_core.runs.stopping import ended_at_once
import os, time
with ended_at_once():
    try:
        os.kill(os.getpid(), {int(kind)})
        time.sleep(20)
    except BaseException:
        pass
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == -kind


@pytest.mark.parametrize("context", [ended_at_once, stoppable])
def test_a_signal_that_was_ignored_stays_ignored(context):
    """A job that a script starts in the background ignores interrupts."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with context():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_threads_may_enter():
    """Signals arrive in the main thread, and only that thread may set their handlers."""
    errors: list[BaseException] = []

    def enter() -> None:
        try:
            with stoppable(), ended_at_once():
                pass
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert errors == []
