"""Checks the bundle of results with the RO-Crate library: python tools/check_bundle.py
_build/html/results."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from rocrate.rocrate import ROCrate

from avmc_core.publishing.crate import METADATA

# of the root data set, by RO-Crate 1.1
REQUIRED = ("name", "description", "datePublished", "license")
LARGEST = 10_000_000  # bytes


def problems(folder: Path) -> list[str]:
    """One sentence for each thing that is wrong."""
    crate = ROCrate(folder)
    faults = [f"no {name}" for name in REQUIRED if not crate.root_dataset.get(name)]
    described = {entity.id: entity for entity in crate.data_entities}
    present = {
        path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()
    }
    present.pop(METADATA)
    faults += [
        f"{name} is described and not there" for name in sorted(described.keys() - present.keys())
    ]
    faults += [f"{name} is not described" for name in sorted(present.keys() - described.keys())]
    for name in sorted(present.keys() & described.keys()):
        content = present[name].read_bytes()
        if described[name].get("sha256") != hashlib.sha256(content).hexdigest():
            faults.append(f"{name} is not the file that was described")
    if (size := sum(path.stat().st_size for path in present.values())) > LARGEST:
        faults.append(f"{size} bytes, more than {LARGEST}")
    print(
        f"{folder}: {len(present)} files, {size / 1e6:.2f} MB, "
        f"{len(crate.contextual_entities)} entities beside them"
    )
    return faults


if __name__ == "__main__":
    wrong = problems(Path(sys.argv[1]))
    print("\n".join(wrong) or "nothing wrong")
    sys.exit(bool(wrong))
