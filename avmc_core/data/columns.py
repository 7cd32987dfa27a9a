"""Readers of one column of a file in the manner of the public toolkits: an array of one type, or
one error that names the key and the first bad row."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np

from avmc_core import schema
from avmc_core.errors import InputError

_BAD_IN_ID = re.compile(r"[\x00-\x1f\x7f-\x9f/\\]|^\s|\s$|^\.*$|^\$_\$|\$_\$$|.{201}")
# T of a modality; the released arrays have 925. A longer row would be held in memory as a whole
_MAX_STEPS = 2**13
_MAX_ITEMS = 2**24  # of a column other than the features, which are read whole
_MAX_CHARACTERS = 2**26  # of a column of text, at its longest for every row, as NumPy holds it


def plain(where: str, value: Any, repairs: Counter[str]) -> Any:
    """An array of one type in place of a list, a tuple, an array of objects, bytes or (N, 1), where
    that loses nothing; any other value as it is, for its reader to name."""
    if isinstance(value, tuple) or (
        isinstance(value, np.ndarray) and value.dtype.kind == "O" and value.ndim == 1
    ):
        value = list(value)
    if isinstance(value, list) and value:
        value = _from_list(where, value)
    if isinstance(value, np.ndarray) and value.dtype.kind == "S":
        _check_size(where, value.nbytes)
        try:
            value = np.array([item.decode("utf-8") for item in value.ravel().tolist()]).reshape(
                value.shape
            )
        except UnicodeDecodeError as error:
            raise InputError(
                where, f"bytes that are not UTF-8 ({error.object[:40]!r})", "text"
            ) from None
        repairs["columns of bytes read as UTF-8"] += 1
    if isinstance(value, np.ndarray) and value.ndim == 2 and value.shape[1] == 1:
        repairs["columns of shape (rows, 1) read as (rows,)"] += 1
        value = value[:, 0]
    return value


def _from_list(where: str, items: list[Any]) -> Any:
    """An array of text or float64 of what is of one kind; the list itself otherwise. Raises
    InputError for a single absent value among others, which pandas leaves as None or NaN."""
    texts = [isinstance(item, str) for item in items]
    numbers = [
        isinstance(item, (int, float, np.number)) and not isinstance(item, bool) for item in items
    ]
    if any(texts) and sum(texts) >= sum(numbers) and not all(texts):
        row = texts.index(False)
        raise InputError(
            f"{where}, row {row}", f"{items[row]!r}"[:80], "text, as in the other rows"
        )
    if any(numbers) and not all(numbers):
        row = numbers.index(False)
        raise InputError(
            f"{where}, row {row}", f"{items[row]!r}"[:80], "a number, as in the other rows"
        )
    if all(texts):
        _check_size(where, len(items) * max(map(len, items)), _MAX_CHARACTERS)
        return np.array(items)
    if all(numbers):
        return np.array(items, dtype=np.float64)
    if all(isinstance(item, np.ndarray) and item.dtype.kind in "iuf" for item in items):
        if len({item.shape for item in items}) > 1:
            raise InputError(where, "arrays of different shapes, one per row", "one padded array")
        _check_size(where, len(items) * items[0].size)
        return np.stack(items)
    return items


def _features(where: str, value: Any) -> np.ndarray:
    if (
        not isinstance(value, np.ndarray)
        or value.dtype.kind != "f"
        or value.ndim != 3
        or not value.shape[2]
    ):
        raise InputError(where, _describe(value), "a float array (rows, steps, columns)")
    if not value.flags.c_contiguous:
        raise InputError(
            where, "an array in Fortran order", "one in C order: np.ascontiguousarray(array)"
        )
    if value.shape[1] > _MAX_STEPS:
        raise InputError(where, f"{value.shape[1]} steps", f"at most {_MAX_STEPS}")
    return value


def _texts(where: str, value: Any) -> np.ndarray:
    if not isinstance(value, np.ndarray) or value.dtype.kind != "U" or value.ndim != 1:
        raise InputError(where, _describe(value), "a one-dimensional array of unicode strings")
    _check_size(where, value.nbytes // 4, _MAX_CHARACTERS)
    good = np.array(["\0" not in text for text in value.tolist()], dtype=bool)
    check_rows(where, value, good, "text without NUL characters")
    return value


def _ids(where: str, value: Any) -> np.ndarray:
    ids = _texts(where, value)
    good = np.array([not _BAD_IN_ID.search(text) for text in ids.tolist()], dtype=bool)
    check_rows(
        where,
        ids,
        good,
        "an id of 1 to 200 characters without path separators and control characters",
    )
    return ids


def _numbers(where: str, value: Any, dims: int) -> np.ndarray:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "iuf" or value.ndim != dims:
        raise InputError(where, _describe(value), f"a numeric array of {dims} dimension(s)")
    _check_size(where, value.size)
    return value.astype(np.float64)


def _check_size(where: str, items: int, most: int = _MAX_ITEMS) -> None:
    if items > most:
        raise InputError(where, f"{items} characters or numbers", f"at most {most}")


def _integers(where: str, value: Any, dims: int = 1) -> np.ndarray:
    numbers = _numbers(where, value, dims)
    with np.errstate(invalid="ignore"):
        good = (numbers >= 0) & (numbers < 2**31) & (numbers == np.floor(numbers))
    check_rows(where, numbers, good.all(axis=tuple(range(1, dims))), "whole numbers from 0")
    return numbers.astype(np.int64)


def _labels(where: str, value: Any) -> np.ndarray:
    labels = _numbers(where, value, 1)
    check_rows(where, labels, np.isfinite(labels), "a label")
    return labels


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype.str} {value.shape}"
    if isinstance(value, list) and value:
        return f"a list of {type(value[0]).__name__}"
    return f"a {type(value).__name__}"


def check_rows(where: str, values: np.ndarray, good: np.ndarray, expected: str) -> None:
    """Raises InputError that names the first row of ``values`` (N, ...) that is not ``good`` (N,),
    and says how many are not."""
    if not good.all():
        row = int(np.argmin(good))
        raise InputError(
            f"{where}, row {row}",
            f"{str(values[row])[:200]!r} ({np.sum(~good)} such rows)",
            expected,
        )


READERS = {
    "id": _ids,
    **dict.fromkeys(("raw_text", "annotations"), _texts),
    **dict.fromkeys(schema.MODALITIES, _features),
    **dict.fromkeys(schema.LABEL_KEYS.values(), _labels),
    **dict.fromkeys(("audio_lengths", "vision_lengths"), _integers),
    "text_bert": lambda where, value: _integers(where, value, 3),
}
