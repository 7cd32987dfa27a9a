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
# # What the splits decide
#
# A clip of the test split may come from a source video that also gave clips to the training split: the same speaker, room and
# microphone, often the same scene. A model can then be right about the video without being right about sentiment. This page shows
# how many clips are concerned, how models perform on the others, and what changes when videos are kept apart; at the end, how
# much depends on the number of labelled clips.

# %% tags=["parameters"]
profile = "ci"  # or "full": the published settings, for a real store
store = ""  # an imported store of the real features

# %% tags=["hide-input"]
import pandas as pd
from IPython.display import Markdown, display

from avmc_core import artefacts
from avmc_core.analysis import resplits, results
from avmc_core.analysis.contrasts import contrasts, estimates, family, tally
from avmc_core.data.splits import pooled_clips
from avmc_core.data.store import open_store
from avmc_core.data.within_videos import alike_within_videos
from avmc_core.drawing import contrast_figures, figures, split_figures
from avmc_core.publishing.page_parts import in_one_sentence, opening
from avmc_core.publishing.tables import Table, contrast_table, interval_table
from avmc_core.runs.experiments import SHARES, experiment
from avmc_core.runs.grid import run_all
from avmc_core.schema import TASK_NAMES
from avmc_core.simulated.corpus import ensure_corpus
from avmc_core.simulated.fit import fit

figures.use_style()
data = open_store(store) if store else ensure_corpus("ci")
shown = ["Acc2", "Corr", "MAE"]
records = {
    name: run_all(experiment(name).runs(profile, store=data), data, progress_bar=False)
    for name in ("benchmark", "resplit", "learning_curve")
}
opening(
    "how many test clips share a source video with training, what sharing is worth, and how "
    "much depends on the number of labelled clips",
    data,
    {run: record for part in records.values() for run, record in part.items()},
)

# %% [markdown]
# ## Videos in several splits
#
# In the simulated corpus this is a design choice, not a finding: a clip has the traits of its source video's speaker, and the
# labels of a video are about as similar as in the real label table. Their similarity is measured by the intraclass correlation, the
# share of the variance that lies between videos. The share of placeholders among the test clips is that of the real table; they
# are in videos of their own.

# %% tags=["hide-input"]
shared = resplits.videos_shared(data)
alike = alike_within_videos(pooled_clips(data))
display(Table(shared, "videos"))
command = f"avmc notebooks 13_splits --profile {profile}"
display(figures.caption(data, command, "silent on source videos", records=None))
shares = {
    "annotation": [TASK_NAMES[t] for t in alike],
    "between videos": list(alike.values()),
}
display(Table(pd.DataFrame(shares), "alike", decimals={"between videos": 3}))
figures.caption(data, command, "silent on source videos", records=None)

# %% [markdown]
# The next table compares generated labels, for as many clips as the real data has, with the counts of the real labels that the
# generator was fitted to. Rows on M alone rest on all clips, rows that involve T, A or V on the new clips ([](../data.md) says
# why). A clip is called ironic when its words lie on one side of zero and its voice and its face on the other; in the real labels
# the words of such clips count for next to nothing.

# %% tags=["hide-input"]
nearness = fit()
columns = ["real labels", "simulated corpus"]
display(Table(nearness.reset_index(drop=True), "fit", decimals=dict.fromkeys(columns, 3)))
sources = f"{artefacts.SIMULATED}, beside {artefacts.data_mark(None)}"
artefacts.save(
    "corpus_fit",
    {
        key: {"real": row["real labels"], "simulated": row["simulated corpus"]}
        for key, row in nearness.iterrows()
    },
    artefacts.provenance(sources, command, None),
)
figures.caption(sources, command, "silent on all of this", records=None)

# %% [markdown]
# ## The published split, by kind of clip
#
# The runs of the benchmark, scored separately on test clips whose source video is in the training split and on the others. The
# others come from few videos, and most or all of them are placeholders (counted below), which in the real data seem to be another
# kind of recording. So the two slices differ in the kind of clip as much as in whether the video is new.

# %% tags=["hide-input"]
trained = records["benchmark"]
parts = resplits.on_slices(trained, data)
display(figures.mark(split_figures.slices(parts, resplits.SLICES, shown), data))
benchmark_command = f"avmc run benchmark --profile {profile}"
display(figures.caption(data, benchmark_command, "it has no such slices", records=trained))
Markdown(resplits.new_and_placeholders(data))

# %% tags=["hide-input"]
rows = [
    {"Model": model, "clips": resplits.SLICES[part], **scores}
    for part, by in parts.items()
    for model, scores in by.items()
]
display(interval_table(pd.DataFrame(rows)[["Model", "clips", *shown]], "slices", shown))
figures.caption(data, benchmark_command, "it has no such slices", records=trained)

# %% [markdown]
# ## Videos apart, videos mixed
#
# All labelled clips except the placeholders are split again into folds, so that each is tested once by a model that never saw it.
# In one re-split, each source video is kept together; in the other, clips change places with others of their sentiment class,
# whatever their video. All parts have the same sizes and class counts in both. The gain from mixing measures the benefit of
# shared videos. Each seed draws new folds, so that intervals include split variance. How similar the *features* of one real video
# are is not known, so on the real files sharing may be worth more or less.

# %% tags=["hide-input"]
plan, dealt = experiment("resplit"), records["resplit"]
statistics, groups = resplits.out_of_fold(dealt, data)
models = list(dict.fromkeys(row.model for row in plan.rows))
gained = family(
    statistics, groups, [(f"{m}, by clip", f"{m}, by video") for m in models], shown
)
display(figures.mark(contrast_figures.forest(gained, shown), data))
resplit_command = f"avmc run resplit --profile {profile}"
display(figures.caption(data, resplit_command, "one split only", records=dealt))
worth = {
    row.first.partition(",")[0]: row.difference
    for row in gained[gained["metric"] == "Corr"].itertuples()
}
Markdown(
    f"{len(groups)} clips of {len(set(groups))} videos. **{tally(gained)}** Right of zero, "
    "mixing videos is better. In points of Corr, sharing videos is worth "
    + "; ".join(f"{difference:+.2f} for {model}" for model, difference in worth.items())
    + "."
)

# %% tags=["hide-input"]
display(contrast_table(gained, "leakage"))
figures.caption(data, resplit_command, "one split only", records=dealt)

# %% [markdown]
# ## How many labelled clips
#
# AV-MC is trained on a part of the labelled training clips. The run's seed draws them so that each sentiment class keeps its
# share and each smaller sample is contained in the larger ones. It is trained once supervised and once with all unlabelled clips
# in addition. These are the two released models, which also differ in other respects ([](../differences.md)).

# %% tags=["hide-input"]
records = records["learning_curve"]
summary, table = results.summarise(records, data), results.tabulate(records, data)
clips = [round(share * len(data.split("train"))) for share in SHARES]
names = {  # a store without unlabelled clips has none of AV-MC(Semi)
    model: list(dict.fromkeys(run.name for run in records if run.model == model))
    for model in ("AV-MC", "AV-MC(Semi)")
}
points = {
    model: [summary[name] for name in run_names]
    for model, run_names in names.items()
    if run_names
}
seeds = {
    model: [table[table["name"] == name][shown].to_dict("list") for name in run_names]
    for model, run_names in names.items()
    if run_names
}
display(
    figures.mark(split_figures.learning_curve(clips, points, seeds, ["Acc2", "MAE"]), data)
)
curve_command = f"avmc run learning_curve --profile {profile}"
figures.caption(data, curve_command, "all labelled clips only", records=records)

# %% tags=["hide-input"]
unlabelled = contrasts(
    records, data, list(zip(names["AV-MC(Semi)"], names["AV-MC"], strict=False)), shown
)
display(contrast_table(unlabelled, "learning-curve"))
display(figures.caption(data, curve_command, "all labelled clips only", records=records))
Markdown(
    f"What the unlabelled clips add at each size: **{tally(unlabelled)}** "
    f"{estimates(unlabelled, 'AV-MC(Semi)')}"
)

# %% tags=["hide-input"]
every = {**trained, **dealt, **records}
artefacts.save(
    "splits",
    {
        "shared": shared.set_index("split").to_dict("index"),
        "alike": alike,
        "tally": tally(gained),
        "tally_unlabelled": tally(unlabelled),
        "worth": {model: vars(difference) for model, difference in worth.items()},
        "clips": clips,
    },
    artefacts.provenance(data, command, every),
)
display(
    Markdown(
        "The split as the paper prints it, and what its labels are, is on "
        "[](01_dataset_statistics.ipynb)."
    )
)
counted = shared.set_index("split").loc["test"]
clear = {model: difference for model, difference in worth.items() if difference.low > 0}
in_one_sentence(
    f"{int(counted['clips of a video in train'])} of {int(counted['clips'])} test clips come "
    f"from a source video that is also in the training split; {alike['M']:.3f} of the "
    f"variance of M lies between videos, and sharing videos makes {len(clear)} of "
    f"{len(worth)} models clearly better in Corr"
    + (
        f", by at most {max(gain.estimate for gain in clear.values()):.1f} points."
        if clear
        else ", so here it is worth less than the intervals can show."
    )
)
