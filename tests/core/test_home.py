"""Runs and results have one place, whatever the current folder is."""

from __future__ import annotations

from pathlib import Path

import pytest

from avmc_core import home as module
from avmc_core.home import home

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    monkeypatch.delenv("AVMC_HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)


@pytest.mark.parametrize("folder", [ROOT, ROOT / "notebooks", ROOT.parent, Path("/")])
def test_a_checkout_keeps_its_runs_from_every_folder(folder, monkeypatch):
    """A notebook that Jupyter or papermill runs in ``notebooks/`` finds the runs of `make book`."""
    monkeypatch.chdir(folder)
    assert home().absolute() == ROOT / "_build" / "avmc"


def test_at_the_top_of_the_checkout_no_folder_of_the_machine_is_named(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert home() == Path("_build/avmc")


def test_an_installed_package_keeps_its_runs_among_the_users_data(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "ABOVE", tmp_path / "site-packages")
    monkeypatch.setenv("HOME", str(tmp_path))
    for folder in (tmp_path, ROOT):
        monkeypatch.chdir(folder)
        assert home() == tmp_path / ".local" / "share" / "avmc"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")  # not valid, says its specification
    assert home() == tmp_path / ".local" / "share" / "avmc"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert home() == tmp_path / "data" / "avmc"
    monkeypatch.setenv("AVMC_HOME", "own")
    assert home() == Path("own")
