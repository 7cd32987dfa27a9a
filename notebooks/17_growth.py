# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # How the cost grows, and what paid off
#
# [](11_speed.ipynb) says what a training step costs at the released sizes. This page shows how time and memory grow with the number
# and the length of clips, what access to the data costs, and every change that was tried to make training faster, whether it
# paid off or not. The figures are those of the same recorded run of `avmc bench`.

# %% tags=["parameters"]
recorded = (
    ""  # results/bench.json of another machine; default: the recorded run in the package
)

# %% tags=["hide-input"]
import json
from importlib.resources import files
from pathlib import Path

import pandas as pd
from IPython.display import Markdown, display

from avmc_core import artefacts
from avmc_core.drawing import figures
from avmc_core.publishing.page_parts import in_one_sentence, opening
from avmc_core.publishing.tables import Table

resources = files("avmc_core") / "resources"
bench = json.loads(
    (Path(recorded) if recorded else resources / "bench.json").read_text(encoding="utf-8")
)
data, provenance = bench["data"], bench["provenance"]
source = f"{provenance['data']}, recorded {provenance['date']}"
opening(
    "how the time of a pass grows, what opening the data costs and how much memory training "
    "takes, and what paid off",
    source,
)

# %% [markdown]
# ## Growth
#
# Seconds of one whole pass, not of a step, over made-up clips by AV-MC(Semi), 128 clips in batches of 64 unless the first column
# says otherwise. A frame share of 1 is the released cap of 925 audio and 232 vision frames. If time grew linearly with what the
# last column divides by, that column would be constant.

# %% tags=["hide-input"]
scaling = data.get("scaling", {})
growth = [
    {
        "what": what,
        "how many": float(n),
        "seconds": seconds,
        "milliseconds per clip, or per clip and share": 1000 * unit,
    }
    for what, times in scaling.items()
    for n, seconds in times.items()
    for unit in [
        seconds
        / (float(n) if what == "clips" else 128 * float(n) if what == "frames" else 128)
    ]
]
display(
    Table(pd.DataFrame(growth), "growth", ["what"], decimals={"how many": "g", "seconds": 3})
)
figures.caption(source, provenance["command"], "it gives no times")

# %% [markdown]
# Clips are not grouped by length, and need not be: the recurrence runs over valid frames only, so padding costs a copy but no
# arithmetic, and which clips share a batch stays as shuffled.
#
# ## Access to the data
#
# A made-up supervised file, imported, opened with a first batch, and read whole into memory, as `pickle.load` does it, with a
# first batch, each in a process of its own. Memory is the peak of the process beyond its libraries.

# %% tags=["hide-input"]
access = {
    name: {
        "seconds": data["data"][name]["seconds"],
        "MB": data["data"][name]["peak_mb"] - data["data"][name]["libraries_mb"],
    }
    for name in ("import", "open", "pickle")
    if "data" in data
}
display(Table(pd.DataFrame(access).T.reset_index(names="step"), "access"))
if "data" in data:
    display(
        Markdown(
            f"The file held {data['data']['clips']} clips in {data['data']['gigabytes']:.2f} "
            "GB."
        )
    )
figures.caption(source, provenance["command"], "it gives no times")

# %% [markdown]
# ## Memory
#
# The largest memory that the mapped store does not account for, in 40 steps of AV-MC(Semi) on growing parts of the training clips
# of the same file, each in a process of its own. A clip adds the averages and text vectors that are kept for it, a few kilobytes.

# %% tags=["hide-input"]
memory = [
    {"clips": int(clips), "MB": point["own_mb"]}
    for clips, point in data.get("data", {}).get("train", {}).items()
]
display(Table(pd.DataFrame(memory), "memory", decimals={"MB": 0}))
figures.caption(source, provenance["command"], "it gives no memory")

# %% [markdown]
# ## What paid off, and what did not
#
# If a figure was predicted before it was measured, the prediction is shown next to it. Times are for both encoders of
# AV-MC(Semi), forward and backward, unless something else is named, and are wall-clock times on a mostly idle machine unless
# stated otherwise.

# %% tags=["hide-input"]
log = pd.DataFrame(json.loads((resources / "speed_log.json").read_text(encoding="utf-8")))
display(Table(log, "log"))
figures.caption(
    "made-up clips of the released sizes, measured by hand",
    provenance["command"],
    "it gives no times",
)

# %% tags=["hide-input"]
points = [point["MB"] for point in memory]
saved = artefacts.save(
    "growth",
    {"scaling": scaling, "memory": memory, "tried": len(log)},
    {**provenance, "data": "made-up clips of the released sizes, recorded"},
)
in_one_sentence(
    f"{len(log)} changes were tried and {int(log['kept'].str.startswith('yes').sum())} of "
    "them kept"
    + (
        f"; training on eight times as many clips takes {points[-1] - points[0]:.0f} MB more "
        "memory."
        if len(points) > 1
        else "."
    )
)
