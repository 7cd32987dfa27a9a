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
# # What it costs
#
# Many seeds of many models are only affordable if a training step is cheap. `avmc bench` measures a step twice in one
# process: as plain `torch.nn` modules compute it, with a frozen BERT in every forward pass where the released code has one,
# and as this library does. Both pass the same golden files, start from the same weights and see the same clips. Before
# anything is timed, their losses and gradients are compared.
#
# The figures were recorded once, on the machine named below, on made-up clips of the released sizes. Building the book does
# not measure them again; `avmc bench` does, anywhere.

# %% tags=["parameters"]
recorded = ""  # results/bench.json of another machine; default: the recorded run in the package

# %% tags=["hide-input"]
import json
from importlib.resources import files
from pathlib import Path

import pandas as pd
from IPython.display import Markdown, display

from avmc_core import artefacts, figures
from avmc_core.tables import Table

resources = files("avmc_core") / "resources"
bench = json.loads((Path(recorded) if recorded else resources / "bench.json").read_text(encoding="utf-8"))
data, made = bench["data"], bench["provenance"]
machine, source = data["machine"], f"{made['data']}, recorded {made['date']}"
clock = "processor time of one thread" if machine["threads"] == 1 else f"wall clock, {machine['threads']} threads"
Markdown(
    f"Recorded on {made['date']}: {machine['processor']}, PyTorch {machine['torch']}, {clock}, recurrence: "
    f"{machine['recurrence']}. Matrix products ran at {machine['gemm_gflops']:.0f} GFLOP/s, copies at "
    f"{machine['copy_gb_per_s']:.0f} GB/s. {made.get('note', '')}"
)

# %% [markdown]
# ## One training step

# %% tags=["hide-input"]
TARGETS = {"semi": 25, "supervised": 100, "MulT": 2.5, "TFN": 2, "MFN": 2, "Graph_MFN": 2}
TITLES = {"semi": "AV-MC(Semi)", "supervised": "AV-MC"}
rows = {
    TITLES.get(name, name): {
        "clips": data[name]["clips"],
        "naive, s": data[name]["naive"],
        "fast, s": data[name]["fast"],
        "times faster": data[name]["ratio"],
        "asked for": target,
        "reached": "yes" if data[name]["ratio"] >= target else "no",
        "losses differ by": data[name]["loss"],
        "gradients differ by": data[name]["gradient"],
    }
    for name, target in TARGETS.items()
    if name in data
}
steps = pd.DataFrame(rows).T.infer_objects().reset_index(names="Model")
formats = {"naive, s": 3, "fast, s": 3, "times faster": 1, "asked for": "g"}
tiny = dict.fromkeys(["losses differ by", "gradients differ by"], ".0e")
display(Table(steps, "steps", decimals=formats | tiny))
figures.caption(source, made["command"], "it gives no times")

# %% [markdown]
# Where the time went: AV-MC's frozen text features are computed once for a store instead of in every step; its LSTMs run over
# valid frames only, with the recurrence in C if there is a compiler; TFN's outer product never exists as a whole; MulT's
# dropout draws 16 bits instead of a Bernoulli number; MFN and Graph_MFN do everything for all steps at once that does not
# wait for the step before.

# %% [markdown]
# ## Growth
#
# Seconds of one pass over made-up clips by AV-MC(Semi), 128 clips in batches of 64 unless the first column says otherwise. A
# frame share of 1 is the released cap of 925 audio and 232 vision frames. If time grew linearly with what the last column
# divides by, that column would be constant.

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
    for unit in [seconds / (float(n) if what == "clips" else 128 * float(n) if what == "frames" else 128)]
]
display(Table(pd.DataFrame(growth), "growth", ["what"], decimals={"how many": "g", "seconds": 3}))
figures.caption(source, made["command"], "it gives no times")

# %% [markdown]
# ## Getting at the data
#
# A supervised file of one clip in eight, imported, opened, and read with `pickle.load`, each in a process of its own. Memory
# is the peak of the process beyond its libraries.

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
figures.caption(source, made["command"], "it gives no times")

# %% [markdown]
# ## What paid, and what did not
#
# Where a figure was predicted before it was measured, it stands beside. Times are of both encoders of AV-MC(Semi), forward
# and backward, unless another thing is named; wall clock of a mostly quiet machine unless it says otherwise.

# %% tags=["hide-input"]
log = pd.DataFrame(json.loads((resources / "speed_log.json").read_text(encoding="utf-8")))
display(Table(log, "log"))
figures.caption("made-up clips of the released sizes, measured by hand", made["command"], "it gives no times")

# %% [markdown]
# ## What has not been measured
#
# No timing on a GPU, none of a cluster, and none of the full-size import is recorded here. A machine shared with other work
# disturbs wall clocks most, so steps on one thread are timed by processor time; caches and memory are shared all the same.

# %% tags=["hide-input"]
quoted = {**rows, "machine": machine}
saved = artefacts.save("speed", quoted, {**made, "data": "made-up clips of the released sizes, recorded"})
