"""Names and text in bytes of any encoding: as a file system holds them and as terminals of other
languages type them.

Python keeps bytes that are not UTF-8 as lone surrogates, which can be opened but neither printed
nor written.
"""

from __future__ import annotations

import codecs
import os
import unicodedata
from difflib import get_close_matches
from pathlib import Path

from avmc_core.errors import InputError
from avmc_core.files.encodings import decoded, undamaged


def shown(name: str) -> str:
    """``name`` as it can be printed and written: bytes of another encoding as the characters that
    they stand for, or as escapes where that is in doubt."""
    if _is_text(name):
        return name
    raw = os.fsencode(name)
    try:
        return decoded(name, raw)[0]
    except InputError:
        return raw.decode("utf-8", "backslashreplace")


def typed(text: str, option: str) -> str:
    """The text that was typed for ``option`` in a terminal of any encoding. Raises InputError if
    its encoding cannot be determined, and if the text was already damaged."""
    if _is_text(text):
        return undamaged(option, text)
    raw = os.fsencode(text)
    for encoding in _stated_encodings():
        try:
            return raw.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    try:
        return decoded(option, raw)[0]
    except InputError:
        undecodable = f"bytes that are not UTF-8 ({raw[:20]!r})"
        raise InputError(
            option, undecodable, "text typed in UTF-8, or a locale such as zh_CN.GBK in $LANG"
        ) from None


def entries(folder: Path) -> dict[str, list[Path]]:
    """What a folder holds, in order, under every reading of its names; nothing for a folder that
    cannot be read."""
    try:
        there = sorted(folder.iterdir())
    except OSError:
        return {}
    by_reading: dict[str, list[Path]] = {}
    for path in there:
        for reading in readings(path.name):
            by_reading.setdefault(reading, []).append(path)
    return by_reading


def readings(name: str) -> set[str]:
    """The possible readings of a name, at least one: itself, or its bytes decoded in the encodings
    of Chinese systems."""
    if _is_text(name):
        return {unicodedata.normalize("NFC", name)}
    decoded = set()
    for encoding in ("gb18030", "big5", "cp950", "utf-8"):
        try:
            decoded.add(unicodedata.normalize("NFC", os.fsencode(name).decode(encoding)))
        except UnicodeDecodeError:
            continue
    return decoded or {shown(name)}


def nearest(name: str, others: list[str]) -> str:
    """The name of ``others`` that is most like ``name``, with or without its ending; "" for none
    that is like it."""
    keys = {shown(other).lower(): shown(other) for other in others if not other.startswith(".")}
    if longer := [key for key in keys if name and key.startswith(f"{shown(name).lower()}.")]:
        return keys[min(longer, key=len)]
    bare = {
        shown(Path(other).stem).lower(): shown(other)
        for other in others
        if not other.startswith(".")
    }
    for wanted, known in ((name, keys), (Path(name).stem, bare), (name, bare)):
        if near := get_close_matches(shown(wanted).lower(), list(known), 1, 0.6):
            return known[near[0]]
    numbers = {key.lstrip("0"): value for key, value in bare.items()}
    return numbers.get(shown(Path(name).stem).lower().lstrip("0"), "")


def _is_text(name: str) -> bool:
    return not any(0xD800 <= ord(character) < 0xE000 for character in name)


def _stated_encodings() -> list[str]:
    """Encodings that the locale names, whether or not the system knows the locale."""
    stated = [
        os.environ.get(name, "").partition(".")[2].partition("@")[0]
        for name in ("LC_ALL", "LC_CTYPE", "LANG")
    ]
    known = []
    for encoding in stated:
        try:
            known.append(codecs.lookup(encoding).name)
        except LookupError:
            continue
    return known
