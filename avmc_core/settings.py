"""Frozen settings: from and to plain data, where an unknown key and a value outside the valid range
are errors."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from avmc_core.errors import InputError

S = TypeVar("S")


def replace(settings: S, changes: Mapping[str, Any]) -> S:
    """A copy of a frozen settings dataclass with some fields changed.

    ``a.b`` reaches into nested settings, lists become tuples. Raises InputError for an unknown
    field or a value whose type does not fit the field's present value.
    """
    for key, value in changes.items():
        head, _, rest = key.partition(".")
        names = [f.name for f in dataclasses.fields(settings)]
        where = type(settings).__name__
        if head not in names:
            raise InputError(where, f"unknown setting {head!r}", f"one of {', '.join(names)}")
        old = getattr(settings, head)
        if rest and not dataclasses.is_dataclass(old):
            raise InputError(
                f"{where}.{head}",
                f"a setting {rest!r} of it",
                f"a {type(old).__name__} like {old!r}",
            )
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
    if old is not None and type(value) is not type(old):
        raise InputError(
            where, f"{value!r} ({type(value).__name__})", f"a {type(old).__name__} like {old!r}"
        )
    return value


def check_settings(settings: Any, **choices: Sequence[str]) -> None:
    """For ``__post_init__``: raises InputError for a value outside the valid range.

    Whole numbers are at least 1, or 0 where that is the default. Others are finite and not
    negative; a learning rate and what shapes a distribution are above 0, a dropout is below 1. NaN
    is allowed where it is the default. ``choices``: what a field of words may hold. Nested settings
    check themselves.
    """
    for field in dataclasses.fields(settings):
        value, default, name = getattr(settings, field.name), field.default, field.name
        if name in choices:
            good, expected = value in choices[name], f"one of {', '.join(choices[name])}"
        elif type(value) is int:
            least = 0 if default == 0 else 1
            good, expected = value >= least, f"{least} or more"
        elif type(value) is float and not (
            math.isnan(value) and default is not dataclasses.MISSING and math.isnan(default)
        ):
            good, expected = math.isfinite(value) and value >= 0, "a number that is not negative"
            if "dropout" in name:
                good, expected = 0 <= value < 1, "a number from 0 to below 1"
            elif name.split("_")[0] == "lr" or name in ("alpha", "beta"):
                good, expected = good and value > 0, "a number above 0"
        else:
            continue
        if not good:
            raise InputError(f"{type(settings).__name__}.{name}", repr(value), expected)


def as_dict(settings: Any) -> dict[str, Any]:
    """Settings as JSON-ready plain data (tuples become lists)."""
    return json.loads(json.dumps(dataclasses.asdict(settings)))


def digest(data: Any) -> str:
    """SHA-256 (hex) of JSON-ready data in canonical form: equal data, equal digest."""
    return hashlib.sha256(
        json.dumps(data, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file, read again only when its size or modification time changes. Raises
    OSError if there is none."""
    status = path.stat()
    return _file_digest(path.resolve(), status.st_size, status.st_mtime_ns)


@lru_cache
def _file_digest(path: Path, size: int, changed_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
