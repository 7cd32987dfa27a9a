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
# Training many models with many seeds is affordable only if a training step is cheap. `avmc bench` measures a step twice in
# one process: as plain `torch.nn` modules compute it, with a frozen BERT in every forward pass where the released code has
# one, and as this library does. Both pass the same golden files, start from the same weights and see the same clips. Before
# anything is timed, their losses and gradients are compared.
#
# The figures were recorded once, on the machine named below, on made-up clips of the released sizes. Building the book does
# not measure them again; `avmc bench` does, anywhere. Steps on one thread are timed by processor time, which other work on the
# machine disturbs less than the wall clock; caches and memory are shared all the same.

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
from avmc_core.speed import gpu_record

resources = files("avmc_core") / "resources"
bench = json.loads(
    (Path(recorded) if recorded else resources / "bench.json").read_text(encoding="utf-8")
)
data, provenance = bench["data"], bench["provenance"]
machine, source = data["machine"], f"{provenance['data']}, recorded {provenance['date']}"
clock = (
    "processor time of one thread"
    if machine["threads"] == 1
    else f"wall clock, {machine['threads']} threads"
)
display(
    opening(
        "how much faster a training step is than a plain one, how far that is from what the "
        "machine can do, and what an epoch of each model and several seeds cost",
        source,
    )
)
Markdown(
    f"Recorded on {provenance['date']} in {provenance['minutes']:.1f} minutes, code version "
    f"{provenance.get('commit', 'unknown')}: {machine['processor']}, "
    f"PyTorch {machine['torch']}, {clock}, recurrence: {machine['recurrence']}. "
    f"Matrix products ran at {machine['gemm_gflops']:.0f} GFLOP/s, "
    f"copies at {machine['copy_gb_per_s']:.0f} GB/s. "
    + (
        f"The load of the machine in the minute before was {machine['load']:.1f}. "
        if "load" in machine
        else ""
    )
    + provenance.get("note", "")
)

# %% [markdown]
# ## One training step

# %% tags=["hide-input"]
TIMED = ("semi", "supervised", "MulT", "TFN", "MFN", "Graph_MFN")
TITLES = {"semi": "AV-MC(Semi)", "supervised": "AV-MC"}
rows = {
    TITLES.get(name, name): {
        "clips": data[name]["clips"],
        "naive, s": data[name]["naive"],
        "fast, s": data[name]["fast"],
        "times faster": data[name]["ratio"],
        "losses differ by": data[name]["loss"],
        "gradients differ by": data[name]["gradient"],
    }
    for name in TIMED
    if name in data
}
steps = pd.DataFrame(rows).T.infer_objects().reset_index(names="Model")
formats = {"clips": 0, "naive, s": 3, "fast, s": 3, "times faster": 1}
tiny = dict.fromkeys(["losses differ by", "gradients differ by"], ".0e")
display(Table(steps, "steps", decimals=formats | tiny))
figures.caption(source, provenance["command"], "it gives no times")

# %% [markdown]
# Where time was saved: AV-MC's frozen text features are computed once for a store instead of in every step; its LSTMs run over
# valid frames only, with the recurrence in C if there is a compiler; TFN's outer product never exists as a whole; MulT's
# attention weights, hundreds of millions in a naive step, are held four queries at a time by C code that computes them again for
# the gradient and skips what the causal mask hides; MFN and Graph_MFN do everything for all steps at once that does not wait for
# the step before, and the weights' part of their memory's gradient is one product over all steps.
#
# ## How far that is from what the machine can do
#
# The least that a fast step has to do, whatever the program: its arithmetic (products of matrices, recurrences, attention) at
# the rate of a large matrix product or, if that takes longer, its bytes at the rate of a copy. The batch is read once; a weight
# crosses the memory bus ten times, twice for its value, twice for its gradient and six times for Adam. This limit leaves out
# every elementwise operation and every intermediate result, so no program reaches it.

# %% tags=["hide-input"]
least = {}
for name in (name for name in TIMED if "gflop" in data.get(name, ())):
    arithmetic = data[name]["gflop"] / machine["gemm_gflops"]
    traffic = data[name]["megabytes"] / 1000 / machine["copy_gb_per_s"]
    least[TITLES.get(name, name)] = {
        "Gflop": data[name]["gflop"],
        "MB": data[name]["megabytes"],
        "arithmetic, s": arithmetic,
        "bytes, s": traffic,
        "measured, s": data[name]["fast"],
        "times the limit": data[name]["fast"] / max(arithmetic, traffic),
    }
seconds = {"arithmetic, s": 4, "bytes, s": 4, "measured, s": 3}
display(
    Table(
        pd.DataFrame(least).T.reset_index(names="Model"),
        "limits",
        decimals=seconds | {"Gflop": 1, "MB": 0, "times the limit": 1},
    )
)
figures.caption(source, provenance["command"], "it gives no times")

# %% [markdown]
# ## Models that fine-tune BERT
#
# A step with a trained encoder of BERT-base's size (random weights), and the same step with one that has no layers and a hundred
# words: what is left is the rest of the model, with the embeddings and the pooler still in it.

# %% tags=["hide-input"]
outside = [
    {
        "Model": name,
        "clips": data[name]["clips"],
        "step, s": data[name]["whole"],
        "outside BERT, s": data[name]["rest"],
        "share": data[name]["share"],
    }
    for name in ("MISA", "Self_MM", "MMIM", "Bert_MAG")
    if name in data
]
display(
    Table(
        pd.DataFrame(outside),
        "outside-bert",
        decimals={"share": ".1%", "outside BERT, s": 3},
    )
)
figures.caption(source, provenance["command"], "it gives no times")

# %% [markdown]
# ## Every model
#
# At its published settings, on made-up clips of the released sizes, each in a process of its own: a step of the pass whose steps
# take longest, an epoch as a step for each batch of each pass's clips, scoring not included, and the peak memory of the process
# beyond its libraries with one batch of clips in memory. BERT is in the step where it is fine-tuned. Core seconds are seconds
# times threads; the cost of the grid on [](15_grid_cost.ipynb) is counted in them.
#
# Some models have a time in the tables above as well: there in the process that runs the whole benchmark, here in one of their
# own. The two measurements stand side by side; how far they are apart shows how far a single time on this page can be trusted.

# %% tags=["hide-input"]
before = {
    TITLES.get(name, name): entry.get("fast", entry.get("whole"))
    for name, entry in data.items()
    if isinstance(entry, dict) and {"fast", "whole"} & set(entry)
}
costs = pd.DataFrame(
    {
        "Model": model,
        "clips": cost["clips"],
        "step, s": cost["step"],
        "step above, s": before.get(model),
        "epoch, s": cost["epoch"],
        "epoch, core s": cost["epoch"] * cost["threads"],
        "peak, MB": cost["peak_mb"] - cost["libraries_mb"],
    }
    for model, cost in data.get("models", {}).items()
)
if costs.empty:
    display(Markdown("This record has no such part yet: `avmc bench` makes it."))
else:
    seconds = dict.fromkeys(["step, s", "step above, s"], 3)
    epochs = dict.fromkeys(["epoch, s", "epoch, core s"], 1)
    display(Table(costs, "models", decimals=seconds | epochs | {"peak, MB": 0}))
    display(figures.caption(source, provenance["command"], "it gives no times"))
    twice = costs.dropna(subset="step above, s").set_index("Model")
    ratio = twice["step, s"] / twice["step above, s"]
    display(
        Markdown(
            f"Of {len(ratio)} models timed twice, the second measurement is between "
            f"{ratio.min():.2f} ({ratio.idxmin()}) and {ratio.max():.2f} ({ratio.idxmax()}) "
            "times the first."
        )
        if len(ratio)
        else Markdown("")
    )

# %% [markdown]
# ## Several seeds
#
# Runs on the simulated corpus of the `ci` profile, all of as many epochs: one seed, at the better of one and two threads, against
# several seeds together on one thread each. The column "as" says how they were trained together in this record: in one
# network, in several, each in a process of its own, or as runs alone in as many processes as there are cores. `avmc bench --only seeds --model NAME --seeds N` measures any other model and
# number, and `make bench-check` compares fresh ratios with the recorded ones.

# %% tags=["hide-input"]
together = [
    {
        "Model": model,
        "threads of one": timing["threads"],
        "one, s": timing["one"],
        "seeds": timing["seeds"],
        "together, s": timing["together"],
        "as": timing["as"],
        "ratio": timing["ratio"],
    }
    for model, timing in data.get("seeds", {}).items()
]
display(
    Table(
        pd.DataFrame(together),
        "seeds",
        decimals=dict.fromkeys(["one, s", "together, s", "ratio"], 1),
    )
)
figures.caption(source, provenance["command"], "it gives no times")

# %% [markdown]
# ## On a GPU, and what has not been measured
#
# `avmc bench --device cuda` measures the same parts on a GPU ([how](../run.md)): each step until the device has finished it, and
# beside it how many kernels it launches and how long they keep the device busy. A record made on the machine that builds this
# book is shown here, else the one in the package, and without either what was measured elsewhere. A
# cluster has not been timed. On a GPU the step of the released supervised AV-MC is recorded as a CUDA graph; that has not been timed
# either. There is no `torch.compile` and no bf16.

# %% tags=["hide-input"]
gpu = json.loads((resources / "gpu.json").read_text(encoding="utf-8"))
there = gpu_record.read()
if there is None:
    on_it = pd.DataFrame(
        [
            {
                "Model": model,
                "seconds per step": seconds,
                "kernels": gpu["kernels a step"].get(model, ""),
            }
            for model, seconds in gpu["seconds a step"].items()
        ]
    )
    display(
        Markdown(
            "There is no such record yet. An earlier version of the code was timed once, on "
            "a GPU that is not ours. What was changed because of it, the recurrence of an "
            "LSTM as one launch above all, **has not been timed**. The kernels of a step "
            "were counted for three models."
        ),
        Table(on_it, "gpu", decimals={"seconds per step": 3, "kernels": 0}),
        figures.caption(
            f"made-up clips of the released sizes, recorded elsewhere on {gpu['machine']}",
            f"what commit {gpu['commit']} of {gpu['committed']} ran",
            "it gives no times",
        ),
    )
else:
    origin = there["provenance"]
    below = figures.caption(
        f"{origin['data']}, recorded {origin['date']}", origin["command"], "it gives no times"
    )
    display(Markdown(gpu_record.machine(there)))
    for name, words, table, decimals in gpu_record.tables(there):
        display(Markdown(words), Table(table, name, decimals=decimals), below)
    if failed := gpu_record.failed(there["data"]):
        display(Markdown(f"Could not be measured there: {', '.join(failed)}."))

# %% tags=["hide-input"]
quoted = {**rows, "machine": machine}
saved = artefacts.save(
    "speed", quoted, {**provenance, "data": "made-up clips of the released sizes, recorded"}
)
faster = steps.set_index("Model")["times faster"]
in_one_sentence(
    f"A training step of {faster.idxmax()} is {faster.max():.0f} times as fast as the plain "
    f"one, that of {faster.idxmin()} {faster.min():.1f} times, with losses and gradients "
    "that agree to rounding; the largest gains come from text features that a frozen "
    "encoder computes once instead of in every step."
)
