"""Makes avmc_core/resources/han.otf again: python tools/subset_font.py NotoSansCJK-Regular.ttc
(Debian: fonts-noto-cjk).

Run it when tests/drawing/test_fonts.py names a character that the font lacks.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTCollection, TTFont

from avmc_core.drawing.fonts import FAMILY, han_font, is_han
from avmc_core.simulated.sentences import characters

ROOT = Path(__file__).resolve().parents[1]
WANTED = "Noto Sans CJK SC"
PUNCTUATION = "，。！？、；：“”‘’（）《》【】…—·　"
SOURCES = (".py", ".md", ".svg", ".tsv", ".json", ".toml", ".css")


def written() -> set[str]:
    """Every Chinese character in the tracked text files of this project, tests left out."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    paths = [
        ROOT / name for name in names if name.endswith(SOURCES) and not name.startswith("tests/")
    ]
    return {
        char
        for path in paths
        if path.is_file()
        for char in path.read_text(encoding="utf-8")
        if is_han(char)
    }


def subsetted(source: Path, chars: set[str]) -> TTFont:
    """The Simplified Chinese face of the collection with only ``chars``, under a name of its
    own."""
    font = next(f for f in TTCollection(source).fonts if f["name"].getDebugName(4) == WANTED)
    options = subset.Options(
        layout_features=["kern", "palt"],
        hinting=False,
        desubroutinize=True,
        name_IDs=[0, 1, 2, 4, 6, 13, 14],
    )
    options.drop_tables += ["vhea", "vmtx", "VORG", "BASE"]
    subsetter = subset.Subsetter(options)
    subsetter.populate(text="".join(sorted(chars)))
    subsetter.subset(font)
    for record in font["name"].names:
        if record.nameID in (1, 4, 6):
            record.string = FAMILY if record.nameID != 6 else FAMILY.replace(" ", "")
    font["CFF "].cff.fontNames = [FAMILY.replace(" ", "")]
    font["CFF "].cff.topDictIndex[0].FullName = font["CFF "].cff.topDictIndex[0].FamilyName = FAMILY
    font["head"].modified = font["head"].created  # the same bytes each time
    font.recalcTimestamp = False
    return font


if __name__ == "__main__":
    font = subsetted(Path(sys.argv[1]), set(characters()) | set(PUNCTUATION) | written())
    font.save(han_font(), reorderTables=True)
    print(
        f"{han_font().name}: {len(font.getBestCmap())} characters, "
        f"{han_font().stat().st_size} bytes"
    )
