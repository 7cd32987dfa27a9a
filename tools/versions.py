"""Environments with other versions than the lock's, for tools/portability.py: other Pythons, and
the oldest and the newest libraries that pyproject.toml admits."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = {"python-3.12": "python3.12", "python-3.13": "python3.13"}
MEMBERS = (*PYTHONS, "oldest-libraries", "newest-libraries")
PIP = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet"]


def lower_bounds() -> list[str]:
    """The requirements of the library and its tests, each at its lower bound instead of from it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    return [line.replace(">=", "==") for line in wanted]


def available(member: str) -> bool:
    """Whether this machine has the Python of a member (a name on the path may only say that it is
    missing)."""
    python = shutil.which(PYTHONS.get(member, sys.executable))
    return (
        python is not None
        and subprocess.run([python, "-c", ""], capture_output=True).returncode == 0
    )


def python_of(member: str, folder: Path) -> Path:
    """The interpreter of a member's environment, made in ``folder`` when it is asked for first.

    Raises CalledProcessError where pip cannot install it.
    """
    place = folder / "environments" / member
    python, ready = place / "bin" / "python", place / "ready"
    if not ready.exists():
        subprocess.run(
            [shutil.which(PYTHONS.get(member, "")) or sys.executable, "-m", "venv", place],
            check=True,
        )
        for words in _requirements(member, place):
            subprocess.run([python, *PIP, *words], check=True)
        ready.touch()
    return python


def _requirements(member: str, place: Path) -> list[list[str]]:
    """What pip installs, one call each: torch first, so that the rest cannot choose another one."""
    (torch,) = (line for line in lower_bounds() if line.startswith("torch=="))
    if member in PYTHONS:
        locked = ["--no-deps", "--require-hashes", "-r", str(ROOT / "requirements.lock")]
        return [[torch], locked, ["--no-deps", "--no-build-isolation", "--editable", str(ROOT)]]
    bounds = place / "constraints.txt"
    bounds.write_text("\n".join(lower_bounds() if member == "oldest-libraries" else [torch]) + "\n")
    limited = ["--constraint", str(bounds)]
    return [[torch, *limited], [*limited, "--editable", f"{ROOT}[book,test]"]]
