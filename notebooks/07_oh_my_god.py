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
# # "OH MY GOD": one sentence, six voices and faces
#
# The title of the paper says that acoustic and visual cues are made to matter. Its Figure 6 shows it with six staged clips:
# the same neutral words, from strongly negative to strongly positive in voice and face. Those recordings are not released,
# and six clips decide nothing. So this page does two things: it makes six such scenarios, to be looked at one by one, and then
# measures the same thing on every neutral sentence of the test split, with an interval.

# %% tags=["parameters"]
profile = "ci"  # or "full": the published settings, for a real store
store = ""  # an imported store of the real features
variant = "paper"  # AV-MC as printed; or "released"

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from avmc_core import artefacts
from avmc_core.analysis.estimate import Estimate
from avmc_core.analysis.predicting import answers
from avmc_core.analysis.response import CUES, cross, difference, oracle, responses, verdict
from avmc_core.analysis.scenarios import composed, from_donors, from_own_clips  # noqa: F401
from avmc_core.data.store import open_store
from avmc_core.drawing import figures, response_figures, scenario_figures
from avmc_core.publishing.html_table import Table
from avmc_core.runs.experiments import ABLATIONS, experiment
from avmc_core.runs.grid import run_all
from avmc_core.simulated.corpus import ensure_corpus

figures.use_style()
data = open_store(store) if store else ensure_corpus("ci")
Markdown(f"Everything on this page was computed on: **{artefacts.data_mark(data)}**.")

# %% [markdown]
# ## The models
#
# AV-MC and its Table 4 ablations, trained for [](05_ablation.ipynb); for the second part also a network
# that only reads, two regressions, and a baseline.

# %%
plan = [
    run for run in experiment("table4").runs(profile) if run.name.endswith(f"({variant})")
]
records = run_all(plan, data, progress_bar=False)
command = f"avmc notebooks 07_oh_my_god --profile {profile}"


def named(said):
    return {name.removesuffix(f" ({variant})"): tasks for name, tasks in said.items()}


# %% [markdown]
# ## Six scenarios
#
# A scenario takes the words of a test clip with neutral text, and voice and face of test clips whose own annotations A and V are on
# target: from a single clip if it matches both targets. Clips of the training split and clips with placeholders in place of
# unimodal labels are never used. **This cell is meant to be changed**: other targets, other donors, another seed, or clips of your
# own.

# %%
targets = [-1.0, -0.6, -0.2, 0.2, 0.6, 1.0]  # or pairs (A, V)
donors = {}  # instead of a target, the ids of two clips: {3: (voice, face)}
scenarios = from_donors(data, targets, donors=donors, seed=0)
# your own clips, after `avmc extract`:
# scenarios = from_own_clips(open_store("my-store"))

# %% tags=["hide-input"]
said = named(answers(records, data, scenarios.clips))
display(
    Markdown(f"> {scenarios.sentence}" + (f" *{scenarios.gloss}*" if scenarios.gloss else ""))
)
display(figures.mark(scenario_figures.contexts(scenarios, said), data))
figures.caption(data, command, "Figure 6", records=records)

# %% [markdown]
# Left to right: loudness as an area with pitch as dots where there is a voice, the landmarks of the face at four moments, the
# intensity of five action units over time, and the predictions of M, mean and range over seeds. On the simulated corpus the
# black line is what M would be on average under the rule that made the corpus; on real clips nobody annotated such a
# combination, and there is no line. The unimodal predictions, where a model has been trained to make them:

# %% tags=["hide-input"]
display(figures.mark(scenario_figures.by_task(scenarios, said), data))
figures.caption(data, command, "Figure 6", records=records)

# %% tags=["hide-input"]
distance = {
    name: np.abs(tasks["M"].mean(axis=0) - scenarios.truth).mean()
    for name, tasks in said.items()
}
rows = scenarios.table().reset_index(names="scenario")
display(Table(rows, "scenarios"))
means = pd.DataFrame(
    {name: tasks["M"].mean(axis=0) for name, tasks in said.items()},
    index=scenarios.table().index,
).T
means["distance from the truth"] = pd.Series(distance)
display(
    Table(means.reset_index(names="Model"), "predictions", decimals=dict.fromkeys(means, 2))
)
figures.caption(data, command, "Figure 6", records=records)

# %% tags=["hide-input"]
best, worst = min(distance.values()), max(distance.values())
Markdown(
    f"On average over these {len(scenarios)} clips the models are {best:.2f} to {worst:.2f} "
    "away from the truth; nearest is "
    f"**{min(distance, key=distance.get)}**. Another seed in the cell above gives another "
    "order: six clips cannot rank models."
    if np.isfinite(best)
    else "Nobody annotated these combinations, so there is no truth to be near to."
)

# %% [markdown]
# ## One actor
#
# Donors are six different people, and what a person shows is only in part what was annotated. The paper had performances
# staged. The generator of the simulated corpus can do the same: one speaker, whose voice and face show all of the target.

# %% tags=["hide-input"]
acted = composed(data) if data.simulated else None
if acted:
    acted_said = named(answers(records, data, acted.clips))
    display(Markdown(f"> {acted.sentence} *{acted.gloss}*"))
    display(figures.mark(scenario_figures.contexts(acted, acted_said), data))
figures.caption(data, command, "Figure 6", records=records) if acted else Markdown(
    "Only the simulated corpus has an actor."
)

# %% [markdown]
# ## Do acoustic and visual cues matter?
#
# The same at scale. Every neutral sentence of the test split is given a voice and a face at each level of the label scale. How
# far the prediction follows the donors' label is its **sensitivity**, the slope of the curve: 0 for a model that does not listen
# or look, 1 for one that follows the annotation all the way. For the *voice alone* the face is held neutral, for the *face
# alone* the voice. The last panel is the counterpart: words of every level on neutral voices and faces.
#
# Intervals resample source videos (of the words and of the donors) and seeds together.

# %%
reading = [
    run for run in experiment("table3").runs(profile) if run.name == "text, annotation M"
]
others = [
    run
    for run in experiment("benchmark").runs(profile)
    if run.name in ("Text-only ridge", "Late mean", "Self_MM")
]
everything = records | run_all([*reading, *others], data, progress_bar=False)
crossing = cross(data.split("test"), seed=0)
predicted = {
    name: tasks["M"]
    for name, tasks in named(answers(everything, data, crossing.clips)).items()
}
predicted["text only"] = predicted.pop("text, annotation M")
rule = "generating rule" if data.simulated else ""
if rule:
    predicted[rule] = oracle(crossing.clips)
found = responses(crossing, predicted)
Markdown(
    f"{len(crossing.clips)} made clips, {crossing.plan['context'].nunique()} neutral "
    f"sentences, {len(everything)} runs."
)

# %% tags=["hide-input"]
full, ablated = "AV-MC", "w/o Mixup-AV & Unimodal tasks"
display(
    figures.mark(
        response_figures.curves(found, [full, ablated, "text only", "Late mean"], rule), data
    )
)
figures.caption(data, command, "not in the paper", records=everything)

# %% tags=["hide-input"]
order = [
    *reversed(ABLATIONS),
    "Self_MM",
    "Late mean",
    "text only",
    "Text-only ridge",
    *([rule] if rule else []),
]
display(figures.mark(response_figures.slopes(found, order), data))
display(figures.caption(data, command, "not in the paper", records=everything))
titles = response_figures.TITLES
table = {"Model": order}
for cue in CUES:
    slopes = [found[name][cue].slope for name in order]
    table[titles[cue]] = [
        Estimate(slope.estimate, slope.low, slope.high, decimals=3) for slope in slopes
    ]
display(Table(pd.DataFrame(table), "sensitivity"))
figures.caption(data, command, "not in the paper", records=everything)

# %% [markdown]
# The generating rule is given the labels, not the features, so no model can be expected to reach it: the features show
# the labels only in part. It bounds what there is to hear and see.
#
# ## What the mixup and the unimodal tasks add
#
# The paper reads its six clips as a gain from both. As a number: the sensitivity of the full model minus that of its ablation
# without them, with the same draws of videos for both.

# %% tags=["hide-input"]
apart = {cue: difference(crossing, predicted[full], predicted[ablated], cue) for cue in CUES}
frame = pd.DataFrame(
    {
        "cue": [titles[cue] for cue in CUES],
        "AV-MC minus its ablation": [
            Estimate(d.estimate, d.low, d.high, decimals=3, signed=True)
            for d in apart.values()
        ],
    }
)
display(Table(frame, "differences"))
display(figures.caption(data, command, "Section 5.4", records=records))
heard = found[full]["A and V"].slope
answer = "they move" if heard.low > 0 else "it cannot be told that they move"
Markdown(
    f"**Voice and face: {answer} the predictions of {full}, by {heard:.2f} of a label unit "
    "for each unit of theirs; words "
    f"by {found[full]['T'].slope:.2f}. {verdict(apart['A and V'], full, ablated)}**"
)

# %% tags=["hide-input"]
ends = found[full]["A"].slope
voice = Estimate(ends.estimate, ends.low, ends.high, decimals=3)
ruled = found[rule]["A"].slope.estimate if rule else float("nan")
artefacts.save(
    "oh_my_god",
    {
        "scenarios": rows.to_dict("records"),
        "predictions": {name: tasks["M"].mean(axis=0) for name, tasks in said.items()},
        "distance": distance,
        "sensitivity": {
            name: {
                cue: {"value": r.slope.estimate, "low": r.slope.low, "high": r.slope.high}
                for cue, r in cues.items()
            }
            for name, cues in found.items()
        },
        "difference": {
            cue: {"value": d.estimate, "low": d.low, "high": d.high}
            for cue, d in apart.items()
        },
        "verdict": verdict(apart["A and V"], full, ablated),
        "voice": str(voice) + (f", the generating rule by {ruled:.3f}" if rule else ""),
        "clips": len(crossing.clips),
    },
    artefacts.provenance(data, command, everything),
)
Markdown("What each part of AV-MC does for the metrics: [](05_ablation.ipynb).")
