"""Frozen settings: from and to plain data, where an unknown key is an error."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from avmc_core.errors import InputError

S = TypeVar("S")


def replace(settings: S, changes: Mapping[str, Any]) -> S:
    """A copy of a frozen settings dataclass with some fields changed.

    ``a.b`` reaches into nested settings, lists become tuples. Raises InputError for an unknown field or a value whose
    type does not fit the field's present value.
    """
    for key, value in changes.items():
        head, _, rest = key.partition(".")
        names = [f.name for f in dataclasses.fields(settings)]
        where = type(settings).__name__
        if head not in names:
            raise InputError(where, f"unknown setting {head!r}", f"one of {', '.join(names)}")
        old = getattr(settings, head)
        if rest or (dataclasses.is_dataclass(old) and isinstance(value, Mapping)):
            value = replace(old, {rest: value} if rest else value)
        else:
            value = _fit(f"{where}.{head}", value, old)
        settings = dataclasses.replace(settings, **{head: value})
    return settings


def _fit(where: str, value: Any, old: Any) -> Any:
    if isinstance(value, list):
        value = tuple(value)
    if isinstance(old, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if old is not None and value is not None and type(value) is not type(old):
        raise InputError(where, f"{value!r} ({type(value).__name__})", f"a {type(old).__name__} like {old!r}")
    return value


def as_dict(settings: Any) -> dict[str, Any]:
    """Settings as JSON-ready plain data (tuples become lists)."""
    return json.loads(json.dumps(dataclasses.asdict(settings)))


def digest(data: Any) -> str:
    """SHA-256 (hex) of JSON-ready data in canonical form: equal data, equal digest."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file, read again only when its size or time of change is another. Raises OSError without one."""
    found = path.stat()
    return _file_digest(path.resolve(), found.st_size, found.st_mtime_ns)


@lru_cache
def _file_digest(path: Path, size: int, changed_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
