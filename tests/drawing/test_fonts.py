"""Every Chinese character in figures and on pages has a glyph; an empty box instead of a character
is a failure."""

from __future__ import annotations

import re
import subprocess
import warnings
from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from fontTools.ttLib import TTFont

from avmc_core.drawing import figures, fonts
from avmc_core.simulated.sentences import misheard, sentence

ROOT = Path(__file__).resolve().parents[2]
SOURCES = (".py", ".md", ".svg", ".tsv", ".json", ".toml", ".css")
UNKNOWN = "龘"  # a character that nobody here writes


@cache
def glyphs() -> frozenset[str]:
    """The characters that the font can draw."""
    with TTFont(fonts.han_font(), lazy=True) as font:
        return frozenset(map(chr, font.getBestCmap()))


def lacking(text: str) -> set[str]:
    return {char for char in text if fonts.is_han(char)} - glyphs()


def missing_when_drawn(text: str) -> list[str]:
    """The warnings about missing glyphs that Matplotlib gives while it draws ``text`` in the book's
    style."""
    with plt.rc_context(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figures.use_style()
        fig = plt.figure(figsize=(2, 1))
        fig.text(0, 0.5, text)
        fig.canvas.draw()
        plt.close(fig)
    return [str(warning.message) for warning in caught if "Glyph" in str(warning.message)]


def test_every_phrase_of_the_lexicon_has_its_glyphs():
    lexicon = (ROOT / "avmc_core" / "resources" / "lexicon.tsv").read_text(encoding="utf-8")
    assert len([char for char in set(lexicon) if fonts.is_han(char)]) > 100
    assert not lacking(lexicon)


def test_generated_sentences_have_their_glyphs_also_misheard_ones():
    rng = np.random.default_rng(0)
    texts = [sentence(label, rng).text for label in np.linspace(-1, 1, 400)]
    assert not lacking("".join(texts + [misheard(text, 0.3, rng) for text in texts]))


def test_what_this_project_writes_in_chinese_has_its_glyphs():
    """After adding a character to a notebook or page, run tools/subset_font.py."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split("\0")
    paths = [
        ROOT / name for name in listed if name.endswith(SOURCES) and not name.startswith("tests/")
    ]
    found = {
        path.name: lacking(path.read_text(encoding="utf-8")) for path in paths if path.is_file()
    }
    assert not {name: chars for name, chars in found.items() if chars}


def test_figures_draw_chinese_and_would_say_if_they_could_not():
    assert not missing_when_drawn("我的天！今天的电影真好看。 mean ± 1.5 → λ")
    assert missing_when_drawn(UNKNOWN)


def test_the_font_travels_with_its_licence():
    licence = fonts.han_font().with_name("han.LICENSE.txt").read_text(encoding="utf-8")
    assert "SIL OPEN FONT LICENSE Version 1.1" in licence and "Adobe" in licence
    assert fonts.han_font().stat().st_size < 500_000


@pytest.mark.parametrize(
    ("char", "expected"), [("天", True), ("！", True), ("a", False), ("é", False), ("λ", False)]
)
def test_what_counts_as_chinese_writing(char, expected):
    assert fonts.is_han(char) is expected


@pytest.mark.parametrize(
    "path",
    [*(ROOT / "book").glob("*.md"), *(ROOT / "notebooks").glob("*.py")],
    ids=lambda path: path.name,
)
def test_a_sentence_written_on_a_page_has_its_gloss_beside_it(path):
    """A quotation of more than two Chinese characters has its English translation, in quotation
    marks or brackets, at most a line away."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for i, line in enumerate(lines):
        if re.search("[\u4e00-\u9fff]{3,}", line):
            near = " ".join(lines[max(0, i - 1) : i + 2])
            assert re.search(r'"[A-Z][a-z]+ [^"]+"|\([A-Z]?[a-z]+ [^)]+\)|“[A-Z][^”]+”', near), (
                f"{path.name}: {line}"
            )
