"""Prints the entries of one lock file that another does not hold: python tools/added_packages.py
WHOLE ALREADY_LOCKED."""

from __future__ import annotations

import re
import sys
from pathlib import Path


def entries(path: str) -> list[str]:
    """Each package with its hashes, as it stands in the file."""
    return re.split(
        r"^(?=[a-z0-9-]+==)", Path(path).read_text(encoding="utf-8"), flags=re.MULTILINE
    )[1:]


def pinned(entry: str) -> str:
    return re.match(r"[^ ;\\]+", entry).group()


if __name__ == "__main__":
    locked = {pinned(entry) for entry in entries(sys.argv[2])}
    sys.stdout.writelines(entry for entry in entries(sys.argv[1]) if pinned(entry) not in locked)
