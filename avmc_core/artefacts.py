"""The provenance of figures, tables and results, and the key figures that a notebook saves for the
book's pages."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from avmc_core import __version__
from avmc_core.files.atomic import new_file
from avmc_core.files.names import shown
from avmc_core.home import home
from avmc_core.schema import DATASET
from avmc_core.settings import digest

if TYPE_CHECKING:
    from avmc_core.data.store import Store
    from avmc_core.runs.store import Record, Run

# parts of a provenance that are stated elsewhere or not at all
NOT_SAID = ("data", "command", "failed", "digest", "keys")
SIMULATED = "simulated corpus, not CH-SIMS"  # the mark of whatever is computed on one
# environment variable: the command that executes the notebook; the notebook runner sets it
DRAWN_BY = "AVMC_DRAWN_BY"
IMPORTED, OWN_CLIPS = "imported store", "own clips"  # how marks of real data begin
# environment variable: a file that gets the name of each result saved; the notebook runner sets it
LOG = "AVMC_SAVED"


def data_mark(source: Store | pd.DataFrame | str | None) -> str:
    """The words on every figure, table and result that say which data it was made from.

    A string is taken as it is, for results that do not rest on a store, a label table or label
    counts.
    """
    if isinstance(source, str):
        return source
    if source is None:
        return "real label counts shipped with the package"
    if isinstance(source, pd.DataFrame):
        return "real label table"
    if source.simulated:
        return SIMULATED
    extracted = source.manifest["source"].get("extraction")
    if extracted is None:
        name = f"{IMPORTED} {shown(source.path.name)} ({source.digest[:8]})"
        return f"{name}, {source.dataset}" if source.dataset else name
    visual = ", visual features approximate" if extracted["approximation"] else ""
    lost = "".join(f", no {name} features" for name in source.lacks)
    return f"{OWN_CLIPS}, store {source.digest[:8]}{visual}{lost}"


def other_data(mark: str) -> bool:
    """Whether data with this mark are not those of the paper: a simulated corpus, clips of one's
    own, or an imported store that is not CH-SIMS v2.0."""
    if mark.startswith(IMPORTED):
        return not mark.endswith(DATASET)
    return mark.startswith(("simulated", OWN_CLIPS))


def provenance(
    source: Store | pd.DataFrame | str | None,
    command: str,
    records: Mapping[Run, Record] | None = None,
) -> dict[str, Any]:
    """The facts behind a result, a figure or a table: its data, the command that makes it with the
    profile named there (several are joined by ``&&``), and, for the runs behind it, their keys with
    their status, their seeds, how many there are, how many failed, and the code that computed them.
    A run that several experiments name counts once."""
    store = source if hasattr(source, "digest") else None
    known = {"data": data_mark(source)}
    if store:
        known["digest"] = store.digest[:12]
        command = (
            command if store.simulated else re.sub(r"(^|&& )", r"\1AVMC_STORE=STORE ", command)
        )
    if profile := re.search(r"--profile (\w+)", command):
        known["profile"] = profile[1]
    if records:
        codes = sorted({record.code["digest"] for record in records.values()})
        known |= {
            "seeds": sorted({run.seed for run in records}),
            **_counted({record.key[:12]: record.status for record in records.values()}),
            "code": f"{__version__} ({digest(codes)[:8]})",
        }
    else:
        known["code"] = __version__
    return known | {"command": command}


def statement(provenance: Mapping[str, Any], against: str = "", status: str = "") -> str:
    """A provenance in one line of Markdown: data, profile, seeds, failed runs, code, command, and
    what in the paper it is compared with.

    Where a notebook is executed, the command that executes it, and so draws its figures, is named
    beside the one that computes their numbers, unless they are the same.

    ``against`` is the place in the paper; if the data are not those of the paper, the line says so.
    """
    parts = [f"Data: {provenance['data']}", *facts(provenance)]
    if against:
        other = other_data(provenance["data"]) and re.search(r"\b(Table|Figure|Section)", against)
        place = against if against.startswith("not in the paper") else f"the paper: {against}"
        parts.append(place + (" (on other data)" if other else ""))
    drawn, own_status = os.environ.get(DRAWN_BY, ""), [status] if status else []
    command = f"command: `{provenance['command']}`"
    if drawn and not provenance["command"].startswith(drawn.partition(" --")[0]):
        command = f"drawn by `{drawn}`, its numbers by the {command}"
    return " · ".join([*parts, *own_status, command])


def facts(provenance: Mapping[str, Any]) -> list[str]:
    """The facts of a provenance other than its data and command, a few words each."""
    given = {key: value for key, value in provenance.items() if value not in (None, "", [])}
    failed = provenance.get("failed", 0) or "none"
    known = {
        "profile": lambda value: f"profile {value}",
        "seeds": lambda value: f"seed{'s' if len(value) > 1 else ''} {_span(value)}",
        "runs": lambda value: f"{value} run{'s' if value != 1 else ''}, {failed} failed",
        "code": lambda value: f"code {value}",
    }
    return [
        *(say(given[key]) for key, say in known.items() if key in given),
        *(
            f"{key}: {value:.3g}" if isinstance(value, float) else f"{key}: {value}"
            for key, value in given.items()
            if key not in (*known, *NOT_SAID)
        ),
    ]


def merged(many: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Several provenances combined: all their seeds and runs, each run once, and those of the other
    facts on which they agree."""
    first, *others = many
    same = {
        key: value
        for key, value in first.items()
        if all(other.get(key) == value for other in others)
    }
    if not others or not all("keys" in one for one in many):
        return same
    seeds = sorted({seed for one in many for seed in one["seeds"]})
    return (
        same
        | _counted({key: status for one in many for key, status in one["keys"].items()})
        | {"seeds": seeds}
    )


def _counted(keys: Mapping[str, str]) -> dict[str, Any]:
    """The part of a provenance on runs, from the key of each to its status."""
    return {
        "runs": len(keys),
        "failed": sum(status != "done" for status in keys.values()),
        "keys": dict(sorted(keys.items())),
    }


def _span(seeds: list[int]) -> str:
    if len(seeds) > 2 and seeds[-1] - seeds[0] == len(seeds) - 1:
        return f"{seeds[0]}–{seeds[-1]}"
    return ", ".join(map(str, seeds))


def save(name: str, data: dict[str, Any], provenance: dict[str, Any]) -> Path:
    """Writes ``data`` and its provenance (data mark, command, profile, seeds ...) as
    ``results/<name>.json``, atomically.

    Numpy values become plain ones and NaN becomes null: the file is JSON that any reader takes.
    """
    path = home() / "results" / f"{name}.json"
    text = json.dumps(
        {"provenance": _plain(provenance), "data": _plain(data)},
        indent=1,
        ensure_ascii=False,
        allow_nan=False,
    )
    with new_file(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    if LOG in os.environ:
        with open(os.environ[LOG], "a", encoding="utf-8") as log:
            log.write(f"{name}\n")
    return path


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
