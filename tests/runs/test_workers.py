"""Calls in processes: all results arrive, and nothing continues after a failure, an interrupt, or
the end of the calling process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import appeared, gone, held

from avmc_core.runs.workers import side_by_side

ASKING = """
import signal
import sys
from processes import held
from avmc_core.runs.workers import side_by_side
if __name__ == "__main__":
    # a shell starts what runs in its background with Ctrl-C ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    list(side_by_side(held, [(sys.argv[1], k) for k in range(2)], 2))
"""


def held_or_failed(folder: str, k: int) -> None:
    if k == 0:
        held(folder, k)
    appeared(Path(folder, "0.running"))
    if k == 1:
        raise ValueError("one of them")
    os._exit(7)


def unread(*_) -> None:
    time.sleep(1.0)
    os._exit(7)


def test_each_result_comes_once():
    assert sorted(side_by_side(divmod, [(k, 3) for k in range(7)], 2)) == [
        divmod(k, 3) for k in range(7)
    ]
    assert list(side_by_side(divmod, [], 2)) == []


def test_a_process_that_ends_before_its_call_is_said_to_have_died(monkeypatch):
    """Its end of the pipe is closed while data in it are unread."""
    monkeypatch.setattr("avmc_core.runs.workers._serve", unread)
    with pytest.raises(ChildProcessError, match="its process died"):
        list(side_by_side(divmod, [("x" * 10**6, k) for k in range(3)], 1))


def test_calls_see_the_folder_and_the_environment_of_now(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVMC_HOME", "here")
    assert list(side_by_side(os.path.realpath, [(".",)], 1)) == [str(tmp_path.resolve())]
    assert list(side_by_side(os.getenv, [("AVMC_HOME",)], 1)) == ["here"]


@pytest.mark.parametrize(
    "second, error, message",
    [(1, ValueError, "one of them"), (2, ChildProcessError, r"died \(exit status 7\)")],
)
def test_a_failure_ends_the_others_which_close_what_they_have_open(
    tmp_path, second, error, message
):
    start = time.monotonic()
    with pytest.raises(error, match=message):
        list(side_by_side(held_or_failed, [(str(tmp_path), 0), (str(tmp_path), second)], 2))
    assert time.monotonic() - start < 30
    assert (tmp_path / "0.closed").exists() and gone(int((tmp_path / "0.running").read_text()), 0.1)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_none_outlives_who_asked(tmp_path, how):
    command = [sys.executable, "-c", ASKING, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as asking:
        pids = [int(appeared(tmp_path / f"{k}.running")) for k in range(2)]
        asking.send_signal(how)
        asking.wait(30)
    assert all(map(gone, pids))
    assert len([*tmp_path.glob("*.closed")]) == (2 if how == signal.SIGINT else 0)
