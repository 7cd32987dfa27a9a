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
# # Trained as the reference trains
#
# A network that computes the same outputs as another can still be trained differently: with another learning rate for one group
# of weights, with another weight in the loss, with gradients accumulated over another number of batches, or with another epoch
# kept at the end. So whole training runs of the public code were recorded, on made-up clips, and are repeated here in *lockstep*:
# our trainer is given the start weights, the order of the clips and the draws of the mixup that the public code had, and nothing
# else. If both do the same, every loss, every prediction and every weight agrees up to rounding until the end.

# %% tags=["parameters"]
profile = "ci"  # or "full": the published settings, for a real store
store = ""  # an imported store of the real features
epochs = 6  # for how long a small change of the start weights is followed

# %% tags=["hide-input"]
import json

import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from avmc_core import artefacts
from avmc_core.analysis.contrasts import contrasts, tally
from avmc_core.analysis.sensitivity import ROUNDING, growth
from avmc_core.data.store import open_store
from avmc_core.drawing import figures, sensitivity_figures
from avmc_core.home import resource_text
from avmc_core.models.registry import settings_of
from avmc_core.paper.difference_effects import VALIDATION_CHANGES, effects
from avmc_core.publishing.page_parts import in_one_sentence, opening
from avmc_core.publishing.tables import Table, contrast_table
from avmc_core.runs.execution import StoreData
from avmc_core.runs.experiments import VALIDATED, VALIDATIONS, experiment
from avmc_core.runs.grid import run_all
from avmc_core.simulated.corpus import ensure_corpus

figures.use_style()
data = open_store(store) if store else ensure_corpus("ci")
lockstep = json.loads(resource_text("lockstep.json"))
plan = experiment("validation")
records = run_all(plan.runs(profile, store=data), data, progress_bar=False)
opening(
    "how closely our trainings follow those of the public code; why two trainings on two "
    "machines cannot agree as closely; and what the one thing that the public code draws at "
    "random during validation is worth (D17)",
    data,
    records,
    f"recorded trainings, which the package carries, on {lockstep['provenance']['data']}",
)

# %% [markdown]
# ## In lockstep
#
# There is one row for each model of the benchmark except Bert_MAG, for which no training was recorded. Each training runs for a
# few epochs on two dozen clips, with settings that differ between all groups of weights, without dropout, and with the text
# encoder replaced by fixed hidden states; dropout and the fine-tuning of the encoder are therefore not covered. Where training in
# single precision would not be a test, because rounding alone can change it too much, both were trained in double precision; the
# public code's MulT computes its softmax in single precision even then. The last column, *grows by*, says by what factor a tiny
# change of the initial weights had grown in the predictions of the public code itself at the end; for the recording, initial
# weights were taken for which this factor is small, as far as there were any.

# %% tags=["hide-input"]
trainings = lockstep["data"]["trainings"]
precision = {"float32": "single", "float64": "double"}
shown = pd.DataFrame(
    {
        "Model": [row["model"] for row in trainings],
        "precision": [precision[row["dtype"]] for row in trainings],
        "epochs": [row["epochs"] for row in trainings],
        "batches": [row["batches"] for row in trainings],
        "predictions": [row["differences"]["predictions"] for row in trainings],
        "losses": [row["differences"]["losses"] for row in trainings],
        "end weights": [row["differences"]["end"] for row in trainings],
        "allowed": [row["allowed"]["predictions"] for row in trainings],
        "grows by": [row["amplified"] for row in trainings],
    }
)
small = dict.fromkeys(["predictions", "losses", "end weights", "allowed"], ".0e")
display(Table(shown, "lockstep", decimals={**small, "grows by": ".0f"}))
versions = ", ".join(
    sorted({f"{row['reference']} at {row['commit'][:7]}" for row in trainings})
)
caption = artefacts.statement(lockstep["provenance"])
display(
    Markdown(
        f'<small class="avmc-caption">{caption}</small>\n\nLargest absolute differences '
        f"between our training and the public code's ({versions})."
    )
)
furthest = shown.groupby("precision")["predictions"].max()
most = shown.loc[shown["grows by"].idxmax()]
unit = {"single": np.finfo(np.float32).eps, "double": np.finfo(np.float64).eps}[
    most["precision"]
]
held = sum(
    all(row["differences"][kind] <= allowed for kind, allowed in row["allowed"].items())
    for row in trainings
)
kept = sum(row["best_epoch"]["ours"] == row["best_epoch"]["theirs"] for row in trainings)
tried = sum(row["wrong"]["settings"] for row in trainings)
alike = sum(row["wrong"]["alike"] for row in trainings)
Markdown(
    f"In single precision no prediction differs by more than {furthest['single']:.0e}, in "
    f"double precision by more than {furthest['double']:.0e}. Both keep the same epoch in "
    f"{kept} of {len(trainings)} trainings. The largest factor, {most['grows by']:,.0f} for "
    f"{most['Model']}, is no sign of a difference: rounding in {most['precision']} precision "
    f"begins at {unit:.0e} and so grows to {most['grows by'] * unit:.0e}, and the "
    f"predictions differ by {most['predictions']:.0e}. That such a test can fail was tried "
    f"with {tried} wrong settings, one at a time: a learning rate or a task's weight that is "
    f"2 % too high, no weight decay, no accumulation, no clipping. In {alike} of {tried} "
    "cases the wrong setting moved our predictions as far as it moved the public code's, to "
    "the two digits that are recorded."
)

# %% [markdown]
# ## Why two machines will not agree
#
# Lockstep needs the same numbers at the start. Two processors, or two versions of a library, add numbers in a different order and
# so differ by a rounding error after the first step. Here training is repeated with initial weights that differ by about that
# much, and with everything else equal. A training run that damps such a change can be repeated elsewhere to a few digits; one
# that amplifies it cannot, however correct its code is. One cause of amplification is Adam, which divides by the size of a
# gradient: where a gradient is zero but for rounding, its steps have full length in a random direction.

# %% tags=["hide-input"]
followed = {}
for model in ("AV-MC", "AV-MC(Semi)"):
    limits = {"training.max_epochs": epochs, "training.patience": epochs}
    semi = getattr(settings_of(model), "semi", False)
    if not semi or "unlabelled" in data.splits:
        followed[model] = growth(model, settings_of(model, limits), StoreData(data), 1111)
display(figures.mark(sensitivity_figures.growth(followed, ROUNDING), data))
command = f"avmc notebooks 16_reference_training --profile {profile}"
display(figures.caption(data, command, "not in the paper", records=None))
Markdown(
    f"After a change of {ROUNDING:.0e}, "
    + "; ".join(
        f"the predictions of {model} differ by {values[0]:.0e} after the first epoch and by "
        f"{values[-1]:.0e} after epoch {len(values)}"
        for model, values in followed.items()
    )
    + ". A figure of a model whose training amplifies rounding belongs to a distribution, "
    "not to a seed: quote it with its spread over seeds."
)

# %% [markdown]
# ## What the order of the validation clips is worth
#
# The public code averages the validation loss over batches. The last batch is smaller, so its clips count for more (D11), and
# the batches are shuffled again in every epoch, so that other clips count for more each time (D17). The loss that decides which
# epoch is kept then changes even if the network does not, and the lowest of many such losses is partly luck. Here the loss is a
# mean over clips; `training.validation` is `batches` or `shuffled_batches` for the other two.

# %% tags=["hide-input"]
finished = [(run, record) for run, record in records.items() if record.status == "done"]
runs = pd.DataFrame(
    {
        "row": [run.name for run, _ in finished],
        "epochs": [record.epochs for _, record in finished],
        "epoch kept": [record.best_epoch for _, record in finished],
        "lowest validation loss": [
            min(row["validation"] for row in record.history) for _, record in finished
        ],
    }
)
means = runs.groupby("row", sort=False).mean().reset_index()
display(
    Table(means, "kept", decimals={"epochs": 1, "epoch kept": 1, "lowest validation loss": 3})
)
validation_command = f"avmc run validation --profile {profile}"
display(
    figures.caption(data, validation_command, "not in the paper (D11, D17)", records=records)
)
if left_out := plan.not_run(data, profile):
    display(Markdown(left_out))

# %% tags=["hide-input"]
clips, _, as_run = VALIDATIONS
pairs = [(f"{model}, {clips}", f"{model}, {as_run}") for model in VALIDATED]
family = contrasts(records, data, pairs, ["Acc2", "Acc2_weak", "Corr", "MAE"])
display(contrast_table(family, "validation"))
figures.caption(data, validation_command, "not in the paper (D11, D17)", records=records)

# %% tags=["hide-input"]
lowest = means.set_index("row")["lowest validation loss"]
ran = [pair for pair in pairs if set(pair) <= set(lowest.index)]
lower = [pair for pair in ran if lowest[pair[1]] < lowest[pair[0]]]
artefacts.save(
    "validation",
    {"effects": effects(records, data, VALIDATION_CHANGES), "tally": tally(family)},
    artefacts.provenance(data, validation_command, records),
)
unsteady = max(followed, key=lambda model: followed[model][-1])
in_one_sentence(
    f"Our trainer follows the public code's as closely as rounding allows in {held} of "
    f"{len(trainings)} recorded trainings; a change of {ROUNDING:.0e} in the first weights "
    f"moves the predictions of {unsteady} by {followed[unsteady][-1]:.0e} after "
    f"{len(followed[unsteady])} epochs; and shuffled batches make the lowest validation loss "
    f"look better in {len(lower)} of {len(ran)} models. On the test split: {tally(family)}"
)
