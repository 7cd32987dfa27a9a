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
# # What the full grid costs
#
# All experiments of this book together, with the published settings and the declared seeds, on the released data: how many
# core hours is that, and how long does it take with many workers? [](../cluster.md) explains how to run it.

# %% tags=["parameters"]
profile = "ci"  # of the runs that are timed; the arithmetic is for the full one
store = ""  # an imported store of the real features
timed = "benchmark table3"  # the experiments whose runs are timed
epochs = 40  # an assumption: how long a run goes on until early stopping

# %% tags=["hide-input"]
import json

from IPython.display import Markdown, display

from avmc_core import artefacts
from avmc_core.data.store import open_store
from avmc_core.drawing import figures
from avmc_core.home import resource_text
from avmc_core.publishing.page_parts import in_one_sentence, opening
from avmc_core.publishing.tables import Table
from avmc_core.runs.experiments import experiment
from avmc_core.runs.grid import run_all
from avmc_core.simulated.corpus import ensure_corpus
from avmc_core.speed import grid_cost

data = open_store(store) if store else ensure_corpus("ci")
clips = data.manifest["splits"]["train"]
recorded = json.loads(resource_text("bench.json"))
grid = list(
    dict.fromkeys(run for name in timed.split() for run in experiment(name).runs(profile))
)
records = run_all(grid, data, progress_bar=False)
costs = grid_cost.measured(records.values())
opening(
    f"what runs took here ({int(costs['runs'].sum())} finished ones, on {clips} training "
    "clips), and what all experiments would take at the published settings, on one core and "
    "on many",
    data,
    records,
)

# %% [markdown]
# ## What runs took here
#
# From the records of the run store: the wall clock of a process with one thread, which is its core seconds where nothing else
# shares the core. Other work may have shared it, such as the other notebook that a book executes at the same time, and the ci
# profile stops most models early. Scoring is included.

# %% tags=["hide-input"]
display(Table(costs.reset_index(names="Model"), "costs", decimals=dict.fromkeys(costs, 1)))
command = f"avmc notebooks 15_grid_cost --profile {profile}"
figures.caption(data, command, "it gives no times", records=records)

# %% [markdown]
# ## What they would take on the released data
#
# Where `avmc bench` timed a training step on made-up clips of the released sizes, an epoch is as many such steps as its passes
# have batches, and its core seconds are the seconds by the clock times the threads of the benchmark, as in the table of every
# model on [](11_speed.ipynb); AV-MC(Semi) and MMIM have two passes (D10). Where the step of one pass alone was timed (AV-MC(Semi) with
# mixing, MMIM's main one), the other pass is counted at the same cost, which is at least what it takes. The models that fine-tune BERT are
# counted with BERT in the step. For the other models the seconds above are scaled by the number of clips, and by nothing
# else: the sequences of the simulated corpus are shorter, so on a free machine these are lower bounds. How many epochs a run
# needs on the real data is not known; the parameter `epochs` stands in for it, and the hours are proportional to it.

# %% tags=["hide-input"]
full = grid_cost.full_size(costs, clips, epochs, recorded["data"])
runs = grid_cost.declared("full")
table = full.assign(runs=runs.reindex(full.index).fillna(0).astype(int))
display(Table(table.reset_index(names="Model"), "full-size"))
figures.caption(data, command, "it gives no times", records=records)

# %% [markdown]
# ## Divided among workers
#
# A worker computes one run at a time. No division makes the grid shorter than its longest run.

# %% tags=["hide-input"]
wall = grid_cost.shared(runs, full["core h per run"])
display(
    Table(
        wall.rename_axis("CPU cores").reset_index(),
        "workers",
        decimals=dict.fromkeys(wall, 1),
    )
)
figures.caption(data, command, "it gives no times", records=records)

# %% tags=["hide-input"]
Markdown(
    "For 1, 8 and 64 **GPUs** the same division holds with the hours that a run takes on one "
    "of them. Those have not been measured: if a GPU is $k$ times as fast as one of these "
    f"cores, the grid takes {wall['hours'].iloc[0]:.0f}/$k$ hours on one, and at best an 8th "
    "and a 64th of that on 8 and on 64. Models of small batches and long recurrences gain "
    "least."
)

# %% tags=["hide-input"]
saved = artefacts.save(
    "grid_cost",
    {
        "runs": int(runs.sum()),
        "epochs": epochs,
        "hours": {str(n): hours for n, hours in wall["hours"].items()},
        "left_out": sorted(full.index[full["core h per run"].isna()]),
    },
    artefacts.provenance(data, command, records),
)
in_one_sentence(
    f"All {int(runs.sum())} runs of the declared experiments at the published settings would "
    f"take about {wall['hours'].iloc[0]:.0f} core hours, if each goes on for {epochs} "
    "epochs; they can be shared among any number of cores."
)
