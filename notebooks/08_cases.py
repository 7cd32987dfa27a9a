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
# # Cases
#
# Figure 5 of the paper shows five clips, from which the paper concludes that AV-MC does well where most unimodal labels agree
# with the multimodal one, and fails where a smiling face contradicts negative words and a negative voice. It does not say how the
# clips were chosen. Here each kind of case is a rule on the signs of the four labels, and a seed draws one clip of the test split
# that satisfies it. Below the clips is the error over *all* clips of each kind, because one clip shows nothing about a kind.
# Clips whose unimodal labels only repeat M are never drawn.

# %% tags=["parameters"]
profile = "ci"  # or "full": the published settings, for a real store
store = ""  # an imported store of the real features
# the first model is shown clip by clip
models = {
    "table4": ["AV-MC (released)", "w/o Mixup-AV & Unimodal tasks (released)"],
}
seed = 0  # another seed draws other clips of the same kinds

# %% tags=["hide-input"]
import pandas as pd
from IPython.display import Markdown, display

from avmc_core import artefacts
from avmc_core.analysis import cases
from avmc_core.analysis.estimate import Estimate
from avmc_core.analysis.predicting import predictions_of
from avmc_core.data.store import open_store
from avmc_core.drawing import case_figures, figures
from avmc_core.errors import counted
from avmc_core.publishing.html_table import Table
from avmc_core.publishing.page_parts import in_one_sentence, opening
from avmc_core.runs.grid import run_all
from avmc_core.runs.scores import labels, scored_clips
from avmc_core.runs.selection import runs_of
from avmc_core.simulated.corpus import ensure_corpus

figures.use_style()
data = open_store(store) if store else ensure_corpus("large")
command = f"avmc notebooks 08_cases --profile {profile}"
records = run_all(runs_of(models, profile), data, progress_bar=False)
opening(
    "one clip of each kind of agreement and conflict between words, voice and face, drawn by "
    "rule, and the error over all clips of each kind",
    data,
    records,
    f"{len(data.split('train')):,} training clips",
)

# %% [markdown]
# ## The rules

# %% tags=["hide-input"]
test = data.split("test")
chosen = cases.choose(test, seed)
rules = [{"case": c.kind.name, "rule": c.kind.says, "clips": len(c.clips)} for c in chosen]
display(Table(pd.DataFrame(rules), "rules"))
figures.caption(
    data, command, "Figure 5", status="its rule of choice is not given", records=None
)

# %% tags=["hide-input"]
predictions = predictions_of(records, data, test)
first = next(iter(predictions))

# %% [markdown]
# ## One clip of each kind
#
# From left to right: loudness (in openSMILE's units) as an area, with pitch in semitones as dots where there is a voice; the mean
# face of the first and of the second half of the clip, where what differs from the mean of the clips shown (grey) is drawn three
# times as large; the intensity of five action units over time, darker for stronger; and on the right black bars
# for the labels, points for the mean prediction over seeds, and lines for the range over seeds. A kind that the test split does
# not have appears only in the table, with zero clips. In the simulated corpus words, voice and face express their labels
# with noise, as in life: a picture need not look like its label, and a sentence may be a shade stronger or weaker than its T,
# though it never lies on the other side of zero. Predictions beyond the range of the labels are shown at its end.

# %% tags=["hide-input"]
display(figures.mark(case_figures.cases(chosen, test, predictions[first]), data))
display(figures.caption(data, command, "Figure 5", status="other clips", records=records))
Markdown(f"Predictions are those of **{first}**.")

# %% tags=["hide-input"]
shown = cases.table(chosen, test, predictions[first], cases.glosses(data))
words = [name for name in ("sentence", "gloss", "clips of this kind", "id") if name in shown]
display(Table(shown[["case", *words]], "cases"))
display(figures.caption(data, command, "Figure 5", status="other clips", records=records))
display(Table(shown.drop(columns=words), "cases-predicted"))
display(figures.caption(data, command, "Figure 5", status="other clips", records=records))
varies = {}
for task, of_runs in predictions[first].items():
    kept = scored_clips(test, task)
    varies[task] = of_runs[:, kept].std(axis=1).mean(), labels(test, task)[kept].std()
flat = min(varies, key=lambda task: varies[task][0] / varies[task][1])
Markdown(
    f"Over all test clips the predictions of {first} vary by "
    + ", ".join(
        f"{predicted:.2f} for {task} (its labels by {label:.2f})"
        for task, (predicted, label) in varies.items()
    )
    + f", in standard deviations. The head of {flat} varies least: where it predicts nearly "
    "the same for every clip, look for the reason on [](07_oh_my_god.ipynb)."
)

# %% [markdown]
# ## All clips of each kind
#
# The mean absolute error with its 95 % interval from resampling seeds and source videos, and in brackets how many clips there
# are. Where the clips of a kind come from a few videos, the interval is too narrow, and the table says so. Where all come from one
# video, as a single clip does, there is no interval, because one video cannot be resampled.

# %% tags=["hide-input"]
mean_errors = cases.errors(
    chosen, test, {name: tasks["M"] for name, tasks in predictions.items() if "M" in tasks}
)
counts = {case.kind.name: len(case.clips) for case in chosen}
display(figures.mark(case_figures.errors(mean_errors, counts), data))
rows = [
    {
        "case": kind,
        "clips": counts[kind],
        "Model": name,
        "MAE": Estimate(i.estimate, i.low, i.high, decimals=3, note=i.note),
    }
    for kind, by_name in mean_errors.items()
    for name, i in by_name.items()
]
display(Table(pd.DataFrame(rows), "errors", filters=("case",)))
figures.caption(
    data, command, "Section 5.3", status="which discusses single clips", records=records
)

# %% tags=["hide-input"]
artefacts.save(
    "cases",
    {
        "cases": shown.drop(columns=["sentence", "gloss"], errors="ignore").to_dict(
            "records"
        ),
        "errors": {
            kind: {name: vars(i) for name, i in by_name.items()}
            for kind, by_name in mean_errors.items()
        },
        "clips": counts,
    },
    artefacts.provenance(data, command, records),
)
display(
    Markdown(
        "The same question for recombined clips over the whole label range: "
        "[](07_oh_my_god.ipynb)."
    )
)
by_kind = {
    kind: Estimate(i.estimate, i.low, i.high, note=i.note)
    for kind, by_name in mean_errors.items()
    for name, i in by_name.items()
    if name == first
}
sides = ("all agree", "words against")
in_one_sentence(
    f"On the data of this page ({artefacts.data_mark(data)}), {first} errs by "
    + " and by ".join(
        f"{by_kind[kind]} where {words} ({counted(counts[kind], 'clip')})"
        for kind, words in zip(
            sides,
            ("words, voice and face agree", "the words stand against voice and face"),
            strict=True,
        )
        if kind in by_kind
    )
    + "; kinds of a few clips decide nothing."
)
