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
# # Taking AV-MC apart
#
# Table 4 of the paper removes parts of supervised AV-MC and reports one run of each. A row that is worse by a point may be
# worse because the part matters, or because this seed and these test clips were unlucky. So here every row is run with
# several seeds, in both variants, and is compared with the full model *on the same clips*: what the two share cancels, and
# what remains is an interval for the difference itself.

# %% tags=["parameters"]
profile = "ci"  # ci: the simulated corpus, few epochs; full: a real store, the published settings
store = ""  # an imported store of the real features

# %% tags=["hide-input"]
import pandas as pd
from IPython.display import Markdown, display

from avmc_core import artefacts, contrast_figures, coverage, figures, model_figures, results
from avmc_core.contrasts import contrasts, fixed_models, readable, tally
from avmc_core.corpus import ensure_corpus
from avmc_core.experiments import ABLATIONS, MIXUPS, VARIANTS, experiment
from avmc_core.grid import run_all
from avmc_core.published import published
from avmc_core.store import open_store

figures.use_style()
data = open_store(store) if store else ensure_corpus("ci")
Markdown(f"Everything on this page was computed on: **{artefacts.data_mark(data)}**.")

# %% [markdown]
# ## The five rows
#
# Each is one step away from AV-MC. Without the unimodal tasks there are no unimodal predictions that a mixture could be
# consistent with, so the first row loses the mixup as well, as in the paper.

# %% tags=["hide-input"]
pd.DataFrame({name: {"settings changed": dict(changes) or "none"} for name, changes in ABLATIONS.items()}).T

# %%
plan = experiment("table4")
records = run_all(plan.runs(profile), data, progress_bar=False)
failed = [run.name for run, record in records.items() if record.status != "done"]
seeds = sorted({run.seed for run in records})
Markdown(f"{len(records)} runs of {len(plan.rows)} rows with {len(seeds)} seeds each, {len(failed)} of them failed.")

# %% [markdown]
# ## Every seed
#
# Points are seeds, bars are 95 % intervals from resampling seeds and source videos together, hollow diamonds the paper's
# cells.

# %% tags=["hide-input"]
shown = ["Acc2", "F1", "Acc2_weak", "Corr", "R2", "MAE"]
table = results.tabulate(records, data)
summary = results.summarise(records, data)
names = [row.name for row in plan.rows if row.name in summary]
by_seed = {name: rows[shown].to_dict("list") for name, rows in table.groupby("name")}
cells = published()["table4_ablation"]["rows"]
printed = {row.name: dict(zip(shown, cells[row.published], strict=True)) for row in plan.rows}
fig = model_figures.over_seeds(names, by_seed, summary, ["Acc2", "Acc2_weak", "MAE"], printed)
display(figures.mark(fig, data))
figures.caption(data, f"avmc run table4 --profile {profile}", "Table 4")

# %% tags=["hide-input"]
compared = results.comparison(plan.rows, summary, shown, "table4_ablation")
rows = {}
for cell in compared:
    decimals = 3 if cell["metric"] == "MAE" else 2
    text = f"{summary[cell['row']][cell['metric']].estimate:.{decimals}f}"
    if cell["estimate"] is not None:
        text = f"{cell['estimate']:.{decimals}f} [{cell['low']:.{decimals}f}, {cell['high']:.{decimals}f}]"
    rows.setdefault(cell["row"], {})[cell["metric"]] = f"{text} / {cell['published']:.{decimals}f}"
display(pd.DataFrame(rows).T)
figures.caption(data, f"avmc results table4 --profile {profile}", "ours [interval] / Table 4")

# %% [markdown]
# ## Differences from the full model
#
# One bootstrap draws source videos for both rows together and seeds for each on its own. The *probability of improvement* is
# the chance that a run of the full model beats a run of the ablated one; one half means that the two cannot be told apart.
# All comparisons of this table are one family, and the last column corrects for that.

# %% tags=["hide-input"]
pairs = [(f"AV-MC ({variant})", f"{name} ({variant})") for variant in VARIANTS for name in ABLATIONS if name != "AV-MC"]
family = contrasts(records, data, pairs, ["Acc2", "Acc2_weak", "Corr", "MAE"])
display(figures.mark(contrast_figures.forest(family, ["Acc2", "Acc2_weak", "MAE"]), data))
display(figures.caption(data, f"avmc run table4 --profile {profile}", "Section 5.4"))
Markdown(f"**{tally(family)}** A filled point stands after the correction, a hollow one does not.")

# %% tags=["hide-input"]
display(readable(family).style.hide(axis="index"))
figures.caption(data, f"avmc run table4 --profile {profile}", "full model minus ablated model")

# %% [markdown]
# With one seed, as in the paper, only two *fixed* models can be compared. A permutation test swaps their predictions for whole
# source videos; the p values are those of the first seed, and another seed gives others.

# %% tags=["hide-input"]
display(fixed_models(records, data, pairs, ["Acc2", "Acc2_weak", "Corr", "MAE"], seeds[0]).style.format("{:.3f}"))
figures.caption(data, f"avmc run table4 --profile {profile}", "one seed, as in Table 4")

# %% [markdown]
# ## What the paper leaves open
#
# The distribution of lambda is not named, nor whether one lambda serves the whole batch, nor whether the consistency target
# passes gradients. Each answer against the released one, in the `paper` variant.

# %% tags=["hide-input"]
questions = experiment("mixup")
answers = run_all(questions.runs(profile), data, progress_bar=False)
first, *others = MIXUPS
open_family = contrasts(answers, data, [(name, first) for name in others], ["Acc2", "Acc2_weak", "MAE"])
display(figures.mark(contrast_figures.forest(open_family, ["Acc2", "Acc2_weak", "MAE"]), data))
display(figures.caption(data, f"avmc run mixup --profile {profile}", "the paper is silent (D07, D08)"))
Markdown(f"**{tally(open_family)}**")

# %% [markdown]
# ## How far the intervals can be trusted
#
# A simulation with a known truth, of the size of the real test split: many experiments, each with an interval, and the share
# of intervals that hold the truth. The line is what they promise.

# %% tags=["hide-input"]
covered = coverage.table()
display(contrast_figures.coverage_curve(covered))
display(pd.DataFrame(covered).style.hide(axis="index").format({"coverage": "{:.1%}", "standard_error": "{:.1%}"}))
Markdown("<small>Data: none, a simulation · Command: `avmc notebooks 05_ablation`</small>")

# %% tags=["hide-input"]
artefacts.save(
    "table4",
    {
        "cells": compared,
        "tally": tally(family),
        "tally_mixup": tally(open_family),
        "coverage": covered,
        "runs": len(records),
        "seeds": len(seeds),
    },
    {
        "data": artefacts.data_mark(data),
        "digest": data.digest[:12],
        "profile": profile,
        "seeds": seeds,
        "code": next(iter(records.values())).code["version"],
        "command": f"avmc run table4 --profile {profile}",
    },
)
Markdown("Which of the paper's sentences about Table 4 hold is decided in [](06_claims.ipynb).")
