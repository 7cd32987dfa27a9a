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
# # The representations of Figure 7
#
# The paper shows the unimodal representations of three models in a t-SNE plot and draws two conclusions from it: with unimodal
# tasks the modalities overlap less, and with the mixup each modality is "more separated" within itself. A t-SNE plot is one
# nonlinear embedding from a random start; it keeps neighbourhoods, but neither distances nor sizes, so by itself it supports
# neither conclusion.

# %% tags=["parameters"]
profile = "ci"  # or "full": the published settings, for a real store
store = ""  # an imported store of the real features
models = {  # panels (a), (b), (c); any networks with a representation of each modality
    "table4": [
        "w/o Mixup-AV & Unimodal tasks (released)",
        "w/o Mixup-AV (released)",
        "AV-MC (released)",
    ],
}
seed = 0  # of t-SNE and of the resampling

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from avmc_core import artefacts, schema
from avmc_core.analysis.contrasts import detectable
from avmc_core.analysis.estimate import Estimate, places
from avmc_core.analysis.representations import (
    MEASURES,
    READINGS,
    change,
    interval,
    kept_embedding,
    kept_over_seeds,
    reading,
)
from avmc_core.data.splits import take
from avmc_core.data.store import open_store
from avmc_core.drawing import figures, representation_figures
from avmc_core.publishing.html_table import Table
from avmc_core.publishing.page_parts import in_one_sentence, opening
from avmc_core.runs.grid import run_all
from avmc_core.runs.selection import runs_of
from avmc_core.simulated.corpus import ensure_corpus

figures.use_style()
data = open_store(store) if store else ensure_corpus("large")
command = f"avmc notebooks 09_tsne --profile {profile}"
clips = len(data.split("train"))
records = run_all(runs_of(models, profile), data, progress_bar=False)
display(
    opening(
        "the plot; beside it the same two statements measured where the points are, over "
        "seeds; and what the networks look like before their first training step, which a "
        "plot of trained models does not show",
        data,
        records,
        f"{clips:,} training clips",
    )
)
test = data.split("test")
shown_runs = {}  # of each model, the first seed that is done
for run, record in records.items():
    if record.status == "done":
        shown_runs.setdefault(run.name, run)
names = list(shown_runs)

# %% [markdown]
# ## The plot
#
# The same clips of the test split (at most 400, drawn at random), three points each, in every panel; the first seed of each
# model. Representations of different widths get zeros at the end of the shorter ones: the paper does not say how it did this.
# *Trustworthiness* is the share of neighbourhoods in the picture that are neighbourhoods in the space.

# %% tags=["hide-input"]
rows = np.random.default_rng(seed).permutation(len(test))[:400]
some = take(test, np.sort(rows), "test")
drawn = {
    name: kept_embedding(run, records[run], data, some, seed)
    for name, run in shown_runs.items()
}
classes = schema.sentiment_class(some.labels[:, 0])
display(
    figures.mark(
        representation_figures.embeddings(
            {n: flat for n, (flat, _) in drawn.items()}, classes
        ),
        data,
    )
)
display(figures.caption(data, command, "Figure 7", records=records))
Markdown(
    "Trustworthiness: "
    + ", ".join(f"{name} {trust:.3f}" for name, (_, trust) in drawn.items())
    + "."
)

# %% [markdown]
# ## The same in numbers
#
# These measures are computed on the clips of the plot, in the original space:
#
# - *silhouette by modality*: towards 1 when points lie closer to their own modality than to the next one, 0 when modalities
#   overlap.
# - *spread*: the share of the variance of all points that lies between the clips of one modality.
# - *dimensions*: how many dimensions these clips fill, as a participation ratio of the variances along them.
# - *alignment*: linear centred kernel alignment of two modalities, 1 when they arrange the clips alike. No rotation of one of them
#   changes it, unlike the silhouette.
#
# Hollow points are the same networks before their first training step, with batch norms that know the scale of the training
# clips: whatever is present there was not learned. That matters for the silhouette, because nothing in the losses says where one
# modality's axes lie relative to another's. Bars are 95 % intervals from resampling seeds and source videos. A resample repeats
# clips, and the fewer different ones there are, the more alike two arrangements of them look; this bias, the mean of the
# resamples minus the value itself, is subtracted.

# %% tags=["hide-input"]
table = kept_over_seeds(records, data, some, seed=seed)
start = kept_over_seeds(records, data, some, before=True, n=20, seed=seed)
trained, untouched = (
    {
        name: {m: interval(values, seed) for m, values in by_measure.items()}
        for name, by_measure in which.items()
    }
    for which in (table, start)
)
display(figures.mark(representation_figures.measured(trained, untouched), data))
display(figures.caption(data, command, status="not in the paper", records=records))
apart = MEASURES[0]
ends = {name: (untouched[name][apart].estimate, trained[name][apart]) for name in names}
nearer = [name for name, (start_at, end) in ends.items() if end.high < start_at]
farther = [name for name, (start_at, end) in ends.items() if end.low > start_at]
if len(nearer) == len(names):
    striking = "In every model the modalities are further apart before training than after it"
elif len(farther) == len(names):
    striking = "In every model training moves the modalities apart"
else:
    striking = (
        f"The modalities are further apart before training than after it in {len(nearer)} of "
        f"{len(names)} models, and closer in {len(farther)}"
    )
values = "; ".join(
    f"{name}: {start_at:.2f} before, {end:.2f} after"
    for name, (start_at, end) in ends.items()
)
follows = (
    " So the plot shows modalities apart, but training did not bring this about."
    if len(nearer) == len(names)
    else ""
)
Markdown(f"**{striking}** (silhouette by modality: {values}).{follows}")

# %% tags=["hide-input"]
rows = [
    {
        "measure": m,
        "Model": name,
        "value": Estimate(*_ends, decimals=places(*_ends)),
        "before training": untouched[name][m].estimate,
    }
    for m in MEASURES
    for name in names
    for _ends in [(trained[name][m].estimate, trained[name][m].low, trained[name][m].high)]
]
display(
    Table(
        pd.DataFrame(rows),
        "representations",
        filters=("measure",),
        decimals={"before training": "#.3g"},
        scale_by="measure",
    )
)
figures.caption(data, command, status="not in the paper", records=records)

# %% [markdown]
# ## What the paper reads off its plot
#
# Each of these conclusions is measured as the change from one panel to the next, with the same source videos drawn for both
# models. "Seen" is written where the whole interval lies above zero. A silhouette that rises says that modalities overlap less;
# that a larger spread means a better perception of fine sentiment, as the paper goes on to say, does not follow from it and is
# not tested here.

# %% tags=["hide-input"]
readings = []
for first, second, measure, words in READINGS:
    if second < len(names):
        d = change(table[names[first]][measure], table[names[second]][measure], seed)
        # an end that decides is not shown as zero
        decimals = places(d.low, d.high)
        if not all(round(end, decimals) for end in (d.low, d.high)):
            decimals = max(places(d.low), places(d.high))
        shown = Estimate(d.estimate, d.low, d.high, decimals=decimals, signed=True)
        readings.append(
            {
                "the paper": words,
                "from": names[first],
                "to": names[second],
                "measure": measure,
                "change": shown,
                "detectable": f"{detectable(d):.{decimals}f}",
            }
            | {"verdict": reading(d)}
        )
display(Table(pd.DataFrame(readings), "readings", scale_by="measure"))
tally = pd.Series([row["verdict"].partition(":")[0] for row in readings]).value_counts()
display(figures.caption(data, command, "Section 5.4 and Figure 7", records=records))
Markdown(
    "Of these: " + ", ".join(f"{count} {verdict}" for verdict, count in tally.items()) + "."
)

# %% tags=["hide-input"]
artefacts.save(
    "representations",
    {
        "measures": {
            name: {m: vars(i) for m, i in by.items()} for name, by in trained.items()
        },
        "before": {
            name: {m: i.estimate for m, i in by.items()} for name, by in untouched.items()
        },
        "readings": [
            {k: str(v) if isinstance(v, Estimate) else v for k, v in row.items()}
            for row in readings
        ],
        "striking": f"{striking} ({values})",
        "trustworthiness": {name: trust for name, (_, trust) in drawn.items()},
    },
    artefacts.provenance(data, command, records),
)
in_one_sentence(
    f"{striking}, and what the paper reads off its plot, measured in {len(readings)} ways, "
    "comes out as "
    + ", ".join(f"{verdict} ({count})" for verdict, count in tally.items())
    + f" ({artefacts.data_mark(data)}). What each part of AV-MC adds to its accuracy: "
    "[](05_ablation.ipynb)."
)
