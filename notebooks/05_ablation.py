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
# Table 4 of the paper removes parts of supervised AV-MC and prints one figure per cell, without saying how many runs stand behind
# it (D12). A row that is worse by a point may be worse because the part matters, or because seeds and test clips were unlucky. So
# here every row is run with several seeds, in both variants, and is compared with the full model *on the same clips*: what the
# two share cancels, and what remains is an interval for the difference itself.
#
# Without a real store, both variants are trained on a simulated corpus with as many clips as the released data; what the paper leaves
# open about the mixup, and text features that are drawn again, are tried on the book's small one.

# %% tags=["parameters"]
profile = "ci"  # or "full": the published settings, for a real store
store = ""  # an imported store of the real features

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from avmc_core import artefacts
from avmc_core.analysis import coverage, results
from avmc_core.analysis.contrasts import (
    contrasts,
    detectable,
    estimates,
    fixed_models,
    tally,
)
from avmc_core.data.store import open_store
from avmc_core.drawing import contrast_figures, figures, model_figures
from avmc_core.paper.difference_effects import DROPOUT_CHANGES, MIXUP_CHANGES, effects
from avmc_core.publishing.page_parts import in_one_sentence, opening
from avmc_core.publishing.tables import Table, agreement, contrast_table, result_table
from avmc_core.runs.experiments import ABLATIONS, MIXUPS, VARIANTS, experiment
from avmc_core.runs.grid import run_all
from avmc_core.simulated.corpus import ensure_corpus

figures.use_style()
data = open_store(store) if store else ensure_corpus("large")
smaller = data if store else ensure_corpus("ci")  # a real store has all its clips already
clips = {of.path: len(of.split("train")) for of in (data, smaller)}
plan = experiment("table4")
records = run_all(plan.runs(profile), data, progress_bar=False)
mixed = run_all(experiment("mixup").runs(profile), smaller, progress_bar=False)
dropping = experiment("text_dropout")
drawn = run_all(dropping.runs(profile, store=smaller), smaller, progress_bar=False)
opening(
    "what each part of AV-MC is worth, with the smallest difference that each comparison "
    "could have found; what the paper leaves open about its mixup; and how far such "
    "intervals can be trusted",
    data,
    records | mixed | drawn,
    "trained on " + " and on ".join(f"{count:,} clips" for count in clips.values()),
)

# %% [markdown]
# ## The five rows
#
# Four rows each take something away from AV-MC, which is the fifth. Without the unimodal tasks there are no unimodal predictions that
# a mixture could be consistent with, so the first row loses the mixup as well, as in the paper.

# %% tags=["hide-input"]
changed = {
    name: ", ".join(f"{setting}: {value}" for setting, value in dict(changes).items())
    or "none"
    for name, changes in ABLATIONS.items()
}
display(
    Table(
        pd.DataFrame({"row": list(changed), "settings changed": list(changed.values())}),
        "rows",
    )
)
figures.caption("none, these are settings", "avmc notebooks 05_ablation", "Table 4")

# %% tags=["hide-input"]
seeds = sorted({run.seed for run in records})
Markdown(results.carried_out(records))

# %% [markdown]
# ## Every seed
#
# Points are seeds, bars are 95 % intervals from resampling seeds and source videos together, hollow diamonds the paper's
# cells.

# %% tags=["hide-input"]
shown = ["Acc2", "F1", "Acc2_weak", "Corr", "R2", "MAE"]
table = results.tabulate(records, data)
summary = results.summarise(records, data)
compared = results.comparison(plan.rows, summary, shown, "table4_ablation")
fig = model_figures.over_seeds(compared, table, ["Acc2", "Acc2_weak", "MAE"])
display(figures.mark(fig, data))
command = f"avmc notebooks 05_ablation --profile {profile}"
figures.caption(data, command, "Table 4", records=records)

# %% tags=["hide-input"]
display(result_table(compared, "table4"))
agreed = agreement(compared, artefacts.data_mark(data))
figures.caption(data, command, "Table 4", records=records, status=agreed)

# %% [markdown]
# ## Differences from the full model
#
# One bootstrap draws source videos for both rows together and seeds for each row separately. All comparisons of this table form
# one family, and the last column corrects for that. Two columns help to interpret the absence of a difference. *Detectable* is
# the smallest true difference that the comparison, uncorrected, would distinguish from zero in four of five repetitions; one of
# seven tenths of that size is missed as often as it is seen. The *chance of a better run* is the chance that a run of the full model beats a run of the
# ablated one. One half does not mean that the two are equal: it means that neither is ahead more often, which also holds for two
# models whose runs scatter widely.

# %% tags=["hide-input"]
pairs = {
    variant: [
        (f"AV-MC ({variant})", f"{name} ({variant})") for name in ABLATIONS if name != "AV-MC"
    ]
    for variant in VARIANTS
}
metrics = ["Acc2", "Acc2_weak", "Corr", "MAE"]
family = contrasts(records, data, [pair for of in pairs.values() for pair in of], metrics)
display(figures.mark(contrast_figures.forest(family, ["Acc2", "Acc2_weak", "MAE"]), data))
display(figures.caption(data, command, "Section 5.4", records=records))
Markdown(f"**{tally(family)}** {estimates(family, 'the full model')}")

# %% tags=["hide-input"]
display(contrast_table(family, "table4-differences"))
display(
    figures.caption(data, command, "Table 4, full model minus ablated model", records=records)
)
smallest = {
    variant: {
        metric: float(np.median([detectable(d) for d in rows["difference"]]))
        for metric, rows in family[family["first"] == f"AV-MC ({variant})"].groupby("metric")
    }
    for variant in VARIANTS
}
Markdown(
    f"With {clips[data.path]:,} training clips, in the median, the smallest difference that "
    "is found in four of five repetitions: "
    + "; ".join(
        f"{variant}: {thresholds['Acc2']:.1f} points of Acc2, "
        f"{thresholds['Corr']:.1f} points of Corr, {thresholds['MAE']:.3f} of MAE"
        for variant, thresholds in smallest.items()
    )
    + "."
)

# %% [markdown]
# With one seed, which is all that the released code runs (D12), only two *fixed* models can be compared. A permutation test
# swaps their predictions for whole source videos; the p values are those of the first seed, another seed gives others, and they are
# not corrected for the number of comparisons.

# %% tags=["hide-input"]
alone = fixed_models(
    records, data, [pair for of in pairs.values() for pair in of], metrics, seeds[0]
)
display(
    Table(
        alone.reset_index(names="p values"),
        "table4-one-seed",
        decimals=dict.fromkeys(metrics, 4),
    )
)
one = {run: record for run, record in records.items() if run.seed == seeds[0]}
figures.caption(
    data, command, "Table 4, one figure per row, from an unstated number of runs", records=one
)

# %% [markdown]
# ## What the paper leaves open
#
# The distribution of lambda is not named, nor whether one lambda serves the whole batch, nor whether the consistency target
# passes gradients. And while Section 4.2 mixes the representations that the encoders give, Section 2.3 calls the mixup
# input-level, in which case mixed frames pass through the encoder. A third possibility is to mix inside the classifier. Below,
# each choice is compared with the one that this companion makes, in the `paper` variant.

# %% tags=["hide-input"]
first, *others = MIXUPS
open_family = contrasts(
    mixed, smaller, [(name, first) for name in others], ["Acc2", "Acc2_weak", "MAE"]
)
display(
    figures.mark(contrast_figures.forest(open_family, ["Acc2", "Acc2_weak", "MAE"]), smaller)
)
open_command = f"avmc run mixup --profile {profile}"
display(
    figures.caption(
        smaller, open_command, "silent (D07, D08), or undecided (D31)", records=mixed
    )
)
Markdown(f"**{tally(open_family)}** All are trained on {clips[smaller.path]:,} clips.")

# %% [markdown]
# ## Text features that are drawn again at every step
#
# The public code runs its frozen BERT inside the model, in training mode: dropout changes the text features of a clip at each
# step, and three times within a step of supervised AV-MC (D16). Here they are computed once and stored. The switch `text =
# frozen_dropout` does what the public code does, in training only. The encoder in every step is slow; the `ci` profile trains
# both rows with small batches for few epochs.

# %% tags=["hide-input"]
noise = contrasts(
    drawn,
    smaller,
    [("encoder with dropout", "stored features")],
    ["Acc2", "Acc2_weak", "Corr", "MAE"],
)
display(contrast_table(noise, "text-dropout"))
drawn_command = f"avmc run text_dropout --profile {profile}"
display(figures.caption(smaller, drawn_command, "features computed once", records=drawn))
Markdown(
    f"{dropping.not_run(smaller, profile)} **{tally(noise)}** Both are trained on "
    f"{clips[smaller.path]:,} clips. The simulated corpus "
    "has an untrained text encoder of one layer; "
    "BERT has twelve, and was trained."
)

# %% [markdown]
# ## How far the intervals can be trusted
#
# This section simulates many experiments with a known truth, of the size of the real test split. Each gives an interval, and the
# figure shows the share of intervals that contain the truth. The line is the nominal coverage. The figure and the first table are for a single model; the
# second table is for what this page uses, the difference between two models with equal numbers of seeds. How far such an interval
# can be trusted depends on how much of the difference is due to seeds: where runs of one model lie far apart, three seeds are too
# few for the interval to say so.

# %% tags=["hide-input"]
covered = coverage.kept_rows("one", coverage.table)
display(contrast_figures.coverage_curve(covered))
display(
    Table(
        pd.DataFrame(covered),
        "coverage",
        decimals=dict.fromkeys(["coverage", "standard_error"], ".1%"),
    )
)
figures.caption(
    "none, simulated experiments with a known truth",
    "avmc notebooks 05_ablation",
    "it gives no intervals",
)

# %% tags=["hide-input"]
paired = coverage.kept_rows("paired", coverage.paired_table)
display(
    Table(
        pd.DataFrame(paired).rename(columns={"runs apart": "runs apart, points of 100"}),
        "coverage-paired",
        decimals=dict.fromkeys(["coverage", "standard_error"], ".1%"),
    )
)
display(
    figures.caption(
        "none, simulated experiments with a known truth",
        "avmc notebooks 05_ablation",
        "it gives no intervals",
    )
)
three = [row["coverage"] for row in paired if row["seeds"] == 3]
five = [row["coverage"] for row in paired if row["seeds"] == 5]
Markdown(
    f"Intervals that promise 95 % contain the true difference in {100 * min(three):.0f} to "
    f"{100 * max(three):.0f} % of experiments with three seeds, and in {100 * min(five):.0f} "
    f"to {100 * max(five):.0f} % with five."
)

# %% tags=["hide-input"]
artefacts.save(
    "table4",
    {
        "cells": [cell.record() for cell in compared],
        "tally": tally(family),
        "tally_mixup": tally(open_family),
        "coverage": covered,
        "coverage_paired": paired,
        "detectable": smallest,
        "seeds": len(seeds),
    },
    artefacts.provenance(data, command, records),
)
artefacts.save(
    "mixup",
    {"effects": effects(mixed, smaller, MIXUP_CHANGES)},
    artefacts.provenance(smaller, open_command, mixed),
)
artefacts.save(
    "text_dropout",
    {
        "effects": effects(drawn, smaller, DROPOUT_CHANGES),
        "tally": tally(noise),
    },
    artefacts.provenance(smaller, drawn_command, drawn),
)
sure = family[(family["p_holm"] <= 0.05) & (family["first"] == "AV-MC (released)")]
tried = family[family["first"] == "AV-MC (released)"]
in_one_sentence(
    f"Of {len(tried)} comparisons of AV-MC (released) with a part taken away, on "
    f"{clips[data.path]:,} training clips, {len(sure)} survive the correction over all "
    f"{len(family)} of this page"
    + (
        " (" + "; ".join(f"{row.second}, {row.metric}" for row in sure.itertuples()) + ")"
        if len(sure)
        else ""
    )
    + f"; in four of five repetitions, uncorrected, a difference of "
    f"{smallest['released']['Acc2']:.1f} points of Acc2 would be found "
    f"({artefacts.data_mark(data)}). Which of the paper's sentences "
    "about Table 4 hold is decided in [](06_claims.ipynb)."
)
