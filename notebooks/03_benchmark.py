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
# # The benchmark
#
# Table 2 of the paper ranks thirteen models below AV-MC. A ranking means something only if all were trained under one
# protocol, with the same stopping rule and seeds. The `full` profile does that; the `ci` profile stops models early, each at
# another epoch, so there it is the code that is shown and not an order of models. In both, every seed stands beside three rows
# that tell what a score is worth: a constant, a ridge regression that only reads, and three unimodal regressions, weighted
# on the validation split.
#
# Each baseline first runs as in the public code, defects included. Every defect has a number on [](../differences.md) and can
# be put right on its own.

# %% tags=["parameters"]
profile = "ci"  # or "full": the published settings, for a real store
store = ""  # an imported store of the real features

# %% tags=["hide-input"]
import pandas as pd
from IPython.display import Markdown, display

from avmc_core import artefacts
from avmc_core.analysis import results
from avmc_core.data.store import open_store
from avmc_core.drawing import benchmark_figures, figures, model_figures
from avmc_core.paper import benchmark
from avmc_core.paper.difference_effects import VARIANTS, effects, mended_changes
from avmc_core.published import published
from avmc_core.publishing.tables import Table, agreement, result_table
from avmc_core.runs.experiments import CI_LIMITS, MENDABLE, experiment
from avmc_core.runs.grid import run_all
from avmc_core.simulated.corpus import ensure_corpus

figures.use_style()
data = open_store(store) if store else ensure_corpus("ci")
Markdown(f"Everything on this page was computed on: **{artefacts.data_mark(data)}**.")

# %% [markdown]
# ## The runs
#
# Settings are the reference's for this data set, or for its first version where there are none (D28). At the `ci` profile
# 320 simulated clips stand for 2722 real ones: batches are smaller, so that an epoch is not two or three steps, and slow
# models stop after a few epochs, finished or not. Of the models that fine-tune BERT, those that can do without read its stored
# states there. This is what the profile changes.

# %% tags=["hide-input"]
limits = {
    model: {name: str(value) for name, value in changes}
    for model, changes in CI_LIMITS.items()
}
limits = pd.DataFrame.from_dict(limits, orient="index").fillna("as published")
display(Table(limits.reset_index(names="Model"), "limits"))
figures.caption("none, these are settings", "avmc notebooks 03_benchmark")

# %%
plan = experiment("benchmark")
records = run_all(plan.runs(profile, store=data), data, progress_bar=False)
Markdown(f"{results.carried_out(records)}\n\n**{benchmark.stopping(records)}**")

# %% [markdown]
# ## Every seed
#
# Points are seeds, bars 95 % intervals from resampling seeds and source videos together, hollow diamonds the paper's
# figures.

# %% tags=["hide-input"]
shown = ["Acc2", "F1", "Acc2_weak", "Corr", "R2", "MAE"]
table = results.tabulate(records, data)
summary = results.summarise(records, data)
compared = results.comparison(plan.rows, summary, shown)
fig = model_figures.over_seeds(compared, table, ["Acc2", "Corr", "MAE"])
display(figures.mark(fig, data))
figures.caption(data, f"avmc run benchmark --profile {profile}", "Table 2", records=records)

# %% tags=["hide-input"]
display(result_table(compared, "benchmark"))
command = f"avmc results benchmark --profile {profile}"
agreed = agreement(compared, artefacts.data_mark(data))
display(figures.caption(data, command, "Table 2", records=records, status=agreed))
Markdown(benchmark.beside_constant(compared, "Acc2_weak"))

# %% [markdown]
# ## Three published tables that disagree
#
# The same models have been tabulated twice more: by the laboratory itself, later, in the results of its framework, and by a
# third party that does not say where its runs come from. None of the three gives more than one figure a cell.

# %% tags=["hide-input"]
tables = benchmark.sources()
later = published()["later_tables"].values()
display(
    Markdown("\n".join(["- Paper: Table 2.", *(f"- {part['source']}." for part in later)]))
)
shared = ["Acc2", "Corr", "MAE"]  # what all three print
models = [*MENDABLE, "AV-MC"]
ours = {
    row.published: summary[row.name]
    for row in plan.rows
    if row.published in models and row.name in summary
}
display(figures.mark(benchmark_figures.published_tables(tables, models, shared, ours), data))
against = "Table 2 and two later tables; our AV-MC is the `paper` variant"
figures.caption(data, f"avmc run benchmark --profile {profile}", against, records=records)

# %% [markdown]
# For one model the tables differ by far more than the differences that Table 2 ranks by. First MAE, then how often two
# tables put two models in opposite order.

# %% tags=["hide-input"]
gaps = benchmark.disagreements(tables, "MAE")
display(
    Table(gaps.reset_index(names="Model"), "disagreements", decimals=dict.fromkeys(gaps, 3))
)
display(
    figures.caption("published tables only", "avmc notebooks 03_benchmark", "Table 2, MAE")
)
orders = pd.concat(
    [benchmark.reversals(tables, metric).assign(metric=metric) for metric in shared]
)
display(Table(orders, "reversals", ["metric"]))
display(figures.caption("published tables only", "avmc notebooks 03_benchmark", "Table 2"))
widest = gaps["largest difference"].idxmax()
opposite = orders.loc[orders["metric"] == "MAE"]
Markdown(
    f"The widest gap in MAE is {gaps['largest difference'].max():.3f}, for {widest}. Over "
    "the three pairs of tables, "
    f"{int(opposite['reversed'].sum())} of {int(opposite['pairs'].sum())} pairs of models "
    "change places in MAE. "
    "A rank in one of these tables is not evidence about the other two."
)

# %% [markdown]
# ## What the known defects cost
#
# With every known defect put right, a baseline should at least beat a constant. For one that does not as it runs, every
# defect is put right alone: one that alone brings it below the constant is the explanation. Without such a one it stays
# unexplained.

# %%
mended = experiment("mended")
mended_records = run_all(mended.runs(profile), data, progress_bar=False)
verdicts = benchmark.beats_constant(results.tabulate(mended_records, data), MENDABLE)
losing = list(verdicts.loc[~verdicts["as run beats it"], "model"])
alone = [run for run in experiment("differences").runs(profile) if run.model in losing]
alone_records = run_all(alone, data, progress_bar=False)

# %% tags=["hide-input"]
singles = results.tabulate(alone_records, data) if losing else None
floor = float(verdicts["constant"].iloc[0])
verdicts["explanation"] = [
    benchmark.explained(model, singles, floor) if model in losing else ""
    for model in verdicts["model"]
]
verdicts["numbers"] = [", ".join(MENDABLE[model]) for model in verdicts["model"]]
display(
    Table(verdicts, "mended", decimals=dict.fromkeys(["constant", "as run", "mended"], 3))
)
both = mended_records | alone_records
mended_command = " && ".join(
    f"avmc run {name} --profile {profile}"
    for name in (["mended", "differences"] if losing else ["mended"])
)
display(figures.caption(data, mended_command, "not in the paper; MAE on test", records=both))
Markdown(
    f"{int(verdicts['as run beats it'].sum())} of {len(verdicts)} beat the constant as they "
    "run, "
    f"{int(verdicts['mended beats it'].sum())} of {len(verdicts)} mended. "
    "What each defect changes, with intervals, is in the table on [](../differences.md)."
)

# %% tags=["hide-input"]
artefacts.save(
    "benchmark",
    {
        "cells": compared,
        "variants": effects(records, data, VARIANTS),
        "verdicts": verdicts.to_dict("records"),
        "gaps": gaps.reset_index(names="model").to_dict("records"),
        "orders": orders.to_dict("records"),
    },
    artefacts.provenance(data, f"avmc run benchmark --profile {profile}", records),
)
artefacts.save(
    "mended",
    {"effects": effects(both, data, mended_changes())},
    artefacts.provenance(data, mended_command, both),
)
Markdown("How a model of your own gets into this table: [](../add_a_model.md).")
