"""What the book states about a GPU names the record that it rests on."""

from __future__ import annotations

import json
from pathlib import Path

from avmc_core.models.registry import MODELS

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_names_the_commit_and_the_record_only_models_that_there_are():
    record = json.loads((ROOT / "avmc_core/resources/gpu.json").read_text(encoding="utf-8"))
    text = (ROOT / "book/run.md").read_text(encoding="utf-8")
    assert f"commit {record['commit']} of {record['committed']}" in " ".join(text.split())
    assert record["kernels a step"].keys() <= record["seconds a step"].keys() <= MODELS.keys()
