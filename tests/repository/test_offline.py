"""Without a network: the main job, from the corpus to an executed notebook, runs where every socket
is refused except local ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("papermill", reason="notebooks need the extra 'book'")

# Python imports this module at the start of every process that inherits the path: the job's workers
# and kernels too.
BLOCK = """
import os, sys

def audit(event, args):
    if event == "socket.getaddrinfo":
        host = args[0]
    elif event in ("socket.connect", "socket.bind", "socket.sendto"):
        host = args[1][0] if isinstance(args[1], tuple) else "local"
    else:
        return
    if host not in ("127.0.0.1", "::1", "localhost", "local", "", None, b"localhost"):
        with open(os.environ["ATTEMPTS"], "a") as file:
            file.write(f"{event} {host}\\n")
        raise OSError(f"blocked: {event} {host}")

sys.addaudithook(audit)
"""
JOB = """
import sys
from pathlib import Path

def main():
    from avmc_core.simulated.corpus import CorpusSettings, build_corpus
    from avmc_core.runs.grid import run_all, run_store
    from avmc_core.publishing.notebooks import build_notebooks
    from avmc_core.analysis.results import per_run
    from avmc_core.runs.store import Run

    place = Path(sys.argv[1])
    store = build_corpus(place / "store", CorpusSettings("tiny"), progress=False)
    grid = [Run(model, 1, (("training.max_epochs", 1),)) for model in ("AV-MC(Semi)", "LF_DNN")]
    run_all(grid, store, jobs=2, device="cpu", progress_bar=False)
    assert len(per_run(grid, store, run_store(), device="cpu")) == 2
    (done,) = build_notebooks(place / "notebooks", place / "out", store=str(store.path))
    print("done", done.results)

if __name__ == "__main__":
    main()
"""
NOTEBOOK = """# %% tags=["parameters"]
store = ""

# %%
from avmc_core import artefacts
from avmc_core.data.store import open_store

data = open_store(store)
mark = {"data": artefacts.data_mark(data)}
_ = artefacts.save("clips", {"clips": len(data.split("train"))}, mark)
"""


@pytest.fixture
def blocked(tmp_path):
    (tmp_path / "block").mkdir()
    (tmp_path / "block" / "sitecustomize.py").write_text(BLOCK)
    here = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join([str(tmp_path / "block"), here])
    return {
        **os.environ,
        "PYTHONPATH": path,
        "ATTEMPTS": str(tmp_path / "attempts"),
        "AVMC_HOME": str(tmp_path / "home"),
    }


def test_the_block_holds(blocked, tmp_path):
    """Child processes inherit the block, and it refuses even the resolution of an address."""
    inner = "import socket; socket.create_connection(('192.0.2.1', 9), 2)"
    outer = (
        f"import socket, subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}]); "
        "socket.getaddrinfo('a.org', 1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", outer], env=blocked, capture_output=True, text=True
    )
    assert done.returncode and "OSError: blocked: " in done.stderr
    assert len((tmp_path / "attempts").read_text().splitlines()) == 2


def test_the_main_job_asks_nobody(blocked, tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "page.py").write_text(NOTEBOOK)
    (tmp_path / "job.py").write_text(JOB)
    done = subprocess.run(
        [sys.executable, tmp_path / "job.py", tmp_path], env=blocked, capture_output=True, text=True
    )
    assert "done ('clips',)" in done.stdout, done.stderr
    assert not (tmp_path / "attempts").exists()
