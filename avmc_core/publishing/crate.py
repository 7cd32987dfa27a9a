"""RO-Crate 1.1 metadata: what a folder of results holds, in JSON-LD that other programs can
read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avmc_core.files.atomic import new_file
from avmc_core.publishing.citation import citation

METADATA = "ro-crate-metadata.json"
CONTEXT, PROFILE = "https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/crate/1.1"
LICENCES = {"MIT": "https://spdx.org/licenses/MIT"}
FORMATS = {".csv": "text/csv", ".json": "application/json", ".md": "text/markdown"}


def write_crate(
    folder: Path,
    name: str,
    description: str,
    descriptions: Mapping[str, str],
    commands: Mapping[str, str],
) -> Path:
    """Describes every file under ``folder``; returns the metadata file.

    ``descriptions`` are those of files, by the path in the folder (of folders, by the path and
    "/"); ``commands`` the command line that makes a file. The same files give the same bytes.
    """
    cited = citation()
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != METADATA)
    names = [path.relative_to(folder).as_posix() for path in files]
    software = {
        "@id": "#companion",
        "@type": "SoftwareApplication",
        "name": cited["title"],
        "version": cited["version"],
    }
    paper = cited["references"][0]
    article = {
        "@id": f"https://doi.org/{paper['doi']}",
        "@type": "ScholarlyArticle",
        "name": paper["title"],
    }
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": name,
        "description": description,
        "datePublished": str(cited["date-released"]),
        "license": {"@id": LICENCES[cited["license"]]},
        "creator": {"@id": "#contributors"},
        "about": {"@id": article["@id"]},
        "hasPart": [{"@id": part} for part in names],
    }
    graph = [
        {
            "@id": METADATA,
            "@type": "CreativeWork",
            "conformsTo": {"@id": PROFILE},
            "about": {"@id": "./"},
        },
        root,
        software,
        article,
        {
            "@id": LICENCES[cited["license"]],
            "@type": "CreativeWork",
            "name": f"{cited['license']} licence",
        },
        {"@id": "#contributors", "@type": "Organization", "name": cited["authors"][0]["name"]},
        *(_file(path, part, descriptions) for path, part in zip(files, names, strict=True)),
        *_actions(names, commands),
    ]
    with new_file(folder / METADATA) as temporary:
        temporary.write_text(
            json.dumps({"@context": CONTEXT, "@graph": graph}, indent=1, ensure_ascii=False) + "\n",
            encoding="utf-8",
        )
    return folder / METADATA


def _file(path: Path, name: str, descriptions: Mapping[str, str]) -> dict[str, Any]:
    content = path.read_bytes()
    described = descriptions.get(name) or descriptions.get(name.rsplit("/", 1)[0] + "/", "")
    return {
        "@id": name,
        "@type": "File",
        "name": name,
        "encodingFormat": FORMATS[path.suffix],
        "contentSize": str(len(content)),
        "sha256": hashlib.sha256(content).hexdigest(),
        **({"description": described} if described else {}),
    }


def _actions(names: list[str], commands: Mapping[str, str]) -> list[dict[str, Any]]:
    """One action per command line, with the files that it makes."""
    results_of: dict[str, list[str]] = {}
    for name in names:
        if name in commands:
            results_of.setdefault(commands[name], []).append(name)
    return [
        {
            "@id": f"#command-{i}",
            "@type": "CreateAction",
            "name": command,
            "instrument": {"@id": "#companion"},
            "result": [{"@id": name} for name in results],
        }
        for i, (command, results) in enumerate(sorted(results_of.items()))
    ]
