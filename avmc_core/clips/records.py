"""Measurements of the steps from a clip to its faces, on clips that may not be passed on, as tables
for the page about clips.

Each record lies in the package with the command that makes it: who was taken for the speaker
(``tools/speakers.py``), how small a face is found (``tools/face_sizes.py``), and how far measures
of a face agree with OpenFace (``tools/face_agreement.py``).
"""

from __future__ import annotations

import json

import pandas as pd

from avmc_core.clips import trust
from avmc_core.home import resource_text
from avmc_core.schema import columns


def record(name: str) -> dict:
    """A record by the name of its file: ``command``, ``rows``, and what else was written down."""
    return json.loads(resource_text(f"{name}.json"))


def speakers() -> pd.DataFrame:
    """One row per kind of clip: how often the right speaker was chosen, and the cost of the
    extraction."""
    rows = []
    for row in record("speakers")["rows"]:
        cells = {"clips": row["clips"], "how many": row["number"]}
        for way, name in (("rule", "rule without weights"), ("light-asd", "Light-ASD")):
            cells[f"right: {name}"] = "—" if row.get(way) is None else str(row[way])
        for part, name in (("faces", "faces"), ("rule", "rule"), ("light-asd", "Light-ASD")):
            seconds = row.get(f"{part}_seconds")
            cells[f"seconds: {name}"] = "—" if seconds is None else f"{seconds:.2f}"
        rows.append(cells)
    return pd.DataFrame(rows)


def face_sizes() -> pd.DataFrame:
    """One row per width of a face, for each size of picture the share of pictures in which it is
    found."""
    rows = pd.DataFrame(record("face_sizes")["rows"])
    rows["found"] = (
        rows["after"].map("{:.0%}".format) + " (" + rows["before"].map("{:.0%}".format) + ")"
    )
    wide = rows.pivot(index="face", columns="picture", values="found")[
        list(dict.fromkeys(rows["picture"]))
    ].fillna("—")
    return (
        wide.rename_axis("width of the face, pixels", axis=0)
        .reset_index()
        .rename_axis(None, axis=1)
    )


def agreement() -> pd.DataFrame:
    """One row per measure of a face: r with OpenFace here and as reported, and whether its columns
    are to be trusted."""
    measures = trust.table()
    words = {True: "yes", False: "no"}
    return pd.DataFrame(
        {
            "measure": measures.index,
            "columns": [
                ", ".join(c for c in columns("vision") if c.startswith(name))
                for name in measures.index
            ],
            "r on this record": measures["r"].map(
                lambda r: "not decidable" if pd.isna(r) else f"{r:+.2f}"
            ),
            "r as reported": measures["reported"].map(lambda r: "—" if pd.isna(r) else f"{r:+.2f}"),
            "to be trusted": measures["trusted"].map(words),
        }
    )
