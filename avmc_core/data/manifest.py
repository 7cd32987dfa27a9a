"""The manifest of a feature store: what it says, its digest, and whether it agrees with the files
beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from avmc_core import schema, settings
from avmc_core.errors import InputError

SCHEMA_VERSION = 2
MANIFEST, CLIPS = "manifest.json", "clips.csv"
_MAX_MANIFEST = 2**20
# What a manifest says under ``labels`` where it says nothing: those of CH-SIMS v2.0.
RELEASED_LABELS = {"limit": min(schema.LIMITS), "tasks": list(schema.TASKS)}


def files_of(split: str, extras: Sequence[str] = ()) -> dict[str, str]:
    """File names of a split: of each modality, of ``labels``, and of the extra features that a
    store has."""
    return {part: f"{split}.{part}.safetensors" for part in (*schema.MODALITIES, "labels", *extras)}


def extras_of(manifest: dict[str, Any]) -> tuple[str, ...]:
    """Which of ``schema.EXTRAS`` the store has."""
    return tuple(name for name in schema.EXTRAS if name in manifest["dims"])


def content_digest(manifest: dict[str, Any]) -> str:
    """The digest of a store: its files, their sizes as arrays, and whether simulated, extracted or
    released, and how."""
    content = {
        name: manifest.get(name)
        for name in ("schema_version", "kind", "generator", "dims", "steps")
    }
    if "labels" in manifest:  # left out where they are those of the release
        content["labels"] = manifest["labels"]
    if not manifest.get("tokens", True):
        content["tokens"] = False
    hashes = {name: entry["sha256"] for name, entry in manifest["files"].items()}
    return settings.digest(
        {**content, "extraction": manifest["source"].get("extraction"), "files": hashes}
    )


def check_bytes(path: Path, expected: str) -> None:
    """Raises InputError if the SHA-256 of a file differs from the ``expected`` one (hex) of its
    manifest."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 != expected:
        raise InputError(path, f"SHA-256 {sha256}", f"{expected}, as in {MANIFEST}")


def read_manifest(path: Path) -> dict[str, Any]:
    """Reads a manifest of this schema version. Raises InputError for anything else."""
    try:
        if path.exists() and not (path.is_file() and path.stat().st_size <= _MAX_MANIFEST):
            raise ValueError(f"not a regular file of at most {_MAX_MANIFEST} bytes")
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version = manifest["schema_version"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            path, f"{type(error).__name__}: {error}", "the manifest of a feature store"
        ) from None
    if version != SCHEMA_VERSION:
        raise InputError(
            path, f"schema version {version}", f"{SCHEMA_VERSION}: make the store again"
        )
    return manifest


def check_files(path: Path, manifest: dict[str, Any]) -> None:
    """Raises InputError if a manifest contradicts itself, or does not fit the names and sizes of
    the files in the folder ``path``."""
    splits, files = manifest["splits"], manifest["files"]
    if tuple(splits) not in (schema.SPLITS, (*schema.SPLITS, schema.UNLABELLED)):
        raise InputError(
            path / MANIFEST,
            f"splits {', '.join(splits)}",
            ", ".join((*schema.SPLITS, schema.UNLABELLED)),
        )
    if manifest["kind"] not in ("real", "simulated") or ("generator" in manifest) != (
        manifest["kind"] == "simulated"
    ):
        raise InputError(
            path / MANIFEST,
            f"kind {manifest['kind']!r}",
            "real, or simulated with its generator's settings",
        )
    known = (*schema.MODALITIES, *schema.EXTRAS)
    if not set(manifest["dims"]) <= set(known):
        raise InputError(
            path / MANIFEST, f"features {', '.join(manifest['dims'])}", f"of {', '.join(known)}"
        )
    labels = manifest.get("labels", RELEASED_LABELS)
    annotated = [schema.TASKS[:1], schema.TASKS]
    if labels["limit"] not in schema.LIMITS or tuple(labels["tasks"]) not in annotated:
        expected = f"a limit of {schema.LIMITS} and tasks of {annotated}"
        raise InputError(path / MANIFEST, f"labels {labels}", expected)
    expected = {
        CLIPS,
        *(name for split in splits for name in files_of(split, extras_of(manifest)).values()),
    }
    if set(files) != expected:
        raise InputError(
            path / MANIFEST, f"files {', '.join(sorted(files))}", ", ".join(sorted(expected))
        )
    if manifest["digest"] != (digest := content_digest(manifest)):
        raise InputError(
            path / MANIFEST, f"digest {manifest['digest']}", f"{digest}, that of what it says"
        )
    for name, entry in files.items():
        size = (path / name).stat().st_size if (path / name).is_file() else None
        if size != entry["size"]:
            raise InputError(
                path / name,
                "no file" if size is None else f"{size} bytes",
                f"{entry['size']} bytes",
            )
