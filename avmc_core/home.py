"""Where results, runs, corpora and builds live."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """$AVMC_HOME, or ``_build/avmc`` under the current folder."""
    return Path(os.environ.get("AVMC_HOME") or Path("_build") / "avmc")
