"""The announcement before notebooks are executed on an imported store: whether they apply to such
data, how many runs are missing, roughly how long those take, and what gives a first result
sooner."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from avmc_core.analysis.results import finished
from avmc_core.artefacts import data_mark, other_data
from avmc_core.data.store import Store, open_store
from avmc_core.errors import InputError, counted
from avmc_core.runs.declaration import SEEDS
from avmc_core.runs.experiments import EXPERIMENTS
from avmc_core.runs.grid import run_store
from avmc_core.runs.store import Run
from avmc_core.schema import DATASET, DIMS
from avmc_core.speed.expected import duration, expected, machine

FIRST = "avmc"  # the experiment that gives a first result
_ASKED = re.compile(r"""experiment\(\s*["'](\w+)["']""")
_OTHERWISE = re.compile(r"""\bexperiment\(\s*[^"'\s]""")


def announce(store: str, profile: str, sources: Iterable[Path]) -> list[str]:
    """Lines for the terminal, on what the notebooks at ``sources`` will compute on a store. Raises
    InputError for one that differs from the released data in its widths, annotations or labels:
    what the notebooks show is about CH-SIMS v2.0."""
    opened = open_store(store)
    if not opened.as_released:
        widths = ", ".join(f"{opened.dims[name]} columns of {name}" for name in DIMS)
        form = f"{widths}; labels of {', '.join(opened.tasks)} to {opened.limit:g}"
        form += "" if opened.has_tokens else "; no tokens of the text"
        expected_ = (
            f"a store in the form of {DATASET}, which the book's pages are about; "
            "`avmc run`, `results`, `compare` and `data audit` take this one"
        )
        raise InputError(opened.path, form, expected_)
    mark = data_mark(opened)
    lines = []
    if other_data(mark):
        what = "a simulated corpus" if opened.simulated else mark
        lines.append(f"{what} is not {DATASET}: no figure of the paper is counted as met")
    names = _experiments(sources)
    grid = _runs(names, profile, opened)
    missing = finished(grid, opened, run_store())[1]
    if missing:
        seed = SEEDS[0]
        first = [run for run in _runs([FIRST], profile, opened) if run.seed == seed]
        first = finished(first, opened, run_store())[1]
        declared = counted(len(grid), "run")
        lines += [
            f"{len(missing)} of {declared} to be computed: {_takes(missing, opened)}",
            f"a first answer, of one seed, takes {_takes(first, opened)}: "
            f"avmc run {FIRST} --profile {profile} --seeds {seed} --store {store}",
        ]
    return lines


def _experiments(sources: Iterable[Path]) -> list[str]:
    """The declared experiments that notebooks ask for by name; all, where one asks otherwise."""
    asked: dict[str, None] = {}
    for source in sources:
        text = source.read_text(encoding="utf-8")
        names = [name for name in _ASKED.findall(text) if name in EXPERIMENTS]
        if _OTHERWISE.search(text):
            return list(EXPERIMENTS)
        asked |= dict.fromkeys(names)
    return list(asked)


def _runs(names: Iterable[str], profile: str, store: Store) -> list[Run]:
    """The different runs of experiments at a profile."""
    different: dict[tuple, Run] = {}
    for name in names:
        for run in EXPERIMENTS[name].runs(profile, store=store):
            different.setdefault((run.model, run.settings, run.seed, run.protocol), run)
    return list(different.values())


def _takes(grid: list[Run], store: Store) -> str:
    cores = os.cpu_count() or 1
    cost = expected(grid, store)
    unknown = f", without {cost.unknown} of unknown length" if cost.unknown else ""
    return (
        f"{duration(cost.wall(cores))} on {cores} core{'s' if cores > 1 else ''} by the recorded "
        f"benchmark ({machine()}), an order of magnitude{unknown}"
    )
