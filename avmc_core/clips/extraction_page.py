"""The outcome for every clip, as a page and a CSV file in a folder of the user's: the page shows
faces, and is written nowhere else."""

from __future__ import annotations

import os
from collections.abc import Callable
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd

from avmc_core.errors import InputError, counted
from avmc_core.files.atomic import new_folder

REPORT = "extraction.csv"  # also in the store's folder
PAGE, PICTURES = "index.html", "pictures"
FIRST = ("failed", "discarded", "kept")  # what needs a look comes first
STYLE = """\
body{font:15px/1.4 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em;color:#222}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.4em .6em;border-top:1px solid #ccc}
img{width:320px;max-width:40vw;display:block}
.failed td:nth-child(2){color:#a00}.discarded td:nth-child(2){color:#850}"""


def check_folder(folder: Path) -> None:
    """Raises InputError for a place that holds anything but an earlier report, which is
    replaced."""
    if os.path.lexists(folder) and not ((folder / PAGE).is_file() and (folder / REPORT).is_file()):
        raise InputError(
            folder,
            "something other than the report of an extraction",
            "a path that does not exist yet",
        )


def write(
    folder: Path,
    title: str,
    table: pd.DataFrame,
    summary: list[str],
    picture: Callable[[int], np.ndarray],
) -> None:
    """Writes the report of ``table``, one row per clip with the columns of its ``ClipReport`` and
    its id; ``picture`` gives the JPEG of a row, empty for none. ``summary``: sentences that stand
    above the table."""
    check_folder(folder)
    order = sorted(table.index, key=lambda index: FIRST.index(table.loc[index, "outcome"]))
    with new_folder(folder, replace=True) as place:
        (place / PICTURES).mkdir()
        rows = [
            _row(place, number, table.loc[index], picture(index))
            for number, index in enumerate(order)
        ]
        sentences = "".join(f"<p>{escape(sentence)}</p>" for sentence in summary)
        page = (
            '<!doctype html><html lang="en"><meta '
            f'charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
            f"<h1>{escape(title)}</h1>{sentences}<p>Green: the landmarks of the face that was "
            "taken for the speaker's; grey: of "
            "others. This folder shows people: it is yours, and no part of the store.</p>"
            "<table><tr><th>frame</th><th>clip</th><th>what became of it</th></tr>"
            + "".join(rows)
            + "</table></html>\n"
        )
        (place / PAGE).write_text(page, encoding="utf-8", errors="backslashreplace")
        table.to_csv(place / REPORT, index=False, float_format="%.3f")


def _row(place: Path, number: int, row: pd.Series, jpeg: np.ndarray) -> str:
    shown = ""
    if len(jpeg):
        name = f"{PICTURES}/{number:05}.jpg"
        (place / name).write_bytes(jpeg.tobytes())
        shown = (
            f'<img loading="lazy" src="{name}" alt="a frame of {escape(row["id"])} with its '
            'landmarks">'
        )
    facts = f"{row['seconds']:.2f} s, {counted(row['faces'], 'face')}"
    facts += f", {row['missing']:.0%} of the frames without the speaker's" if row["faces"] else ""
    words = [f"<b>{row['outcome']}</b>: {facts}", row["speaker"], row["reason"], row["notes"]]
    remarks = "<br>".join([words[0], *(escape(word) for word in words[1:] if word)])
    return (
        "<tr "
        f'class="{row["outcome"]}"><td>{shown}</td><td>{escape(row["id"])}</td><td>{remarks}</td></tr>'
    )
