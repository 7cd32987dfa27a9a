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
# # One modality at a time
#
# What can be inferred from the sentence alone, from the voice alone, from the face alone? Table 3 of the paper asks this twice,
# with the same LSTM regressor: trained and scored on the annotation that people made of that modality alone, and trained and
# scored on the annotation of the whole clip. The second asks more, because the whole clip conveys things that this modality does
# not; whether it is also the harder one, in every metric, is counted at the end of this page.
#
# The paper gives no sizes for its LSTM. Ours has one layer of 64 units behind a batch norm, the same for every modality.

# %% tags=["parameters"]
profile = "ci"  # or "full": the published settings, for a real store
store = ""  # an imported store of the real features

# %% tags=["hide-input"]
from IPython.display import Markdown, display

from avmc_core import artefacts
from avmc_core.analysis import results
from avmc_core.analysis.contrasts import detectable
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.data.store import open_store
from avmc_core.drawing import benchmark_figures, figures, model_figures
from avmc_core.metrics import METRICS
from avmc_core.paper import benchmark
from avmc_core.publishing.page_parts import in_one_sentence, opening
from avmc_core.publishing.tables import (
    Estimate,
    Table,
    agreement,
    of_interval,
    result_table,
)
from avmc_core.runs.experiments import experiment
from avmc_core.runs.grid import run_all
from avmc_core.simulated.corpus import ensure_corpus

figures.use_style()
data = open_store(store) if store else ensure_corpus("ci")
plan = experiment("table3")
records = run_all(plan.runs(profile, store=data), data, progress_bar=False)
display(
    opening(
        "how far one modality alone gets, compared with Table 3, and whether its own "
        "annotation is easier to learn than the multimodal one",
        data,
        records,
    )
)
Markdown(results.carried_out(records))

# %% tags=["hide-input"]
display(figures.mark(model_figures.training_curves(records), data))
figures.caption(
    data, f"avmc run table3 --profile {profile}", "it shows no curves", records=records
)

# %% [markdown]
# ## Beside Table 3
#
# Each row is scored on the annotation that it was trained on. Clips whose unimodal annotations are copies of the multimodal
# one say nothing about a modality; the unimodal rows leave them out, and so are scored on fewer clips than the multimodal
# ones.
#
# On the simulated corpus, agreement with Table 3 is not evidence: how well a sentence, a voice or a face expresses its label was
# chosen there so that Corr matches that table, for the voice its row with wav2vec 2.0 features ([](../data.md)).

# %% tags=["hide-input"]
left_out = int(placeholder_clips(data.split("test").clips).sum())
summary = benchmark.all_tasks(records, data)
cells = benchmark.table_3(summary)
shown = ["Acc2", "Acc2_weak", "Corr", "MAE"]
display(figures.mark(benchmark_figures.unimodal(cells, ["Acc2", "Corr", "MAE"]), data))
display(
    figures.caption(data, f"avmc run table3 --profile {profile}", "Table 3", records=records)
)
Markdown(
    f"Test clips that the unimodal rows leave out: {left_out} of "
    f"{len(data.split('test').clips)}."
)

# %% tags=["hide-input"]
display(result_table(cells, "table3", shown))
command = f"avmc notebooks 04_unimodal --profile {profile}"
agreed = agreement(cells, artefacts.data_mark(data))
figures.caption(data, command, "Table 3", records=records, status=agreed)

# %% [markdown]
# The rows of wav2vec 2.0 features are run when the store has these features; otherwise they are empty here. The released files do
# not hold them, and the simulated corpus has no sound to compute them from.
#
# ## Is a modality's own annotation the easier one?
#
# The paper concludes that the multimodal annotation "can be misleading" for unimodal learning. Below is the difference between
# the two networks of each modality on the same clips, with 95 % intervals over seeds and source videos, next to the difference
# between the two columns of Table 3. The two annotations differ in their spread and in their share of neutral clips, too, which
# moves MAE and accuracy whatever a model has learnt.

# %% tags=["hide-input"]
differences = benchmark.own_minus_whole(records, data)
shown_differences = list(zip(differences["ours"], differences["metric"], strict=True))
signed = {
    "ours": [
        Estimate(
            *((i.estimate, i.low, i.high) if i else (None,)),
            decimals=METRICS[m].decimals,
            note="" if i else benchmark.NOT_RUN,
            signed=True,
        )
        for i, m in shown_differences
    ],
    "Table 3": [
        Estimate(v, decimals=METRICS[m].decimals, signed=True)
        for v, m in zip(differences["Table 3"], differences["metric"], strict=True)
    ],
}
smallest = [
    f"{detectable(i):.{METRICS[m].decimals}f}" if i else "" for i, m in shown_differences
]
display(
    Table(
        differences.assign(**signed, detectable=smallest),
        "own-minus-whole",
        scale_by="metric",
    )
)
display(
    figures.caption(
        data, command, "Table 3, own annotation minus multimodal one", records=records
    )
)
Markdown(benchmark.easier(differences))

# %% tags=["hide-input"]
artefacts.save(
    "unimodal",
    {
        "cells": [cell.record() for cell in cells],
        "corr": {
            name: str(of_interval("Corr", scores["Corr"])) for name, scores in summary.items()
        },
        "differences": differences.assign(
            ours=[vars(i) if i else None for i in differences["ours"]]
        ).to_dict("records"),
        "left_out": left_out,
    },
    artefacts.provenance(data, f"avmc run table3 --profile {profile}", records),
)
display(
    Markdown(
        "What all three modalities give together is on [the benchmark's page](03_benchmark)."
    )
)
reached = {
    words: summary[f"{run}, annotation {task}"]["Corr"]
    for words, run, task in (
        ("the sentence", "text", "T"),
        ("the voice", "audio", "A"),
        ("the face", "vision", "V"),
    )
}
least = min(reached, key=lambda words: reached[words].estimate)
in_one_sentence(
    f"On the data of this page ({artefacts.data_mark(data)}), the correlation with a "
    "modality's own annotation that one LSTM reaches is "
    + ", ".join(f"{value:.2f} for {words}" for words, value in reached.items())
    + f"; the lowest is that for {least}."
)
