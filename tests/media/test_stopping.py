"""An extraction that is asked to stop does so within two seconds, leaves no process behind, keeps
what is finished, and later continues to the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from made_clips import make_clip
from media_tools import COMMAND, avmc, labelled, talking, write_meta

from avmc_core.data.store import open_store

CLIPS = 6
MOMENTS = ("before anything", "begun", "1 finished", "3 finished", "5 finished")
AT_ONCE = 2.0  # seconds


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder, rows = tmp_path_factory.mktemp("stop") / "clips", []
    for number in range(CLIPS):
        make_clip(folder / "v" / f"{number}.mp4", *talking(number, seconds=1.2))
        rows.append(labelled("v", str(number), number, ("train", "valid", "test")[number % 3]))
    write_meta(folder, rows)
    return folder


@pytest.fixture(scope="module")
def undisturbed(folder, bert, tmp_path_factory) -> str:
    store = tmp_path_factory.mktemp("undisturbed") / "store"
    assert avmc("extract", folder, store, "--bert", bert, "--no-report").returncode == 0
    return open_store(store).digest


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_at_five_moments(folder, bert, undisturbed, tmp_path, kind):
    """Ctrl-C reaches every process of a terminal; a system that shuts down signals only the first
    one."""
    store, work = tmp_path / "store", tmp_path / ".store.extracting"
    words = ["extract", folder, store, "--bert", bert, "--no-report", "--jobs", "2"]
    kept: set[Path] = set()
    for moment in MOMENTS:
        with open(tmp_path / "said", "w+b") as said:
            # start_new_session: as in a terminal, whose Ctrl-C reaches the processes that belong
            # together
            child = subprocess.Popen(
                [*COMMAND, *map(str, words)], stdout=said, stderr=said, start_new_session=True
            )
            _wait_for(moment, child, work)
            before = time.monotonic()
            os.killpg(child.pid, kind) if kind == signal.SIGINT else os.kill(child.pid, kind)
            status = child.wait(timeout=20)
            while _alive(child.pid) and time.monotonic() - before < 20:
                time.sleep(0.02)
            took = time.monotonic() - before
            said.seek(0)
            words_said = said.read().decode()
        assert took < AT_ONCE, f"{moment}: {took:.1f} s"
        assert not store.exists() and set(work.glob("*.safetensors")) >= kept, moment
        kept = set(work.glob("*.safetensors"))
        if moment != MOMENTS[0]:  # then nothing is begun, and nothing to be said
            assert status == 128 + kind and "Traceback" not in words_said, words_said
            assert str(work) in words_said and "The same command goes on" in words_said
    times = {path: path.stat().st_mtime_ns for path in kept}
    assert len(kept) >= 5
    done = avmc(*words)
    assert done.returncode == 0 and open_store(store).digest == undisturbed, done.stderr
    assert f"{CLIPS - len(times)} clip" in done.stdout and not work.exists()


def _wait_for(moment: str, child: subprocess.Popen, work: Path) -> None:
    number, _, finished = moment.partition(" ")
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline:
        assert child.poll() is None, f"ended before: {moment}"
        if moment == MOMENTS[0]:
            time.sleep(0.5)
            return
        if work.is_dir() and (
            finished != "finished" or len(list(work.glob("*.safetensors"))) >= int(number)
        ):
            return
        time.sleep(0.01)
    raise AssertionError(f"never: {moment}")


def _alive(session: int) -> list[int]:
    """The processes of a session that are still running."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            state, *fields = (place / "stat").read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        if int(fields[2]) == session and state != "Z":
            found.append(int(place.name))
    return found
