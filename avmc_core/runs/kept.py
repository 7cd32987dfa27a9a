"""Results that pages compute from finished runs, kept as runs are: computed once, and found again
under a key of everything that they depend on.

A kept result is a sealed file of arrays under ``home()/kept``, named by a digest of the code that
made it, of the runs and the data behind it, and of its settings. A damaged one is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from avmc_core.codehash import code_hash
from avmc_core.files.sealed import read_sealed, write_sealed
from avmc_core.home import home
from avmc_core.settings import digest

LIBRARIES = ("numpy", "scikit-learn", "torch")
Arrays = dict[str, np.ndarray]


def kept(
    name: str,
    modules: Iterable[str],
    depends: Mapping[str, Any],
    compute: Callable[[], Mapping[str, np.ndarray]],
) -> Arrays:
    """The arrays that ``compute`` gives, from the store if they are there.

    ``modules`` are those whose code makes them, ``depends`` whatever else their values follow from,
    JSON-ready: keys of runs, digests of data, settings. Raises InputError for a damaged file.
    """
    versions = {library: version(library) for library in LIBRARIES}
    key = digest({"code": code_hash(modules), "libraries": versions, **depends})[:32]
    path = home() / "kept" / f"{name}-{key}.safetensors"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_sealed(path, dict(compute()))
    return read_sealed(path, "a kept result as it was written; without it, it is computed again")[0]
