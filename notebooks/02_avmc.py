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
# # AV-MC, step by step
#
# Three encoders read a sentence, a voice and a face. Each predicts the sentiment on its own, and all three together predict
# the whole. What is new is the *modality mixup*: voices and faces of different clips are blended, and the model has to stay
# consistent on the blend. This page runs the model on one batch, shows the mixup, trains with several seeds on as many clips as
# the released data have, and ends with what unlabelled clips add, on a smaller corpus.
#
# The public code differs from the printed equations in so many places that there are two variants: `paper` follows
# Equations 1 to 14, `released` follows the code. [](../differences.md) lists every difference by its D number.

# %% tags=["parameters"]
profile = "ci"  # or "full": the published settings, for a real store
store = ""  # an imported store of the real features
seed = 1111  # of the batch and the untrained model shown in the first half

# %% tags=["hide-input"]
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown, display

from avmc_core import artefacts, schema
from avmc_core.analysis import blends, curves, results
from avmc_core.analysis.contrasts import ahead, contrasts
from avmc_core.data.batches import SplitData
from avmc_core.data.store import open_store
from avmc_core.drawing import figures, model_figures
from avmc_core.metrics import METRICS
from avmc_core.mixup import Draw
from avmc_core.models.avmc_networks import build
from avmc_core.models.registry import settings_of
from avmc_core.paper import benchmark
from avmc_core.publishing.mixup_explorer import MixupExplorer, gaps
from avmc_core.publishing.page_parts import in_one_sentence, opening
from avmc_core.publishing.tables import Estimate, Table, contrast_table, of_interval
from avmc_core.runs.execution import sizes_of
from avmc_core.runs.experiments import experiment
from avmc_core.runs.grid import run_all, trained
from avmc_core.simulated.corpus import ensure_corpus

figures.use_style()
data = open_store(store) if store else ensure_corpus("large")
smaller = data if store else ensure_corpus("ci")  # a real store has all its clips already
clips = {of.path: f"{len(of.split('train')):,} clips" for of in (data, smaller)}
plan = experiment("avmc")
both_ways = run_all(plan.runs(profile, store=smaller), smaller, progress_bar=False)
without_unlabelled = [
    run for run in plan.runs(profile, store=data) if not run.capabilities.unlabelled
]
records = run_all(without_unlabelled, data, progress_bar=False)
torch.manual_seed(seed)  # after the runs: what is drawn below must not depend on them
command = f"avmc notebooks 02_avmc --profile {profile}"
opening(
    "what goes into AV-MC and what comes out; a mixup whose weight you choose, before "
    "training and after it; the scores of both variants, with every seed; and what "
    "unlabelled clips add",
    data,
    records | {replace(run, label=f"{run.name} again"): r for run, r in both_ways.items()},
    "trained on " + " and on ".join(dict.fromkeys(clips.values())),
)

# %% [markdown]
# ## One batch
#
# Eight training clips, as the model receives them. Text is the [CLS] state of a BERT that is never fine-tuned (D06); audio
# and vision are sequences of frames, padded to the longest clip of the batch. The padding is never read: a test
# fills it with random values, and nothing may change.

# %%
settings = settings_of("AV-MC", {"variant": "paper"})
model = build(settings, sizes_of(data)).eval()
batch = SplitData(data.split("train"), model.inputs).batch(torch.arange(8))
names = ["text", "audio", "vision"]
shapes = [tuple(getattr(batch, name).shape) for name in names]
steps = [getattr(batch, f"{name}_lengths").tolist() for name in names]
display(Table(pd.DataFrame({"input": names, "shape": shapes, "steps": steps}), "inputs"))
figures.caption(data, command, records=None)

# %% [markdown]
# Each encoder turns its modality into one vector (Equation 5; `Feature_t`, `Feature_a` and `Feature_v` below), the three vectors
# side by side are the multimodal representation (Equation 7; `Feature_f`), and four classifiers (Equation 8) predict the
# multimodal label M and the labels of text T, voice A and face V. This model is still untrained, so what it predicts is nearly
# the same for every clip.

# %%
with torch.no_grad():
    output = model(batch)
shapes = [tuple(value.shape) for value in output.values()]
display(Table(pd.DataFrame({"output": list(output), "shape": shapes}), "outputs"))
figures.caption(data, command, records=None)

# %%
guesses = pd.DataFrame({f"predicted {task}": output[task] for task in "MTAV"}, dtype=float)
guesses["label M"] = batch.label("M").double()
display(Table(guesses.rename_axis("clip").reset_index(), "guesses"))
figures.caption(data, command, records=None)

# %% [markdown]
# ## Mixup made visible
#
# The batch is shuffled, so that every clip has a partner (Equation 1), and a weight lambda is drawn from a Beta
# distribution. The paper does not say which; the released code uses Beta(1, 1), every weight equally likely (D07). Small
# parameters would favour blends that are almost one clip, large ones even blends.

# %% tags=["hide-input"]
display(model_figures.beta_densities([(1, 1), (0.2, 0.2), (4, 4)]))
figures.caption("none, curves of a formula", command, "Equation 2 does not say which")

# %% [markdown]
# A mixture lies on the line between the acoustic representations of two clips. The model is asked for the sentiment of
# a blended voice that belongs to nobody, and its prediction should be the same mixture of its two predictions (Equations 11 to 13).

# %% tags=["hide-input"]
many = SplitData(data.split("train"), model.inputs).batch(
    torch.arange(min(32, len(data.split("train"))))
)
with torch.no_grad():
    untrained = model(many)
blend = Draw(torch.randperm(len(many)), torch.tensor([0.7]))
mixed = blend.mix(untrained["Feature_a"])
fig = model_figures.mixed_representations(
    untrained["Feature_a"].numpy(), blend.partner.numpy(), mixed.numpy(), float(blend.lam)
)
display(figures.mark(fig, data))
figures.caption(data, command, "Equation 2, no figure in the paper", records=None)

# %% [markdown]
# ## Training
#
# Supervised training sees the labelled clips only, in one pass per epoch. Training ends when the loss on the validation split,
# averaged over its clips, has not improved for eight epochs, or, at the profile `ci`, after 60 epochs; the test split is not used
# before that. Three baselines need no training loop: a constant, a ridge regression on the text alone, and three unimodal ridge
# regressions, weighted by a regression on the validation split.

# %% tags=["hide-input"]
Markdown(results.carried_out(records))

# %% tags=["hide-input"]
display(figures.mark(model_figures.training_curves(records), data))
display(figures.caption(data, command, "it shows no curves", records=records))
Markdown(f"{curves.highest_start(records)} {curves.largest_jump(records)}")

# %% [markdown]
# Is the prediction for a blend the blend of the two predictions? The gap is the mean of what Equation 13 minimises. A network that
# predicts nearly the same for all clips has a small gap without being consistent, so the gap is also given as a share of the spread
# (the standard deviation) of the predictions that are blended.

# %% tags=["hide-input"]
chosen = next(run for run in records if run.name == "AV-MC (paper)")  # its first seed
learnt = trained(chosen, records[chosen], data)
mixtures = []
for network in (model, learnt):
    with torch.no_grad():
        seen = network(many)
        predicted = network.classify("audio", blend.mix(seen["Feature_a"]))
    mixtures.append(
        {
            "prediction": predicted.numpy(),
            "target": blend.mix(seen["A"]).numpy(),
            "unmixed": seen["A"].numpy(),
        }
    )
display(figures.mark(model_figures.consistency(*mixtures), data))
display(
    figures.caption(
        data,
        command,
        "Equation 13, no figure in the paper",
        records={chosen: records[chosen]},
    )
)
chosen_record = records[chosen]
Markdown(
    f"{model_figures.consistency_in_words(*mixtures)} "
    f"{curves.consistency_in_training(chosen_record.history, chosen_record.best_epoch)}"
)

# %% [markdown]
# Blend two clips yourself: choose voices or faces, two of these clips, and the weight lambda. Where a network is consistent, its
# two lines coincide. If both lines are also flat, this says little: the network predicts nearly the same for both clips. The two
# panels share one scale.

# %% tags=["hide-input"]
stages = {"before training": model, "after training": learnt}
walked = blends.paths(stages, many)
display(Markdown(f"The network is **{chosen.name}**, seed {chosen.seed}."))
display(MixupExplorer(walked, artefacts.data_mark(data)))
display(
    Table(
        gaps(walked),
        "blends",
        decimals=dict.fromkeys(map("largest gap {}".format, stages), 3),
    )
)
figures.caption(
    data,
    command,
    "Equations 2 and 13, no figure in the paper",
    records={chosen: records[chosen]},
)

# %% [markdown]
# ## On the test split
#
# Every seed, then the mean with a 95 % interval from resampling seeds and source videos together. Percentages are in points
# of 100, as in the paper; MAE is in label units. The hollow diamonds are the paper's Table 2. The semi-supervised model follows
# further below.

# %% tags=["hide-input"]
shown = ["Acc2", "F1", "Acc2_weak", "Corr", "R2", "MAE"]
table = results.tabulate(records, data)
summary = results.summarise(records, data)
compared = results.comparison(
    [row for row in plan.rows if row.name in summary], summary, shown
)
fig = model_figures.over_seeds(compared, table, ["Acc2", "Corr", "MAE"])
display(figures.mark(fig, data))
figures.caption(data, command, "Table 2, last two rows", records=records)

# %% tags=["hide-input"]
scaled = {name: table[name] * METRICS[name].scale for name in shown}
per_seed = table[["name", "seed", "epochs"]].assign(**scaled)
display(
    Table(
        per_seed, "seeds", ["name"], decimals={name: METRICS[name].decimals for name in shown}
    )
)
figures.caption(
    data,
    command,
    "Table 2, one figure per row, from an unstated number of runs",
    records=records,
)

# %% [markdown]
# Does AV-MC beat a constant, a model that reads the text only, and the late mean, which uses voice and face without a network?
# The table counts this over the seeds of each row, in MAE and in Corr. The correlation of a constant is undefined, so in that
# case the question is whether Corr is above zero.

# %% tags=["hide-input"]
seeded = [row.name for row in plan.rows if row.model == "AV-MC"]
wins = results.wins(
    table,
    seeded,
    ("Constant", "Text-only ridge", "Late mean"),
)
display(Table(wins, "wins"))
figures.caption(data, command, "not in the paper", records=records)

# %% [markdown]
# A count of seeds does not show how certain it is that a network is better, and neither does the overlap of two intervals. The
# paired difference does, on the same clips, with the same source videos drawn for both: between each network and the late mean,
# and between each network and the ridge regression that only reads.

# %% tags=["hide-input"]
linear = contrasts(
    records, data, [(name, "Late mean") for name in seeded], ["Acc2", "Corr", "MAE"]
)
display(contrast_table(linear, "late-mean"))
display(figures.caption(data, command, "not in the paper", records=records))
reading_only = contrasts(
    records, data, [(name, "Text-only ridge") for name in seeded], ["Acc2", "Corr", "MAE"]
)
display(contrast_table(reading_only, "text-only"))
display(figures.caption(data, command, "not in the paper", records=records))
Markdown(
    f"**Compared with the late mean, AV-MC performs as follows: {ahead(linear)}. Compared "
    f"with the ridge regression that only reads: {ahead(reading_only)}.** What the columns "
    "mean is explained on [](05_ablation.ipynb)."
)

# %% [markdown]
# What does each head find in its own modality? The table shows Corr with the annotation of the text, the voice and the face,
# without the clips whose unimodal labels are placeholders. *Epoch kept* is the one at which the validation loss was lowest: the
# weighted sum of the losses of all four tasks (D11) decides when training stops.
#
# The printed equations do not normalise features, and the acoustic columns mix hertz, decibels and ratios. The released
# supervised network begins with batch normalisation of averaged frames; the semi-supervised one does not. Correlation is
# undefined for constant predictions.


# %% tags=["hide-input"]
def corr_of_heads(some, of):
    """Row name to task to its Corr, over the seeds of runs on one store."""
    correlations = {}
    for task in schema.MODALITY_OF_TASK:
        for name, scores in results.summarise(some, of, task=task).items():
            correlations.setdefault(name, {})[task] = of_interval("Corr", scores["Corr"])
    return correlations


def head_columns(correlations):
    """One column per head, for a table with one line per row of ``correlations``."""
    return {
        f"Corr, {modality}": [
            tasks.get(task, Estimate(None)) for tasks in correlations.values()
        ]
        for task, modality in schema.MODALITY_OF_TASK.items()
    }


heads = corr_of_heads(records, data)
best = {run: record.best_epoch for run, record in records.items() if record.status == "done"}
epochs = {
    name: float(np.mean([epoch for run, epoch in best.items() if run.name == name]))
    for name in heads
}
kept = [epochs[name] or None for name in heads]
frame = pd.DataFrame({"Model": list(heads), **head_columns(heads), "epoch kept": kept})
display(Table(frame, "heads", decimals={"epoch kept": 1}))
figures.caption(data, command, "not in the paper", records=records)

# %% [markdown]
# ## With unlabelled clips
#
# Semi-supervised training makes two passes per epoch (Algorithm 1): one over labelled and unlabelled clips with both losses, one
# over the labelled clips with the regression loss alone. Because its networks read every frame of all these clips, both ways of
# training are compared on the book's small corpus; on a store of the real data, on all clips. What a head finds depends on how
# many clips it learns from, which these tables show beside those above; [](07_oh_my_god.ipynb) separates the number of clips from the
# scale of the features, and [](13_splits.ipynb) varies the number of labelled clips.

# %% tags=["hide-input"]
ways = {run: record for run, record in both_ways.items() if run.model.startswith("AV-MC")}
display(figures.mark(model_figures.training_curves(ways), smaller))
display(figures.caption(smaller, command, "it shows no curves", records=ways))
Markdown(
    f"{results.carried_out(both_ways)} {curves.highest_start(ways)} "
    f"{curves.largest_jump(ways)}"
)

# %% tags=["hide-input"]
of_ways = results.tabulate(both_ways, smaller)
beside = results.comparison(plan.rows, results.summarise(both_ways, smaller), shown)
display(
    figures.mark(model_figures.over_seeds(beside, of_ways, ["Acc2", "Corr", "MAE"]), smaller)
)
figures.caption(smaller, command, "Table 2, last two rows", records=both_ways)

# %% tags=["hide-input"]
of_both = contrasts(
    both_ways,
    smaller,
    [(name, "Late mean") for name in dict.fromkeys(run.name for run in ways)],
    ["Acc2", "Corr", "MAE"],
)
display(contrast_table(of_both, "late-mean-both-ways"))
display(figures.caption(smaller, command, "not in the paper", records=both_ways))
few_heads = corr_of_heads(both_ways, smaller)
display(
    Table(
        pd.DataFrame({"Model": list(few_heads), **head_columns(few_heads)}), "heads-both-ways"
    )
)
display(figures.caption(smaller, command, "not in the paper", records=both_ways))
size = clips[smaller.path]
Markdown(
    f"**Trained on {size}, with and without unlabelled ones, AV-MC was compared with the "
    "late mean again: "
    f"{ahead(of_both)}.**"
)

# %% tags=["hide-input"]
artefacts.save(
    "avmc",
    {
        "cells": [cell.record() for cell in compared],
        "wins": wins.to_dict("records"),
        "late_mean": ahead(linear),
        "text_only": ahead(reading_only),
        "clips": len(data.split("train")),
        "weak": benchmark.beside_constant(compared, "Acc2_weak"),
        "heads": {
            name: {task: str(corr) for task, corr in tasks.items()}
            for name, tasks in heads.items()
        },
        "epochs": epochs,
        "runs": len(records),
    },
    artefacts.provenance(data, command, records),
)
artefacts.save(
    "avmc_unlabelled",
    {
        "cells": [cell.record() for cell in beside],
        "clips": len(smaller.split("train")),
        "late_mean": ahead(of_both),
        "heads": {
            name: {task: str(corr) for task, corr in tasks.items()}
            for name, tasks in few_heads.items()
        },
        "runs": len(both_ways),
    },
    artefacts.provenance(smaller, f"avmc run avmc --profile {profile}", both_ways),
)
display(Markdown("The same figures beside the paper's: [](../results.md)."))
widest = {
    modality: max(
        path.predictions["after training"].gap for path in walked if path.modality == modality
    )
    for modality in ("audio", "vision")
}
reading = wins.loc[wins["against"] == "Text-only ridge", "MAE"]
better, counted = reading.str.extract(r"(\d+) of (\d+)").astype(int).sum()
in_one_sentence(
    "AV-MC is trained to predict for a blend of two clips the blend of its two predictions; "
    f"in the run of {chosen.name} shown, the pairs above miss that by up to "
    f"{widest['audio']:.3f} label units for voices, whose head has a Corr of "
    f"{heads[chosen.name]['A']} with their annotation, and by {widest['vision']:.3f} for "
    f"faces, whose head has one of {heads[chosen.name]['V']}. {better} of {counted} runs "
    "have a lower MAE than a model that only reads. AV-MC was also compared with the late "
    "mean: "
    f"{ahead(linear)}; on {size}, with and without unlabelled ones, {ahead(of_both)} "
    f"({artefacts.data_mark(data)})."
)
