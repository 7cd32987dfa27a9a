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
# # What a model relies on
#
# A model that is given three modalities need not use them. Here trained models are applied to test clips that were changed in one
# respect: a modality exchanged between clips, taken away, or disturbed; or the words misheard. What a model loses shows what it
# used. The paper's own evidence of this kind is its Figure 6, six staged clips in which voice and face change while the words
# stay the same ([](07_oh_my_god.ipynb)); it does not remove any modality, and gives no number for the worth of each.
#
# Any row of any experiment can be put into `models` below. Whether the unimodal predictions of such models mean what they say is on
# [](18_calibration.ipynb).

# %% tags=["parameters"]
profile = "ci"  # or "full": the published settings, for a real store
store = ""  # an imported store of the real features
models = {
    "table4": ["AV-MC (released)"],
    "avmc": ["Late mean", "Text-only ridge"],
}
metric = "MAE"  # shown in the figures; the tables and the saved result hold the others
seed = 0  # of permutations, noise and recognition errors

# %% tags=["hide-input"]
import pandas as pd
from IPython.display import Markdown, display

from avmc_core import artefacts
from avmc_core.analysis import generating_rule, reliance
from avmc_core.analysis.conditions import USUAL, Plan
from avmc_core.analysis.reliance_tables import (
    as_rows,
    loss_table,
    misheard_table,
    share_table,
    shown,
    spared,
)
from avmc_core.analysis.transcription_errors import KINDS, encoder_of, encoding_gap
from avmc_core.data.store import open_store
from avmc_core.drawing import figures, reliance_figures
from avmc_core.errors import InputError
from avmc_core.publishing.html_table import Table
from avmc_core.publishing.page_parts import in_one_sentence, opening
from avmc_core.runs.grid import run_all
from avmc_core.runs.selection import runs_of
from avmc_core.simulated.corpus import ensure_corpus

figures.use_style()
data = open_store(store) if store else ensure_corpus("large")
command = f"avmc notebooks 14_reliance --profile {profile}"
clips = len(data.split("train"))
records = run_all(runs_of(models, profile), data, progress_bar=False)
display(
    opening(
        "what AV-MC loses without each modality, the shares of its score, and what "
        "recognition errors cost it",
        data,
        records,
        f"{clips:,} training clips",
    )
)
test = data.split("test")
try:
    gap, rates, silence = encoding_gap(test, encoder_of(data)), USUAL.rates, ""
except InputError as error:
    gap, rates, silence = (
        float("nan"),
        (),
        f"Not computed, because there is no text encoder for this store: {error}",
    )
plan = Plan(rates=rates, seed=seed)
measured = reliance.kept_runs(records, data, plan)

# %% [markdown]
# ## What is lost without a modality
#
# - *permuted*: each clip gets the words, the voice or the face of another test clip. What the model is given is plausible but
#   wrong, and a model that trusts the modality is misled by it.
# - *removed*: every step holds the mean of the training clips. The model is given an average clip, as if nothing were
#   expressed.
# - *noised*: every feature of a clip is shifted by a random number from a normal distribution, whose spread is a multiple,
#   stated below, of the feature's standard deviation over the training clips. There is one shift per clip, because noise that is new in each frame would vanish where a model averages.
#   Noise tests how fragile a model is, and does not measure how far it relies on a modality: the shifts of single features are
#   independent, while the features of real clips move together. A network that adds up hundreds of text features averages such
#   shifts out, and can lose next to nothing although it reads; a linear regression, whose weights cancel on real sentences, can
#   lose more than if the words were taken away.
#
# Right of zero, and positive in the table, is a loss in every metric. Bars are 95 % intervals from resampling seeds and source
# videos, the same draws with and without the change. A model that reads the text alone must stand at zero for voice and face.
#
# The *generating rule* is not a model: it is the expected multimodal label given the three annotations themselves, under the
# joint distribution fitted to the real label counts. It says how the label depends on the modalities for a reader who sees what
# the annotators saw, on the clips whose unimodal labels are their own. A model that reads features cannot be expected to reach
# it.

# %% tags=["hide-input"]
with_rule = measured | generating_rule.measure_rule(data, plan)
lost = reliance.losses(with_rule)
display(figures.mark(reliance_figures.losses(lost, metric), data))
display(figures.caption(data, command, status="not in the paper", records=records))
Markdown(
    f"The noise is normal, with {plan.scale:g} times the standard deviation of the feature "
    "over the training clips. Each "
    f"modality is permuted {plan.permutations} times, and the "
    "losses are averaged."
)

# %% tags=["hide-input"]
display(
    Table(loss_table(lost, ["Acc2", "Corr", "MAE"]), "losses", filters=("modality", "change"))
)
figures.caption(
    data, command, status="lost: how much worse than with intact clips", records=records
)

# %% [markdown]
# ## Shares of the score
#
# Removing one modality while keeping the others undervalues information that two of them share. The **Shapley value** counts a
# modality's contribution to a metric over all orders in which the three can be added, from the eight subsets. The three values
# add up to the score with everything minus the score with nothing, which is checked below, up to rounding. With nothing, a model
# predicts the same value for every clip; the correlation of such predictions is undefined, and counts as 0 so that the values
# can add up. In MAE, where less is better, a modality that helps has a negative share in the table; the figure turns the sign.

# %% tags=["hide-input"]
shares = reliance.shares(with_rule)
display(figures.mark(reliance_figures.shares(shares, ["Acc2", "Corr", "MAE"]), data))
figures.caption(data, command, status="not in the paper", records=records)

# %% tags=["hide-input"]
display(
    Table(
        share_table(shares, ["Acc2", "Corr", "MAE"]),
        "shares",
        filters=("metric",),
        scale_by="metric",
    )
)
worst = max(abs(reliance.remainder(shares)))
display(
    figures.caption(
        data, command, status="all = none + text + audio + vision", records=records
    )
)
Markdown(f"Largest difference between the sum of the parts and the whole: {worst:.1e}.")

# %% [markdown]
# ## When the words are misheard
#
# One of the paper's reasons for acoustic and visual cues is that transcripts by recognisers have mistakes (Section 1): a model
# that also uses voice and face should then lose less than one that reads the text only. Here each spoken character of the test
# transcripts is, with a given probability, replaced by another, left out, or followed by one too many; the text encoder reads the
# result again, and the rest of the clip does not change. The models were trained on clean transcripts. Real recognisers err less
# evenly: they confuse what sounds alike and lose whole words, so this is a model of errors, not a recording of them.

# %% tags=["hide-input"]
heard = reliance.hearing(measured)
if heard.empty:
    display(Markdown(silence))
else:
    display(figures.mark(reliance_figures.hearing(heard, metric), data))
    display(figures.caption(data, command, status="not in the paper", records=records))
    display(
        Markdown(
            "The encoder gives the store's own text features back from the clean transcripts "
            f"to within {gap:.1e}."
        )
    )

# %% tags=["hide-input"]
reader, hearer, errors = "Text-only ridge", models["table4"][0], ""
if not heard.empty:
    kind, rate = KINDS[0], heard["rate"].max()
    misheard = misheard_table(heard, ["Acc2", "Corr", "MAE"], kind, rate)
    display(Table(misheard, "misheard"))
    display(figures.caption(data, command, status="not in the paper", records=records))
    cost = misheard.set_index("Model")["Corr lost"]
    errors = (
        f"With {100 * rate:.0f} % of the characters substituted {hearer} loses "
        f"{cost[hearer]} points of Corr, {spared(cost[hearer], cost[reader])} the text-only "
        f"ridge, which loses {cost[reader]}"
    )
    display(Markdown(f"**{errors}.**"))

# %% tags=["hide-input"]
of_interest = {"modality": "audio", "way": "removed", "metric": "Corr"}
voiceless = lost[(lost[list(of_interest)] == pd.Series(of_interest)).all(axis=1)].to_dict(
    "records"
)
artefacts.save(
    "reliance",
    {
        "losses": as_rows(lost),
        "voiceless": {
            row["name"]: str(shown(row["loss"], "Corr", signed=True)) for row in voiceless
        },
        "shares": as_rows(shares),
        "hearing": as_rows(heard),
        "misheard": errors,
        "remainder": worst,
    },
    artefacts.provenance(data, command, records),
)


def of(name, modality):
    row = lost[
        (lost["name"] == name)
        & (lost["modality"] == modality)
        & (lost["way"] == "permuted")
        & (lost["metric"] == "Corr")
    ]
    return shown(row["loss"].iloc[0], "Corr", signed=True)


in_one_sentence(
    f"With the words of other clips {hearer} loses {of(hearer, 'text')} points of Corr, with "
    f"their faces {of(hearer, 'vision')}, with their voices {of(hearer, 'audio')} "
    f"({artefacts.data_mark(data)}). "
    + (f"{errors}. " if errors else "")
    + "What a prediction must not be used for: [](../limits.md)."
)
