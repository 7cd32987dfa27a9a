"""Prints what CHANGELOG.md says of one version: python tools/release_notes.py 0.1.0. A version
without a section is an error."""

from __future__ import annotations

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).resolve().parents[1] / "CHANGELOG.md"


def notes(version: str, changelog: str) -> str:
    """The lines under the heading of ``version``. Raises KeyError when there is none."""
    for section in re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        if heading.split()[0] == version:
            return body.strip()
    raise KeyError(version)


if __name__ == "__main__":
    try:
        print(notes(sys.argv[1], CHANGELOG.read_text(encoding="utf-8")))
    except KeyError:
        sys.exit(f"{CHANGELOG.name} has no section for {sys.argv[1]}")
