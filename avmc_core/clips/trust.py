"""How far the measures of a face can be trusted: which columns agree with OpenFace's own, from a
record (``tools/face_agreement.py``).

A measure is judged by the record if OpenFace's varies enough there, otherwise by what was reported
for another clip; a measure that neither decides is not trusted. The 136 landmark columns were
looked at on pictures: they lie 4 % of the distance between the eyes from OpenFace's.
"""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pandas as pd

from avmc_core.home import resource_text
from avmc_core.schema import columns

TRUSTED = 0.7  # Pearson's r with OpenFace from which on a measure is trusted
# standard deviation of OpenFace's measure below which r decides nothing; of 5 for a unit
VARIES = {"AU": 0.1, "pose": 0.0}


@cache
def record() -> dict:
    """How the record was made and its rows."""
    return json.loads(resource_text("face_agreement.json"))


@cache
def table() -> pd.DataFrame:
    """By measure: ``r`` on the record's frames (NaN: not decidable there), ``reported`` r
    elsewhere, ``trusted``."""
    rows = pd.DataFrame(record()["rows"]).set_index("measure").astype(float)
    least = np.array([VARIES["AU" if name.startswith("AU") else "pose"] for name in rows.index])
    rows["r"] = rows["r"].where(rows["openface_sd"] >= least)
    rows["trusted"] = rows["r"].fillna(rows["reported"]) >= TRUSTED
    return rows


@cache
def untrusted() -> np.ndarray:
    """(177,) bool: the visual columns that are not to be trusted, intensities and presences of
    action units alike."""
    good = set(table().index[table()["trusted"]])

    def measured(name: str) -> bool:
        return (name.startswith("pose") and name in good) or name[:4] in good

    return np.array(
        [name.startswith(("AU", "pose")) and not measured(name) for name in columns("vision")]
    )


def note() -> str:
    """The note that accompanies every use of these columns."""
    units = [name for name in table().index if name.startswith("AU")]
    good = [name for name in units if table().loc[name, "trusted"]]
    return (
        f"of the {len(units)} action units {', '.join(good)} agree with OpenFace (r of "
        f"{TRUSTED} and more); "
        f"the other {len(units) - len(good)} are not to be trusted"
    )
