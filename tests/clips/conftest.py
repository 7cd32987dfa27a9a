"""Counts how often a folder is read."""

from __future__ import annotations

import os

import pytest


@pytest.fixture
def listings(monkeypatch) -> list[str]:
    """The folders that were listed since, one for each time."""
    seen: list[str] = []

    def counted(listing):
        return lambda folder=".": seen.append(os.fspath(folder)) or listing(folder)

    for name in ("listdir", "scandir"):
        monkeypatch.setattr(os, name, counted(getattr(os, name)))
    return seen
