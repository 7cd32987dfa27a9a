"""For the audit of the locks, a service that does not answer is a failure and not a proof of
safety."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "audit.sh"


@pytest.mark.parametrize(
    ("answer", "status", "said", "ends"),
    [
        ("No known vulnerabilities found", 0, "one.lock: No known vulnerabilities found", 0),
        ("Found 2 known vulnerabilities in 1 package", 1, "Found 2 known", 1),
        (
            "ERROR: Dependency not found and could not be audited: torch",
            1,
            "not audited: one.lock: ERROR",
            0,
        ),
        ("ConnectionError: Max retries exceeded", 1, "not audited: one.lock: ConnectionError", 0),
    ],
)
def test_only_an_answer_counts(tmp_path, answer, status, said, ends):
    stub = tmp_path / "pip-audit"
    stub.write_text(f'#!/bin/sh\ncase "$*" in *--strict*) echo "{answer}"; exit {status};; esac\n')
    stub.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", SCRIPT, "one.lock"], env={"PATH": path}, capture_output=True, text=True
    )
    assert said in done.stdout and done.returncode == ends


def test_it_says_where_it_cannot_run(tmp_path):
    """In a copy of the project without an environment."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "audit.sh").write_text(SCRIPT.read_text())
    done = subprocess.run(
        ["bash", tmp_path / "tools" / "audit.sh"],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("not run") and done.returncode == 0
