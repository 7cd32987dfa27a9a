"""Files that are handed on can be read by whom the umask lets read them, whatever wrote them."""

from __future__ import annotations

import os
import stat

import numpy as np
import pytest
from safetensors.numpy import save_file

from avmc_core.files.atomic import new_file
from avmc_core.runs.exporting import collect, write_package
from avmc_core.runs.grid import run_all
from avmc_core.runs.store import FILES, Run, RunStore


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o022, 0o077, 0o002])
def usual(request):
    """The mode of a new file under some umask."""
    before = os.umask(request.param)
    yield 0o666 & ~request.param
    os.umask(before)


def test_a_new_file_has_the_usual_mode(usual, tmp_path):
    """Also if what writes it gives it another: safetensors lets its owner alone read it."""
    with new_file(tmp_path / "tensors") as temporary:
        save_file({"x": np.zeros(3)}, temporary)
    with new_file(tmp_path / "text") as temporary:
        temporary.write_text("some", encoding="utf-8")
    assert {mode(path) for path in tmp_path.iterdir()} == {usual}
    assert {path.name for path in tmp_path.iterdir()} == {"tensors", "text"}, "and nothing else"


def test_runs_and_packages_can_be_read_by_others(tiny_store, tmp_path):
    runs = RunStore(tmp_path / "runs")
    before = os.umask(0o022)
    try:
        run = Run("LF_DNN", 1, (("training.max_epochs", 1),))
        (record,) = run_all([run], tiny_store, runs, jobs=1, progress_bar=False).values()
        package = write_package(collect(record.key, runs, tiny_store), tmp_path / "package")
    finally:
        os.umask(before)
    files = {path.name: mode(path) for path in record.folder.iterdir()}
    assert files == dict.fromkeys(FILES, 0o644) and mode(package) == 0o644
