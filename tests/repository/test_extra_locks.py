"""The locks of the extras contain what pyproject.toml asks for, and add to the main lock without
contradicting it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAIN = (ROOT / "requirements.lock").read_text(encoding="utf-8")
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]
pytestmark = pytest.mark.parametrize("extra", ["extract", "check", "gpu", "lint", "slurm"])


def lock(extra: str) -> str:
    return (ROOT / f"requirements-{extra}.lock").read_text(encoding="utf-8")


def pins(extra: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", lock(extra), re.MULTILINE))


def test_every_package_of_the_extra_is_locked_at_its_version(extra):
    asked = dict(requirement.split("==") for requirement in EXTRAS[extra])
    assert {name: pins(extra).get(name) for name in asked} == asked


def test_no_package_is_locked_twice_and_none_is_for_a_gpu(extra):
    assert not pins(extra).keys() & set(re.findall(r"^([a-z0-9-]+)==", MAIN, re.MULTILINE))
    brought = [name for name in pins(extra) if re.search("nvidia|cuda|triton|torch", name)]
    assert brought == (["triton"] if extra == "gpu" else [])  # its interpreter runs on a CPU


def test_every_entry_is_hashed_and_names_no_host(extra):
    blocks = re.split(r"^(?=[a-z0-9-]+==)", lock(extra), flags=re.MULTILINE)[1:]
    assert blocks and all("--hash=sha256:" in block for block in blocks)
    assert "://" not in lock(extra)
