"""No result in the book's text is typed by hand: decimals and percentages come from result files,
or from the one data file of printed figures, through roles, directives and code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [*(ROOT / "book").glob("*.md"), *(ROOT / "notebooks").glob("*.py"), ROOT / "README.md"]
)

# What is not prose: code and directives, inline code and roles, mathematics, addresses, targets of
# links, comments.
NO_PROSE = re.compile(
    r"^```.*?^```|^:::.*?^:::|\{[\w:-]+\}`[^`]*`|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]+\$|https?://\S+|\]\([^)]*\)|<!--.*?-->",
    re.DOTALL | re.MULTILINE,
)
# What is not a result: sections, versions and identifiers; the level of an interval.
NO_RESULT = re.compile(
    r"(?:Sections?|§) \d[\d.]*(?:(?:,| and| to) \d[\d.]*)*|\bv\d+(?:\.\d+)+|\b95 % intervals?"
    r"|\b(?:Python|OpenFace|wav2vec|arXiv|doi|version|CC BY(?:-SA)?)[ :]*\d[\d./]*(?:(?:,| "
    r"and| or| to) 3\.\d+)*"
)
TYPED = re.compile(r"(?<![\w.])[-−+]?\d+\.\d+|\b\d+ ?(?:%|percent\b|per cent\b)|\b\d+ points?\b")


def prose(path: Path) -> str:
    """The words of a page with their line breaks; of a notebook, its markdown cells."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        cells = re.split(r"^# %%", text, flags=re.MULTILINE)[1:]
        markdown = [cell.partition("\n")[2] for cell in cells if cell.startswith(" [markdown]")]
        text = "\n".join(re.sub(r"^# ?", "", cell, flags=re.MULTILINE) for cell in markdown)
    return NO_RESULT.sub("", NO_PROSE.sub("", text))


def test_the_pages_are_there():
    assert len(PAGES) >= 3


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_no_result_is_typed(path):
    words = prose(path)
    found = [
        words[max(0, m.start() - 40) : m.end() + 20].replace("\n", " ")
        for m in TYPED.finditer(words)
    ]
    assert not found, f"{path.relative_to(ROOT)} types figures by hand: {found}"


def test_the_scan_finds_what_it_should(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "It is 82.50 here, 3 % there, `0.5` in code, {num}`a:b.2`, Section 5.1, v2.0, a 95 % "
        "interval.\n"
    )
    assert [m.group() for m in TYPED.finditer(prose(page))] == ["82.50", "3 %"]
    page = tmp_path / "page.py"
    page.write_text("# %% [markdown]\n# Acc2 is 0.7.\n\n# %%\nx = 0.8\n")
    assert [m.group() for m in TYPED.finditer(prose(page))] == ["0.7"]
