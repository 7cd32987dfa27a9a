"""How this project is to be cited, from the one file that states it: ``CITATION.cff``."""

from __future__ import annotations

from functools import cache
from typing import Any

from avmc_core.codehash import ROOT
from avmc_core.errors import InputError

FILE = ROOT / "CITATION.cff"


@cache
def citation() -> dict[str, Any]:
    """The fields of CITATION.cff. Raises InputError outside a checkout."""
    import yaml

    if not FILE.is_file():
        raise InputError(FILE, "no such file", "a checkout of the project")
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def bibtex() -> str:
    """Two BibTeX entries: this companion, and the paper."""
    cited = citation()
    paper, year = cited["references"][0], str(cited["date-released"])[:4]
    authors = " and ".join(
        f"{author['family-names']}, {author['given-names']}" for author in paper["authors"]
    )
    ours = {
        "title": f"{{{cited['title']}}}",
        "author": f"{{{cited['authors'][0]['name']}}}",
        "year": year,
    }
    ours["version"] = cited["version"]
    theirs = {
        "title": f"{{{paper['title']}}}",
        "author": authors,
        "booktitle": paper["collection-title"],
    }
    theirs |= {"year": str(paper["year"]), "doi": paper["doi"]}
    entries = (("software", "avmc_companion", ours), ("inproceedings", "liu2022", theirs))
    return "\n\n".join(_entry(*entry) for entry in entries)


def _entry(kind: str, key: str, fields: dict[str, str]) -> str:
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@{kind}{{{key},\n{lines}}}"
