"""What the book says of a GPU is what is recorded."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_table_of_steps_is_the_record():
    record = json.loads((ROOT / "avmc_core/resources/gpu.json").read_text(encoding="utf-8"))
    text = (ROOT / "book/run.md").read_text(encoding="utf-8")
    part = text[text.index("## On a GPU") :]
    rows = re.findall(r"^\| ([\w()-]+) \| ([\d.]+) \| (\d*) ?\|$", part, re.MULTILINE)
    assert len(rows) == 5
    for model, seconds, launches in rows:
        assert float(seconds) == record["seconds a step"][model]
        assert int(launches or 0) == record["kernels a step"].get(model, 0)
    assert f"commit {record['commit']}" in part and record["committed"] in part
