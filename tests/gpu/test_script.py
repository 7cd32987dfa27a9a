"""``make test-gpu`` on a machine without a GPU says so, and does not fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "test_gpu.py"


def test_without_a_gpu_it_is_skipped_with_a_reason():
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, SCRIPT], env=hidden, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("skipped: PyTorch "), done.stderr
