"""The folder of results, runs, corpora and builds, and that of the package's own data, whatever
folder the code is called from."""

from __future__ import annotations

import os
from pathlib import Path

ABOVE = Path(__file__).resolve().parents[1]  # the checkout, or site-packages


def home() -> Path:
    """$AVMC_HOME; without it ``_build/avmc`` of the checkout that this code stands in, and for an
    installed package ``avmc`` among the user's data ($XDG_DATA_HOME, or ``~/.local/share``).

    The checkout's is relative to the current folder where that contains it, so that nothing made
    there names the machine's folders.
    """
    if own := os.environ.get("AVMC_HOME"):
        return Path(own)
    if not is_checkout(ABOVE):
        data = os.environ.get("XDG_DATA_HOME", "")
        return (Path(data) if Path(data).is_absolute() else Path.home() / ".local/share") / "avmc"
    place = ABOVE / "_build" / "avmc"
    return place.relative_to(Path.cwd()) if place.is_relative_to(Path.cwd()) else place


def resource(name: str) -> Path:
    """A data file of the package."""
    return Path(__file__).with_name("resources") / name


def resource_text(name: str) -> str:
    """The text of a data file of the package."""
    return resource(name).read_text(encoding="utf-8")


def is_checkout(folder: Path) -> bool:
    """Whether a folder is the top of this project's source, with its notebooks and its book."""
    return (folder / "_toc.yml").is_file() and (folder / "notebooks").is_dir()
