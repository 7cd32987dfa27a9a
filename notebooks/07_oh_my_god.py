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
# and six clips would decide nothing.

# %% tags=["parameters"]
profile = "ci"  # or "full": the published settings, for a real store
store = ""  # an imported store of the real features

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from avmc_core import artefacts
from avmc_core.analysis import results
from avmc_core.analysis.composed_scenario import composed
from avmc_core.analysis.contrasts import detectable
from avmc_core.analysis.estimate import Estimate
from avmc_core.analysis.observer import observe
from avmc_core.analysis.predicting import kept_predictions, predictions_of
from avmc_core.analysis.response import CUES, cross, difference, oracle, responses, verdict
from avmc_core.analysis.scenarios import from_donors, from_own_clips  # noqa: F401
from avmc_core.data.store import open_store
from avmc_core.drawing import figures, response_figures, scenario_figures
from avmc_core.publishing.html_table import Table
from avmc_core.publishing.page_parts import in_one_sentence, opening
from avmc_core.publishing.tables import of_interval
from avmc_core.runs.experiments import experiment
from avmc_core.runs.grid import run_all
from avmc_core.runs.selection import runs_of
from avmc_core.simulated.corpus import ensure_corpus

figures.use_style()
plan = experiment("hearing")
data = open_store(store) if store else ensure_corpus(plan.corpora[0])
command = f"avmc notebooks 07_oh_my_god --profile {profile}"
clips = len(data.split("train"))
full, ablated = "AV-MC (released)", "w/o Mixup-AV & Unimodal tasks (released)"
models = {
    "table4": [full, ablated, "AV-MC (paper)"],
    "benchmark": ["Late mean", "Text-only ridge"],
}
records = run_all(runs_of(models, profile), data, progress_bar=False)
hearing = run_all(plan.runs(profile), data, progress_bar=False)
opening(
    "how far a voice, a face and the words each move the predictions of AV-MC, beside the "
    "slope that a linear regression infers from the features; why a model on few clips, or "
    "on raw features, does not hear; and six made scenarios to look at",
    data,
    records | hearing,
    f"{clips:,} training clips",
)

# %% [markdown]
# ## The models
#
# The models are AV-MC in both variants, as released and as printed; its ablation without the mixup and the unimodal tasks (the
# first row of Table 4); and two regressions that need no training loop, one of which reads the text only.

# %% tags=["hide-input"]
networks = {run: record for run, record in records.items() if run.name in models["table4"]}
Markdown(results.carried_out(records))

# %% [markdown]
# ## Do acoustic and visual cues matter?
#
# Every neutral sentence of the test split is given a voice and a face at each level of the label scale. How
# far the prediction follows the donors' label is its **sensitivity**, the slope of the curve, in label units of M for each label
# unit of the donors: 0 for a model that ignores the cue, 1 for one whose prediction moves as much as the annotation. For the
# *voice alone* the face is held neutral, for the *face alone* the voice. The last panel is the counterpart: words of every level
# on neutral voices and faces.
#
# The models are compared with two yardsticks. The **generating rule** is given the labels themselves, unlike any model. The
# **observer of the features** is given what the models are given: it infers each annotation from its own modality by ridge
# regression on pooled features (mean and standard deviation of each column over the clip; the [CLS] state of the text), fitted on
# the training split, and M from the three. It assumes that features depend on labels linearly, with Gaussian noise; where that
# holds, no model has a smaller mean squared error. Where it does not, a network that follows the course of a clip can do better:
# this is a yardstick and not a limit.
#
# At the ends of the scale the curve of the generating rule can bend back. A voice of the highest level beside neutral words and a
# neutral face hardly ever occurs in the fitted distribution of the labels, so that there the data hardly determine what the rule
# expects.
#
# Intervals resample source videos (of the words and of the donors) and seeds together.

# %%
crossing = cross(data.split("test"), seed=0)
predicted = {
    name: tasks["M"]
    for name, tasks in kept_predictions(records, data, crossing.clips).items()
}
reader = "observer of the features"
observer = observe(data.split("train"))
predicted[reader] = observer(crossing.clips)["M"]
rule = "generating rule" if data.simulated else ""
if rule:
    predicted[rule] = oracle(crossing.clips)
sensitivities = responses(crossing, predicted)
Markdown(
    f"{len(crossing.clips):,} recombined clips, {crossing.plan['context'].nunique()} neutral "
    f"sentences, {len(records)} runs."
)

# %% tags=["hide-input"]
display(
    figures.mark(
        response_figures.curves(
            sensitivities, [full, "AV-MC (paper)", reader, "Text-only ridge"], rule
        ),
        data,
    )
)
figures.caption(data, command, "not in the paper", records=records)

# %% tags=["hide-input"]
order = [
    full,
    ablated,
    "AV-MC (paper)",
    "Late mean",
    "Text-only ridge",
    reader,
    *([rule] if rule else []),
]
display(figures.mark(response_figures.slopes(sensitivities, order), data))
display(figures.caption(data, command, "not in the paper", records=records))
titles = response_figures.TITLES
table = {"Model": order}
for cue in CUES:
    slopes = [sensitivities[name][cue].slope for name in order]
    table[titles[cue]] = [
        Estimate(slope.estimate, slope.low, slope.high, decimals=3) for slope in slopes
    ]
display(Table(pd.DataFrame(table), "sensitivity"))
figures.caption(data, command, "not in the paper", records=records)

# %% tags=["hide-input"]
heard, best = sensitivities[full]["A"].slope, sensitivities[reader]["A"].slope
seen = sensitivities[full]["V"].slope
voice = Estimate(heard.estimate, heard.low, heard.high, decimals=3)
most = Estimate(best.estimate, best.low, best.high, decimals=3)


def clear_of_zero(slope):
    """As shown: an interval that begins at 0.000 is not clear of zero."""
    return round(slope.low, 3) > 0


hears = clear_of_zero(heard)
words = sensitivities[full]["T"].slope.estimate
Markdown(
    f"**{full} {'hears' if hears else 'does not measurably hear'}**: where the voice's "
    f"annotation is one unit higher, M is higher by {voice}; where that of the words is, by "
    f"{words:.2f}. For a linear reader of the same features the voice gives {most}. "
    + (
        "For the rule that knows the labels it is "
        f"{sensitivities[rule]['A'].slope.estimate:.2f}"
        + (
            ": most of a voice's annotation cannot be read off its features."
            if best.estimate < sensitivities[rule]["A"].slope.estimate / 2
            else "."
        )
        if rule
        else ""
    )
)

# %% [markdown]
# ## Why a model does not hear
#
# A model may fail to use what its features convey for two reasons: the number of training clips, and the scale of the features,
# whose acoustic columns mix hertz, decibels and ratios. Here both are varied. *Standardised* scales each acoustic and visual
# column by the mean and the standard deviation of the training clips' frames; the released variant begins with a batch norm,
# which has much the same effect. All rows are tested on the same clips. Where there are fewer training clips, they are drawn from
# all of them, anew for each seed. Corr is that of the unimodal heads with the annotation of their own modality, in points of 100 and without placeholders.

# %%
kept = kept_predictions(hearing, data, crossing.clips)
moved = responses(crossing, {name: tasks["M"] for name, tasks in kept.items()})
heads = {task: results.summarise(hearing, data, task=task) for task in "AV"}

# %% tags=["hide-input"]
rows = list(moved)
parts = [name.split(", ", 2) for name in rows]


def slope(name, cue):
    interval = moved[name][cue].slope
    return Estimate(interval.estimate, interval.low, interval.high, decimals=3)


frame = pd.DataFrame(
    {
        "AV-MC": [variant for variant, *_ in parts],
        "training": [f"{size}, {scale}" for _, size, scale in parts],
        "Corr, voice head": [of_interval("Corr", heads["A"][name]["Corr"]) for name in rows],
        "Corr, face head": [of_interval("Corr", heads["V"][name]["Corr"]) for name in rows],
        "voice slope": [slope(name, "A") for name in rows],
        "face slope": [slope(name, "V") for name in rows],
    }
)
display(Table(frame, "hearing"))
display(figures.caption(data, command, "not in the paper", records=hearing))
clear = [name for name in rows if clear_of_zero(moved[name]["A"].slope)]
unclear = [name for name in rows if name not in clear]
grid = {
    (size, scale): moved[name]["A"].slope.estimate
    for name, (variant, size, scale) in zip(rows, parts, strict=True)
    if variant == "paper"
}
sizes, scales = (list(dict.fromkeys(key[place] for key in grid)) for place in (0, 1))
gained = (
    f" In the printed variant, the slope is {grid[sizes[0], scales[0]]:.3f} on {sizes[0]} "
    f"with {scales[0]}; {sizes[1]} alone bring it to {grid[sizes[1], scales[0]]:.3f}, "
    f"{scales[1]} alone to {grid[sizes[0], scales[1]]:.3f}, and both together to "
    f"{grid[sizes[1], scales[1]]:.3f}."
    if len(grid) == 4
    else ""
)
Markdown(
    "The voice slope is clear of zero for "
    + ("; ".join(f"*{name}*" for name in clear) or "none")
    + ", and not for "
    + ("; ".join(f"*{name}*" for name in unclear) or "none")
    + "."
    + gained
)

# %% [markdown]
# ## What the mixup and the unimodal tasks add
#
# The paper takes its six clips to show a gain from both. Expressed as a number, this is the sensitivity of the full model minus
# that of its ablation without them, with the same draws of videos for both.

# %% tags=["hide-input"]
apart = {cue: difference(crossing, predicted[full], predicted[ablated], cue) for cue in CUES}
frame = pd.DataFrame(
    {
        "cue": [titles[cue] for cue in CUES],
        "AV-MC minus its ablation": [
            Estimate(d.estimate, d.low, d.high, decimals=3, signed=True)
            for d in apart.values()
        ],
        "detectable": [f"{detectable(d):.3f}" for d in apart.values()],
    }
)
display(Table(frame, "differences"))
display(figures.caption(data, command, "Section 5.4", records=networks))
clear_of_it = [
    f"{titles[cue]} {d.estimate:+.3f}" for cue, d in apart.items() if d.low > 0 or d.high < 0
]
Markdown(
    f"{verdict(apart['A and V'], full, ablated)} Intervals that exclude zero, without a "
    f"correction for their number: {'; '.join(clear_of_it) or 'none'}."
)

# %% [markdown]
# ## Six scenarios
#
# A scenario takes the words of a test clip with neutral text, and the voice and face of test clips whose annotations A and V are
# on target; both come from a single clip if one matches both targets. Clips of the training split and clips with placeholders in
# place of unimodal labels are never used. **This cell is meant to be changed**: other targets, other donors, another seed, or
# clips of your own.

# %%
targets = [-1.0, -0.6, -0.2, 0.2, 0.6, 1.0]  # or pairs (A, V)
donors = {}  # instead of a target, the ids of two clips: {3: (voice, face)}
scenarios = from_donors(data, targets, donors=donors, seed=0)
# your own clips, after `avmc extract`:
# scenarios = from_own_clips(open_store("my-store"))

# %% tags=["hide-input"]
predictions = predictions_of(networks, data, scenarios.clips)
display(
    Markdown(f"> {scenarios.sentence}" + (f" *{scenarios.gloss}*" if scenarios.gloss else ""))
)
display(figures.mark(scenario_figures.contexts(scenarios, predictions), data))
figures.caption(data, command, "Figure 6", records=networks)

# %% [markdown]
# From left to right: loudness (in openSMILE's units) as an area, with pitch in semitones as dots where there is a voice; the
# mean face of the first and of the second half of the clip, where what differs from the mean of the six (grey) is drawn three
# times as large; the intensity of five action units over time, darker for stronger; and the predictions of M, mean and range over
# seeds. On the simulated corpus the black line is the expected M under the rule that generated the corpus; on real clips nobody
# annotated such a combination, so there is no line. Below are the unimodal predictions of the models that were trained to make
# them:

# %% tags=["hide-input"]
display(figures.mark(scenario_figures.by_task(scenarios, predictions), data))
figures.caption(data, command, "Figure 6", records=networks)

# %% tags=["hide-input"]
distance = {
    name: np.abs(tasks["M"].mean(axis=0) - scenarios.truth).mean()
    for name, tasks in predictions.items()
}
given = scenarios.table().reset_index(names="scenario")
display(Table(given, "scenarios"))
if np.isfinite(list(distance.values())).all():
    display(Markdown("M is what the generating rule expects, not the rating of a person."))
means = pd.DataFrame(
    {name: tasks["M"].mean(axis=0) for name, tasks in predictions.items()},
    index=scenarios.table().index,
).T
means["distance from the truth"] = pd.Series(distance)
display(
    Table(means.reset_index(names="Model"), "predictions", decimals=dict.fromkeys(means, 2))
)
figures.caption(data, command, "Figure 6", records=networks)

# %% tags=["hide-input"]
nearest, farthest = min(distance.values()), max(distance.values())
Markdown(
    f"On average over these {len(scenarios)} clips the models are {nearest:.2f} to "
    f"{farthest:.2f} away from the truth; nearest is **{min(distance, key=distance.get)}**. "
    "Another seed in the cell above gives another order: six clips cannot rank models."
    if np.isfinite(nearest)
    else "Nobody annotated these combinations, so there is no truth to be near to."
)

# %% [markdown]
# ## One actor
#
# Donors are clips of several people, and what a person shows matches the annotation only in part. The paper used staged
# performances. The generator of the simulated corpus can do the same: one speaker, whose voice and face show all of the target.

# %% tags=["hide-input"]
acted = composed(data) if data.simulated else None
if acted:
    acted_predictions = predictions_of(networks, data, acted.clips)
    display(Markdown(f"> {acted.sentence} *{acted.gloss}*"))
    display(figures.mark(scenario_figures.contexts(acted, acted_predictions), data))
figures.caption(data, command, "Figure 6", records=networks) if acted else Markdown(
    "Only the simulated corpus has an actor."
)

# %% tags=["hide-input"]
artefacts.save(
    "oh_my_god",
    {
        "scenarios": given.to_dict("records"),
        "predictions": {name: tasks["M"].mean(axis=0) for name, tasks in predictions.items()},
        "distance": distance,
        "sensitivity": {
            name: {
                cue: {"value": r.slope.estimate, "low": r.slope.low, "high": r.slope.high}
                for cue, r in cues.items()
            }
            for name, cues in sensitivities.items()
        },
        "hearing": [
            {column: str(value) for column, value in row.items()}
            for row in pd.DataFrame(
                {
                    "name": rows,
                    "voice": [slope(name, "A") for name in rows],
                    "face": [slope(name, "V") for name in rows],
                    "voice_head": [
                        of_interval("Corr", heads["A"][name]["Corr"]) for name in rows
                    ],
                }
            ).to_dict("records")
        ],
        "slopes": {name: str(slope(name, "A")) for name in rows},
        "difference": {
            cue: {"value": d.estimate, "low": d.low, "high": d.high}
            for cue, d in apart.items()
        },
        "verdict": verdict(apart["A and V"], full, ablated),
        "hears": "does use the voice" if hears else "does not measurably use the voice",
        "voice": str(voice)
        + (
            f" (that of the generating rule by {sensitivities[rule]['A'].slope.estimate:.3f})"
            if rule
            else ""
        ),
        "voice_of_features": str(most),
        "clips": len(crossing.clips),
    },
    artefacts.provenance(data, command, records | hearing),
)
both = hears and clear_of_zero(seen)
in_one_sentence(
    f"Trained on {clips:,} clips, {full} "
    f"{'hears and sees' if both else 'does not measurably hear and see both'}: a unit of the "
    f"voice's annotation moves its prediction by {heard.estimate:.3f}, one of the face's by "
    f"{seen.estimate:.2f}, one of the words' by {words:.2f}, where a linear reader of the "
    f"same features gets {best.estimate:.3f}, "
    f"{sensitivities[reader]['V'].slope.estimate:.2f} and "
    f"{sensitivities[reader]['T'].slope.estimate:.2f} ({artefacts.data_mark(data)}). What "
    "each part of AV-MC does for the metrics: [](05_ablation.ipynb)."
)
