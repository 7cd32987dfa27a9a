"""Key figures that a notebook leaves behind for the book's pages, with where they come from."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from avmc_core.atomic import new_file
from avmc_core.home import home

if TYPE_CHECKING:
    from avmc_core.store import Store

LOG = "AVMC_SAVED"  # environment variable: a file that gets the name of each result saved; the notebook runner sets it


def data_mark(source: Store | pd.DataFrame | None) -> str:
    """The words that every figure, table and result carries: which data it was made from."""
    if source is None:
        return "real label counts shipped with the package"
    if isinstance(source, pd.DataFrame):
        return "real label table"
    if source.simulated:
        return "simulated corpus, not CH-SIMS"
    extracted = source.manifest["source"].get("extraction")
    if extracted is None:
        return f"real store {source.digest[:8]}"
    visual = ", visual features approximate" if extracted["approximation"] else ""
    return f"own clips, store {source.digest[:8]}{visual}"


def save(name: str, data: dict[str, Any], provenance: dict[str, Any]) -> Path:
    """Writes ``data`` and its provenance (data mark, command, profile, seeds ...) as ``results/<name>.json``, atomically.

    Numpy values become plain ones and NaN becomes null: the file is JSON that any reader takes.
    """
    path = home() / "results" / f"{name}.json"
    text = json.dumps(
        {"provenance": _plain(provenance), "data": _plain(data)}, indent=1, ensure_ascii=False, allow_nan=False
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
