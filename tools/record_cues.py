"""Records what each annotation explains of M: python tools/record_cues.py META.CSV, the public
label table of CH-SIMS v2.0.

The package carries the figures and no row, id or transcript (``avmc_core/resources/cues.json``).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from avmc_core.analysis.cues import by_part, parts_of
from avmc_core.data.released import read_meta

TARGET = Path(__file__).resolve().parents[1] / "avmc_core" / "resources" / "cues.json"
BASIS = (
    "Labels of the public label table meta.csv of CH-SIMS v2.0. New clips: the {new:,} that "
    "CH-SIMS v2.0 added outside the videos "
    "test1 to test15, whose unimodal labels are copies of M. Original clips: the "
    "{original:,} of CH-SIMS, with their "
    "original labels."
)

if __name__ == "__main__":
    parts = parts_of(read_meta(sys.argv[1]))
    data = by_part(parts)
    basis = BASIS.format(**{name: len(table) for name, table in parts.items()})
    provenance = {
        "data": "real label table",
        "basis": basis,
        "command": "python tools/record_cues.py meta.csv",
    }
    TARGET.write_text(
        json.dumps({"provenance": provenance, "data": data}, indent=1) + "\n", encoding="utf-8"
    )
