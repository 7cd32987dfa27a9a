"""The lock of the extra "extract" holds what pyproject.toml asks for, and adds to the main lock without contradicting it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAIN, EXTRA = ((ROOT / f"requirements{name}.lock").read_text(encoding="utf-8") for name in ("", "-extract"))
PINS = dict(re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", EXTRA, re.MULTILINE))


def test_every_package_of_the_extra_is_locked_at_its_version():
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["extract"]
    assert {name: PINS.get(name) for name in (r.split("==")[0] for r in extra)} == dict(r.split("==") for r in extra)


def test_no_package_is_locked_twice_and_none_is_for_a_gpu():
    assert not PINS.keys() & set(re.findall(r"^([a-z0-9-]+)==", MAIN, re.MULTILINE))
    assert not [name for name in PINS if re.search("nvidia|cuda|triton|torch", name)]


def test_every_entry_is_hashed_and_names_no_host():
    blocks = re.split(r"^(?=[a-z0-9-]+==)", EXTRA, flags=re.MULTILINE)[1:]
    assert blocks and all("--hash=sha256:" in block for block in blocks)
    assert "://" not in EXTRA
