"""The counts of a torture are collected, printed, and recorded in the package for the book's
page."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import avmc_core
from avmc_core.files.atomic import new_file
from avmc_core.home import resource, resource_text
from avmc_core.runs.surroundings import commit
from avmc_core.settings import digest
from avmc_core.speed.bench import processor

RESOURCE = "torture.json"


def code() -> dict[str, str]:
    """The version of the code that is tortured."""
    package = Path(avmc_core.__file__).parent
    sources = {
        str(p.relative_to(package)): p.read_text(encoding="utf-8")
        for p in sorted(package.rglob("*.py"))
    }
    return {"version": avmc_core.__version__, "digest": digest(sources)[:8]}


def collect(out: Path, parts: Sequence[str], settings: dict) -> dict:
    """Everything that was counted under ``out``; a part that was not run, or with other settings,
    is missing."""
    known = {}
    for part in parts:
        path = out / f"{part.replace(' ', '_')}.json"
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if found.get("settings") == settings and "rows" in found:
            known[part] = found
    families = [row for part in known if part.startswith("hostile") for row in known[part]["rows"]]
    kills = [known[part]["rows"] for part in known if isinstance(known[part]["rows"], dict)]
    faults = known["faults"]["rows"] if "faults" in known else []
    bad = [one for row in families for one in row.get("bad", [])]
    bad += [
        row
        for row in kills
        if any(row[key] for key in ("accepted", "lost", "different", "failed", "orphans"))
    ]
    bad += [row for row in faults if not row["held"] and not row["skipped"]]
    totals = {
        "files": sum(row["cases"] for row in families),
        **{
            end: sum(row.get(end, 0) for row in families)
            for end in ("refused", "repaired", "harmless")
        },
        "largest": max((row.get("largest", 0) for row in families), default=0),
        "slowest": max((row.get("slowest", 0.0) for row in families), default=0.0),
        "kills": sum(row["kills"] for row in kills),
        "chains": sum(row["chains"] for row in kills),
        "accepted": sum(one["end"] == "accepted" for one in bad if "end" in one)
        + sum(row["accepted"] for row in kills),
        "lost": sum(row["lost"] for row in kills),
        "different": sum(row["different"] for row in kills),
        "orphans": sum(row["orphans"] for row in kills),
        "faults": len(faults),
        "held": sum(row["held"] for row in faults),
        "bad": len(bad),
        "minutes": sum(found["seconds"] for found in known.values()) / 60,
        "missing": ", ".join(part for part in parts if part not in known or not known[part]["done"])
        or "none",
    }
    provenance = {
        "data": "made-up files, no result about CH-SIMS",
        "code": f"{settings['version']} ({settings['digest']})",
        "command": "make torture",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{processor()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy", "pandas", "safetensors")},
        "seed": settings["seed"],
        "random files a family": settings["files"],
        "kills of each job": settings["kills"],
        "commit": commit(),
    }
    return {
        "provenance": provenance,
        "data": {
            "totals": totals,
            "families": families,
            "kills": kills,
            "faults": faults,
            "bad": bad,
        },
    }


def shown(data: dict) -> dict[str, list[dict]]:
    """The counts under the headings of the tables of the book's page; what could not be tried here
    gives its reason."""
    families = [
        {
            "hostile files": row["family"],
            "tried": row["cases"],
            "refused": row.get("refused"),
            "repaired and counted": row.get("repaired"),
            "read, and right": row.get("harmless"),
            "ended badly": row["skipped"] or len(row["bad"]),
            "slowest, s": row.get("slowest"),
            "largest, MB": row.get("largest"),
        }
        for row in data["families"]
    ]
    kills = [
        {
            "killed": row["job"],
            "kills": row["skipped"] or row["kills"],
            "damaged and accepted": row["accepted"],
            "finished and lost": row["lost"],
            "chains": row["chains"],
            "chains with other bytes": row["different"],
            "runs that then failed": row["failed"],
            "processes left": row["orphans"],
        }
        for row in data["kills"]
    ]
    faults = [
        {"fault": row["fault"], "what happened": row["skipped"] or row["what"]}
        for row in data["faults"]
    ]
    return {"families": families, "kills": kills, "faults": faults}


def render(result: dict) -> str:
    """The counts as a table for the terminal."""
    data, lines = result["data"], []
    for row in data["families"]:
        ends = (
            row["skipped"]
            or f"{row['refused']:5} refused {row['repaired']:4} repaired {row['harmless']:4} "
            f"harmless {len(row['bad']):3} bad"
        )
        lines.append(f"{row['family']:34} {row['cases']:5} files {ends}")
    for row in data["kills"]:
        bad = ", ".join(
            f"{row[key]} {key}" for key in ("accepted", "lost", "different", "failed", "orphans")
        )
        lines.append(
            f"{row['job']:34} {row['kills']:5} kills {row['skipped'] or bad} {row['notes']}"
        )
    for row in data["faults"]:
        lines.append(
            f"{row['fault']:60} {row['skipped'] or ('held' if row['held'] else 'BAD')}: "
            f"{row['what']}"
        )
    lines += [f"bad: {one}" for one in data["bad"]]
    return "\n".join(
        [
            *lines,
            ", ".join(
                f"{name} {value if not isinstance(value, float) else round(value, 2)}"
                for name, value in data["totals"].items()
            ),
        ]
    )


def record(result: dict) -> Path:
    """Writes the counts into the package's resources, also in words, for the book's page."""
    result = result | {"data": result["data"] | {"shown": shown(result["data"])}}
    path = resource(RESOURCE)
    with new_file(path) as temporary:
        temporary.write_text(
            json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    return path


def recorded() -> dict:
    """The counts that the package carries."""
    return json.loads(resource_text(RESOURCE))
