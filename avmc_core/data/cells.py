"""What a cell of a table says, behind what spreadsheets, input methods and printers leave in it."""

from __future__ import annotations

import re

from avmc_core import schema

_BLANKS = " \t\u00a0\u3000\u200b\ufeff"  # of an id that was copied from somewhere
# nothing else: a raised digit is another sign, perhaps that of a footnote
_PRINTED = {
    "with a printed minus sign": str.maketrans("\u2212\u2013\uff0d", "---"),
    "in wide digits": {0xFEE0 + ord(sign): sign for sign in "0123456789.,+"},
}
_COMMA = re.compile(r"[+-]?\d*,\d+", re.ASCII)
_OTHER_SPLITS = {"dev": "valid", "val": "valid", "validation": "valid"}
# what a spreadsheet shows where it took a text for a formula, or a column was too narrow
_FORMULA = re.compile(r"#(NAME|VALUE|REF|DIV/0|NULL|NUM|N/A)[!?]?|#{5,}", re.ASCII)


def name(text: str) -> str:
    """An id without blanks around it."""
    return text.strip(_BLANKS)


def number(text: str, commas: bool) -> tuple[str, str]:
    """A number in plain digits, and what was set right in it, in words ("" for nothing).
    ``commas``: whether a comma can be a decimal one."""
    text, repairs = text.strip(_BLANKS), []
    for what, signs in _PRINTED.items():
        if (plain := text.translate(signs)) != text:
            text = plain
            repairs.append(what)
    if commas and _COMMA.fullmatch(text):
        text = text.replace(",", ".")
        repairs.append("with a decimal comma")
    return text, " and ".join(repairs)


def split(text: str) -> str:
    """The split that is meant; any other text as it is."""
    plain = text.strip().lower()
    plain = _OTHER_SPLITS.get(plain, plain)
    return plain if plain in (*schema.SPLITS, schema.UNLABELLED) else text


def is_formula(text: str) -> bool:
    """Whether a spreadsheet put an error of its own in a text's place."""
    return _FORMULA.fullmatch(text.strip()) is not None
