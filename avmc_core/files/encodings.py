"""Which encoding Chinese text is in: UTF-8, UTF-16, UTF-32, GB18030 or Big5, told apart by what
they make of the bytes."""

from __future__ import annotations

import unicodedata
from collections import Counter
from functools import cache

from avmc_core.errors import InputError

_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
# two families of encodings that share most of their bytes
_CHINESE = ("gb18030", ("big5", "cp950", "big5hkscs"))
_COMMON = 0.85  # share of usual characters in a text that is read rightly
_LEAD = 0.2  # how far it is ahead of what the other family makes of the same bytes
# encodings whose bytes both families admit: first and last of their own letters, and how many tell
# them
_NEIGHBOURS = (("euc_jp", "\u3041", "\u30ff", 0.3), ("euc_kr", "\uac00", "\ud7a3", 0.95))
_TELLING = 8  # characters: of fewer, any encoding gives some text of the other languages
_SAVE = "text in UTF-8"
_BEFORE = "the text as it was before it was converted"
_LOST = 3  # bytes that a wrong reading loses at the end of a line


def decoded(where: object, data: bytes) -> tuple[str, str]:
    """The text in some bytes and the name of their encoding. Raises InputError where none fits
    beyond doubt."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decode(where, data, encoding), encoding
    zeros = [data[side:2000:2].count(0) for side in (0, 1)]
    if max(zeros) > 0.3 * len(data[:2000]) / 2:  # plain letters of UTF-16 without its mark
        encoding = "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
        return _decode(where, data, encoding), encoding
    try:
        return data.decode("utf-8-sig"), "utf-8-sig"
    except UnicodeDecodeError:
        return _chinese(where, data)


def _chinese(where: object, data: bytes) -> tuple[str, str]:
    """GB18030 or Big5. Each reads most texts of the other as rare characters: the one that gives
    usual ones is right."""
    for encoding, first, last, share in _NEIGHBOURS:
        try:
            others = [character for character in data.decode(encoding) if ord(character) > 127]
        except UnicodeDecodeError:
            continue
        if len(others) >= _TELLING and sum(first <= one <= last for one in others) >= share * len(
            others
        ):
            raise InputError(where, f"text in {encoding.upper()}", _SAVE)
    readings = []
    for family in (_CHINESE[:1], _CHINESE[1]):
        for encoding in family:
            try:
                text = data.decode(encoding)
            except UnicodeDecodeError:
                continue
            readings.append((usual(text), encoding, text))
            break
    readings.sort(reverse=True)
    if not readings or readings[0][0] < _COMMON:
        raise InputError(
            where,
            "bytes that are neither UTF-8 nor UTF-16, and neither GB18030 nor Big5 beyond doubt",
            _SAVE,
        )
    if len(readings) > 1 and readings[0][0] - readings[1][0] < _LEAD:
        raise InputError(where, "bytes that can be GB18030 as well as Big5", _SAVE)
    return readings[0][2], readings[0][1]


def undamaged(where: str, text: str) -> str:
    """``text``, of which no line shows that it was once read under a wrong encoding and saved so.
    Raises InputError where one does: what was lost cannot be brought back here."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.isascii():
            continue
        place = f"{where}, line {number}" if "\n" in text else where
        if "\ufffd" in line or "\u951f\u65a4\u62f7" in line:  # and what GBK makes of two of them
            damage = "signs of characters that were lost when the text was converted"
            raise InputError(place, damage, _BEFORE)
        for encoding in ("cp1252", "gb18030"):
            raw = _bytes_of(line, encoding)
            reread = raw.decode("utf-8", "ignore")
            # of a short text that is right, some bytes may make a usual character by chance
            better = usual(reread) >= max(_COMMON, usual(line) + _LEAD)
            if better and len(raw) - len(reread.encode()) <= _LOST:
                damage = f"text in UTF-8 that was once read as {encoding.upper()}"
                raise InputError(place, f"{damage} ({line.strip()[:20]!r})", _BEFORE)
    return text


def _bytes_of(line: str, encoding: str) -> bytes:
    """A line in an encoding; bytes that it does not define stand for themselves."""
    try:
        return line.encode(encoding)
    except UnicodeEncodeError:
        return b"".join(
            one.encode(encoding, "ignore") or one.encode("latin-1", "ignore") for one in line
        )


def usual(text: str) -> float:
    """Share of usual Chinese characters and signs among those beyond ASCII, emoji apart; 0 where
    the text holds characters that no standard defines."""
    counts = {
        character: count for character, count in Counter(text).items() if ord(character) > 127
    }
    if any(unicodedata.category(character) in ("Co", "Cn", "Cc") for character in counts):
        return 0.0
    # emoji
    counts = {one: count for one, count in counts.items() if unicodedata.category(one) != "So"}
    common = sum(count for character, count in counts.items() if character in _usual())
    return common / max(1, sum(counts.values()))


@cache
def _usual() -> frozenset[str]:
    """The frequent characters of both standards (level 1 of GB 2312 and of Big5), and the signs and
    wide letters of Chinese text."""
    simplified = (bytes([high, low]) for high in range(0xB0, 0xD8) for low in range(0xA1, 0xFF))
    traditional = (
        bytes([high, low])
        for high in range(0xA4, 0xC7)
        for low in (*range(0x40, 0x7F), *range(0xA1, 0xFF))
    )
    characters = {pair.decode("gb2312", "ignore") for pair in simplified}
    characters |= {pair.decode("big5", "ignore") for pair in traditional}
    signs = "，。、；：？！…—·《》“”‘’（）【】　○"
    # swung dash, corner and angle brackets, wide signs: escaped, since no page shows them
    signs += "\uff5e\u300c\u300d\u300e\u300f\u3008\u3009\u3014\u3015\uff05\uff0b\uff0d\uff1d\uff0f"
    # neither kana nor nothing
    characters = {character for character in characters if character >= "\u4e00"}
    return frozenset(characters) | set(signs) | {chr(code) for code in range(0xFF10, 0xFF5B)}


def _decode(where: object, data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InputError(
            where, f"bytes that are not {encoding.upper()} ({error.reason})", _SAVE
        ) from None
