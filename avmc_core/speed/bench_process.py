"""Measurements that need a process of their own, so that each has its own memory and its own
imports."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any


def printed_by(*words: object) -> Any:
    """What a Python process with these arguments prints, read as JSON. Raises RuntimeError with the
    end of what the process wrote to its standard error where it fails."""
    done = subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(
            f"a measurement in a process of its own failed with status {done.returncode}: "
            f"{done.stderr.strip()[-2000:]}"
        )
    return json.loads(done.stdout)
