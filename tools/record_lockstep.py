"""Replay the reference's whole trainings (tests/golden/training) and record, for the book, how far
ours end from theirs, and how far one wrong setting moves both. Run it in the root of the
repository: ``python tools/record_lockstep.py`` (minutes)."""

from __future__ import annotations

import json
import math
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

import golden_files as gf  # noqa: E402
from golden_settings import for_training  # noqa: E402
from golden_training import recorded, replay, with_wrong  # noqa: E402

from avmc_core import __version__  # noqa: E402
from avmc_core.files.atomic import new_file  # noqa: E402
from avmc_core.runs.surroundings import commit  # noqa: E402
from avmc_core.settings import file_digest  # noqa: E402
from avmc_core.speed.bench import processor  # noqa: E402

RESOURCE = ROOT / "avmc_core" / "resources" / "lockstep.json"
FOLDER = gf.GOLDEN / "training"


def row(path: Path) -> dict[str, Any]:
    """One training: what it is, how far our replay ends from it, how far rounding and wrong
    settings move it."""
    golden = gf.read(path.stem, FOLDER)
    allowed, stability, wrong = (
        json.loads(golden.facts[name]) for name in ("tolerance", "stability", "wrong_settings")
    )
    theirs, ours = recorded(golden), replay(golden)
    moved = {setting: replay(with_wrong(golden, setting)).differences(theirs) for setting in wrong}
    alike = [
        math.isclose(
            moved[setting]["predictions"],
            both["predictions"],
            rel_tol=0.1,
            abs_tol=allowed["predictions"],
        )
        for setting, both in wrong.items()
    ]
    used = [both["predictions"] for both in wrong.values() if both["predictions"] > 0]
    return {
        "model": for_training(golden.config)[0],
        "reference": golden.facts["reference"],
        "commit": golden.facts["commit"],
        "sha256": file_digest(path),
        "dtype": golden.config["dtype"],
        "epochs": golden.config["epochs"],
        "batches": len(theirs.tensors["batch_loss"]),
        "differences": ours.differences(theirs),
        "allowed": allowed,
        "best_epoch": {"ours": ours.best_epoch, "theirs": theirs.best_epoch},
        "amplified": stability["valid_pred"] / stability["perturbation"],
        "wrong": {"settings": len(wrong), "alike": sum(alike), "least": min(used)},
    }


def main() -> None:
    rows = [row(path) for path in sorted(FOLDER.glob("*.safetensors"))]
    provenance = {
        "data": "made-up clips, no result about CH-SIMS",
        "code": __version__,
        "command": "python tools/record_lockstep.py",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{processor()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "torch": version("torch"),
        "commit": commit(),
    }
    with new_file(RESOURCE) as temporary:
        text = json.dumps(
            {"provenance": provenance, "data": {"trainings": rows}}, indent=1, allow_nan=False
        )
        temporary.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
