"""Sockets have a place also where $TMPDIR has too long a path: their own has at most 107 bytes."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys

import pytest

from avmc_core.errors import InputError
from avmc_core.files import sockets

LISTEN = """
import multiprocessing
from avmc_core.files import sockets

if __name__ == "__main__":
    sockets.settle_multiprocessing()
    process = multiprocessing.get_context("forkserver").Process(target=print, args=("listened",))
    process.start()
    process.join()
"""


def test_the_usual_folder_is_taken_where_it_is_short_enough(monkeypatch):
    monkeypatch.setattr(sockets.tempfile, "gettempdir", lambda: "/short")
    monkeypatch.setattr(
        sockets.os, "access", lambda path, mode: path in ("/short", "/tmp") or len(path) > 80
    )
    assert sockets.folder_for("x" * 27) is None
    monkeypatch.setattr(sockets.tempfile, "gettempdir", lambda: "/" + "x" * 100)
    assert sockets.folder_for("x" * 27) == "/tmp"
    monkeypatch.setattr(sockets.os, "access", lambda path, mode: False)
    with pytest.raises(InputError, match=r"\$TMPDIR: found .*, too long for a socket"):
        sockets.folder_for("x" * 27)


@pytest.mark.skipif(
    "forkserver" not in multiprocessing.get_all_start_methods(), reason="no fork on this system"
)
def test_a_server_of_processes_listens_under_a_long_temporary_folder(tmp_path):
    """Without it Python ends in "AF_UNIX path too long", as the first page with runs did."""
    long = tmp_path / ("x" * 150)
    long.mkdir()
    script = tmp_path / "listen.py"
    script.write_text(LISTEN)
    done = subprocess.run(
        [sys.executable, script],
        env=os.environ | {"TMPDIR": str(long)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.stdout, done.returncode) == ("listened\n", 0), done.stderr
    assert not any(long.iterdir())
