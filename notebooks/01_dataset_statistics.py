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
# # What is in the dataset
#
# The first half of the paper is a dataset: clips with four annotations each, of the words alone (T), the voice alone (A), the
# silent picture alone (V) and everything together (M).
#
# Two sets of labels circulate under the name of this dataset, and only one of them is the paper's ([](#which-labels)). What
# the paper says of labels is therefore decided on that set: on the table that `AVMC_META` names or the store that `AVMC_STORE`
# names if it carries the set, else on *counts* that this package carries. If the table given carries other labels, the page says
# so and shows them alongside. Whatever needs single clips, such as their lengths, is shown for the table or store that is given,
# else for the simulated corpus. Every figure says where it comes from.

# %% tags=["parameters"]
meta = ""  # the real label table, meta.csv
store = ""  # an imported store of the real features
seed = 1111  # of the bootstrap intervals

# %% tags=["hide-input"]
import pandas as pd
from IPython.display import Markdown, display

from avmc_core import artefacts
from avmc_core.analysis import cues, text_only
from avmc_core.data import label_sets
from avmc_core.data.released import read_meta
from avmc_core.data.store import open_store
from avmc_core.drawing import cue_figures, figures
from avmc_core.metrics import METRICS
from avmc_core.paper import claims, digits, label_summary, which_labels
from avmc_core.paper.audit import audit, deciding, label_table
from avmc_core.paper.findings import FAILS, HOLDS, PART
from avmc_core.publishing.page_parts import in_one_sentence, opening
from avmc_core.publishing.tables import Table, anchor, interval_table
from avmc_core.schema import HOP_SECONDS
from avmc_core.simulated.corpus import ensure_corpus

figures.use_style()
features = open_store(store) if store else ensure_corpus("ci")
unnamed = None if features.simulated else features  # None: the counts in the package
given = read_meta(meta) if meta else unnamed
of_given = audit(given)
result = deciding(given)
at_hand = (
    of_given.source if meta else given
)  # what figures of it name: a table with its set, a store, or None
decides = of_given.source == result.source
labels = at_hand if decides else None  # what the findings rest on
others = None if decides else of_given  # a table with other labels than the paper's
counts = result.counts
command = "avmc notebooks 01_dataset_statistics" + (" --meta meta.csv" if meta else "")
display(
    opening(
        "Table 1, Figures 2 and 3, lengths, source videos and every figure in the text that "
        "labels decide, recounted; which labels the paper used; and how much of M each "
        "annotation explains. No transcript is shown",
        labels,
        needs="or a label table or store of yours",
    )
)
paragraphs = [f"The paper is held against: **{result.source}**, {result.label_set}."]
if others:
    paragraphs.append(f"Shown beside it: **{others.source}**, {others.label_set}")
paragraphs.append(
    "A column *Basis* names the clips that a finding rests on; what the names stand for is "
    "said once, at the end of [the audit](#the-audit)."
)
Markdown("\n\n".join(paragraphs))

# %% [markdown]
# ## Table 1: classes and splits
#
# Labels lie on eleven levels between -1 and 1. The paper has two definitions of a weak sentiment. Section 3.2 gathers the
# levels into five classes in which a label of `±0.6` is weak; Table 1 was counted with `±0.6` as strong (NEG, POS), as the metric
# Acc2_weak has it. The figure groups the levels as Table 1 does. Filled bars are counted from the labels; hatched ones are what
# Table 1 prints.

# %% tags=["hide-input"]
counted, printed = (
    label_summary.class_counts(counts["M"]),
    label_summary.published_class_counts(),
)
display(figures.mark(figures.class_counts(counted, printed), labels))
verdicts = {
    words: {split: result[f"{what}_{split}"].verdict for split in counted.index}
    for what, words in (("rows", "number of clips"), ("classes", "their classes"))
}
against = "; ".join(
    f"{what}: " + ", ".join(f"{split} {verdict}" for split, verdict in by_split.items())
    for what, by_split in verdicts.items()
)
figures.caption(labels, command, f"Table 1, {against}")

# %% tags=["hide-input"]
cells = which_labels.table_1_cells()
if others:
    shown = label_summary.class_counts(others.counts["M"])
    display(figures.mark(figures.class_counts(shown, printed), at_hand))
    display(figures.caption(at_hand, command, "Table 1, which rests on other labels"))
    if others.labels.key == label_sets.OTHER:
        shown.insert(0, "source", "the table given")
        cells = pd.concat([cells, shown.rename_axis("split").reset_index()])
display(Table(cells, "classes", ["split", "source"]))
figures.caption(None, command, "Table 1")

# %% tags=["hide-input"]
keys = [f"classes_{split}{cut}" for cut in ("", "_section_3_2") for split in counted.index]
display(Table(result.as_frame([*keys, "classes_any_cut", "rows_total"]), "table-1"))
display(
    figures.caption(labels, "avmc data audit meta.csv", "Table 1 and Sections 3.1 and 3.2")
)
answer = label_sets.recorded()["reports"]["training_clips"]
Markdown(
    f"The text speaks of {result['rows_total'].printed} supervised clips, Table 1 adds up to "
    f"{result['rows_total'].found}. Asked about it, an author of the paper answered that "
    f"there should be {answer['clips']} training clips, one fewer than in Table 1 ([issue 4 "
    f"of the authors' repository]({answer['url']})); both label tables have "
    f"{counts['rows']['train']}. No cut of the levels gives the test row of Table 1, and yet "
    f"it is hardly a misprint: it has {digits.clips('Acc2_weak')} clips that Acc2_weak "
    "counts, and by their digits the printed scores were computed over exactly as many "
    f"([](03_benchmark.ipynb)). The labels here have {digits.weak_clips('relabelled')}: the "
    "paper was probably written with a few test labels other than those released."
)

# %% [markdown]
# (which-labels)=
#
# ## Which labels?
#
# The clips of the original CH-SIMS are part of CH-SIMS v2.0, and the paper says that they were labelled anew (caption of
# Figure 2; Section 3.2 says it of the unimodal annotations). Two sets of multimodal labels are in circulation for the same
# clips. In the **relabelled** set, all clips carry new labels. The **mixed** set is the label table `meta.csv` as public copies
# have it: in its original part it carries the labels of the original CH-SIMS.

# %% tags=["hide-input"]
display(Table(which_labels.disagreement(), "differ"))
figures.caption(None, command, "not in the paper")

# %% [markdown]
# Not all new clips were read off the file with the relabelled set (last column); for the others it is taken to be equal to
# the mixed set, as it is wherever it was read. That the training row of Table 1 comes out to the clip bears this out.
#
# Which of the sets did the paper use, and which is in the released pickle? Nobody here has had the pickle. But what the paper
# prints, and what others have reported from the pickle, fits one set and not the other, piece by piece:

# %% tags=["hide-input"]
display(Table(which_labels.evidence(), "evidence"))
display(figures.caption(None, command, "Table 1 and Section 3.2, and what others reported"))
report = label_sets.recorded()["reports"]["annotations"]
Markdown(
    "The third piece tells what the original part of the mixed table is: its ratio is the "
    "one that the paper prints for the original CH-SIMS. The last one comes from a reader of "
    "the released pickle, who counted in 2023 how often the word beside a label contradicts "
    f"it ([issue 5 of the authors' repository]({report['url']})). In exactly as many clips "
    "of each split the two sets differ in sign. So the pickle had the words of the one set "
    "beside the numbers of the other; the authors have corrected the words since."
)

# %% [markdown]
# All of them point the same way: **the paper's Table 1 and the released pickle have the relabelled set**, the paper with a few
# test labels of its own. For you that means:
#
# - A `meta.csv` that you find will most likely carry other labels than your pickle. `avmc data import` takes the two together,
#   says where they differ, and keeps the pickle's labels; `avmc data audit` names the set of any table or store.
# - T, A and V of the original part that were labelled anew are in no public copy. What is said below about them, and about how
#   they relate to M, rests on the new clips alone; whether the T, A, V of a clip are placeholders is decided for each file.
# - Scores against the two sets cannot be compared. Even a constant prediction scores differently:

# %% tags=["hide-input"]
constants = which_labels.constants()
constants["Metric"] = constants["Metric"] + " of the constant 0 on test"
display(Table(constants, "constants", decimals={"relabelled": ".4g", "mixed": ".4g"}))
figures.caption(None, command, "not in the paper")

# %% [markdown]
# ## Polarity

# %% tags=["hide-input"]
signs = label_summary.polarity(counts)
signs.index = [f"{task}, clips with four labels" for task in signs.index]
signs.loc["M, all clips"] = label_summary.signs(label_summary.multimodal_counts(counts))
signs = signs.iloc[[-1, *range(len(signs) - 1)]]
signs["positive in % of negative"] = [
    label_summary.positive_percent(row.negative, row.positive) for row in signs.itertuples()
]
display(Table(signs.rename_axis("annotation").reset_index(), "signs"))
display(figures.caption(labels, command, "Section 3.2"))
ratio, original = result["ratio_M"], result["ratio_original"]
Markdown(
    f"By M the number of positive clips is **{ratio.found}** of that of negative ones. The "
    f"paper prints {ratio.printed} %: {ratio.verdict}. Table 1 as printed gives "
    f"{result['ratio_printed'].found}, so that the paper's text and its own table differ, "
    f"too, by little. For the original CH-SIMS it prints {original.printed} %, and its "
    f"labels give {original.found}: {original.verdict}. That "
    f"{result['negative_original'].printed} % of its clips are negative (Section 1) is true "
    f"only when neutral clips count as negative: {result['negative_original'].found}."
)

# %% [markdown]
# ## Figure 3, left: the four annotations

# %% tags=["hide-input"]
display(figures.mark(figures.label_histograms(label_summary.level_counts(counts)), labels))
figures.caption(labels, command, "Figure 3, left")

# %% [markdown]
# The paper draws two more conclusions from this figure: that most clips are of weak intensity, and that the multimodal annotation
# is neutral less often than any other, "especially the visual". Whether the first is true depends on what is called weak: the
# classes of Section 3.2, where it is said, or those of Table 1.

# %% tags=["hide-input"]
keys = ["intensity", "intensity_table_1", "fewest_neutral", "most_neutral"]
display(Table(result.as_frame(keys), "reading"))
figures.caption(labels, "avmc data audit meta.csv", "Section 3.2")

# %% [markdown]
# ## Figure 3, right: how far the annotations are apart
#
# The mean absolute difference between each pair of annotations. The paper prints a picture without numbers and says that the
# voice is closest to the whole and the words are farthest from it.

# %% tags=["hide-input"]
display(figures.mark(figures.difference_matrix(label_summary.differences(counts)), labels))
near, far = result["closest_to_M"], result["farthest_from_M"]
figures.caption(
    labels,
    command,
    f"Section 3.2, voice closest: {near.verdict}; words farthest: {far.verdict}",
)

# %% [markdown]
# Behind each of these means stands a joint distribution. A square's area is the number of clips with that pair of labels;
# on the diagonal the two annotations agree.

# %% tags=["hide-input"]
display(figures.mark(figures.pairwise(counts["four"]["pairs"]), labels))
figures.caption(labels, command, "not in the paper")

# %% [markdown]
# ## Do the new clips rely less on the words?
#
# Section 3.1 says that the dataset "contains plenty of instances with weak text modality reliance", chosen for voices and faces
# that say more than the words. The labels can be asked: how well does T alone give M, on the new clips and on those of the
# original CH-SIMS with their original labels? This needs care: for the new clips the modalities were kept apart more strictly
# while they were labelled (Section 3.2), so that the two T are not quite the same measurement.

# %% tags=["hide-input"]
old = label_sets.recorded()["original_pairs"]["pairs"]["MT"]
reliance = pd.DataFrame(
    [
        {"group": name, **label_summary.reliance_on_text(cells)}
        for name, cells in {
            "with four labels, CH-SIMS v2.0": counts["four"]["pairs"]["MT"],
            "original part, original labels": old,
        }.items()
    ]
)
reliance.columns = [
    "group",
    "clips",
    "T of another sign than M",
    "Corr of T and M",
    "mean |M - T|",
]
reliance["in %"] = 100 * reliance["T of another sign than M"] / reliance["clips"]
decimals = {"in %": 1, **dict.fromkeys(reliance.columns[3:5], 3)}
display(Table(reliance, "reliance-on-text", decimals=decimals))
display(figures.caption(labels, command, f"Section 3.1: {result['text_reliance'].verdict}"))
new, old = (reliance.iloc[row] for row in (0, 1))
better = "better" if new["Corr of T and M"] > old["Corr of T and M"] else "no better"
Markdown(
    f"On the new clips T gives M *{better}*. There are clips whose words mislead, "
    f"{new['in %']:.1f} % of the new ones against {old['in %']:.1f} % of the original ones."
)

# %% [markdown]
# ## How much does each annotation explain?
#
# Here the labels are asked the question of the first page: do voices and faces matter? M is regressed on the annotations of one
# modality, of two, and of all three; R² is the share of its variance that they explain. On the right, what each adds to the
# other two. No network is involved, and the annotators of T, A and V were given that modality alone. Intervals resample source
# videos.

# %% tags=["hide-input"]
explained = cues.recorded()
display(figures.mark(cue_figures.explained(explained), "real label table"))
display(
    figures.caption(
        "real label table", "python tools/record_cues.py meta.csv", "not in the paper"
    )
)
alone, added = (
    {task: explained["new"]["all"]["r2"][name.format(task)][0] for task in cues.MODALITIES}
    for name in ("{}", "+{}")
)
both = explained["new"]["all"]["r2"]["AV"][0]
most, least = max(alone, key=alone.get), min(alone, key=alone.get)
of_claims = (
    f"The paper says that the voice is closest to the whole ({near.verdict}) and the words "
    f"are farthest from it ({far.verdict}). Ordered by what each explains alone, "
    f"the voice is {'' if most == 'A' else 'not '}first and the words are "
    f"{'' if least == 'T' else 'not '}last, too. That the new clips rely less on their words "
    f"({result['text_reliance'].verdict}, by the section above) is not settled by what the "
    "words add, because the original clips carry another set of labels."
)
Markdown(
    f"On the new clips the voice explains {alone['A']:.0%}, the face {alone['V']:.0%}, the "
    f"words {alone['T']:.0%}; voice and face together {both:.0%}. To these the words add "
    f"{added['T']:.1%}; the voice adds {added['A']:.1%} to words and face, and the face adds "
    f"{added['V']:.1%} to words and voice. On the original clips the words add "
    f"{explained['original']['all']['r2']['+T'][0]:.1%}.\n\n{of_claims}"
)

# %% [markdown]
# ## Source videos
#
# The clips are cut from longer videos. Clips of one video share a speaker, a scene and a microphone, so a test clip whose
# video is in the training split is not new in the way a reader of Table 1 would think. And in the label table in circulation
# one group of test videos stands out: in all its clips the four annotations are identical, so their unimodal labels are most
# probably copies of M. Whether the released pickle has such placeholders is not known; they are looked for in each file, and
# T, A and V are never scored on them.

# %% tags=["hide-input"]
keys = ["videos", "shared_valid", "shared_test", "equal_placeholders", "equal_others"]
display(Table(result.as_frame(keys), "videos"))
figures.caption(labels, "avmc data audit meta.csv", "not in the paper")

# %% tags=["hide-input"]
clips_of = features if given is None else at_hand
table = label_table(features if given is None else given)
display(figures.mark(figures.video_groups(table[table["split"] != "unlabelled"]), clips_of))
figures.caption(clips_of, command, "not in the paper")

# %% [markdown]
# ## Figure 2: the parts, their classes and durations
#
# Figure 2 describes the dataset part by part: the original clips, which were labelled anew, the new ones, and the unlabelled
# ones. Classes first, counted on the relabelled set, in percent of each part.

# %% tags=["hide-input"]
parts = label_summary.classes_by_part()
display(Table(parts, "parts", decimals=dict.fromkeys(parts.columns[2:], 1)))
display(figures.caption(None, command, "Figure 2, which prints no numbers"))
was, now = (parts.set_index("part").loc[f"{part} clips"] for part in ("original", "new"))
Markdown(
    f"Of the new clips {now['NEG'] + now['WNEG']:.1f} % are negative, of the original ones "
    f"{was['NEG'] + was['WNEG']:.1f} %; positive are {now['POS'] + now['WPOS']:.1f} % "
    f"against {was['POS'] + was['WPOS']:.1f} %, and neutral {now['NEU']:.1f} % against "
    f"{was['NEU']:.1f} %."
)

# %% [markdown]
# Durations next. The released arrays are cut at a fixed number of steps, probably the mean length plus three standard
# deviations; what was longer piles up at the cap. The paper says that unlabelled clips are the more diverse in length. The
# simulated corpus follows it, at its small size with lengths divided by eight.

# %% tags=["hide-input"]
clips = pd.concat([features.split(name).clips for name in features.manifest["splits"]])
kind = clips["split"].eq("unlabelled").map({True: "unlabelled", False: "labelled"})
if not features.simulated:  # the simulated corpus has no clips of an earlier data set
    original = cues.of_original(clips)
    kind = kind.mask(kind.eq("labelled"), original.map({True: "original", False: "new"}))
lengths = {
    m: pd.DataFrame({"length": clips[f"{m}_length"], "clips": kind})
    for m in ("text", "audio", "vision")
}
display(figures.mark(figures.length_histograms(lengths), features))
display(figures.caption(features, command, "Figure 2 shows durations"))
durations = (
    (lengths["audio"]["length"] * HOP_SECONDS["audio"])
    .groupby(lengths["audio"]["clips"])
    .describe()[["count", "mean", "std", "min", "50%", "max"]]
    .set_axis(["clips", "mean, s", "SD, s", "shortest, s", "median, s", "longest, s"], axis=1)
    .astype({"clips": int})
)
display(Table(durations.rename_axis("part").reset_index(), "durations"))
figures.caption(features, command, "Figure 2 shows durations")

# %% tags=["hide-input"]
named = table[table["split"] != "unlabelled"]
characters = pd.DataFrame({"length": named["text"].str.len(), "clips": "labelled"})
display(figures.mark(figures.length_histograms({"characters": characters}), clips_of))
figures.caption(clips_of, command, "it gives no figure about transcripts")

# %% [markdown]
# ## What reading alone gives
#
# Character n-grams of the transcript and a ridge regression, nothing else. Its strength is chosen on the validation split;
# intervals resample source videos. It needs the transcripts, so it runs only on the real table or on a store.

# %% tags=["hide-input"]
scores = text_only.score(named, seed=seed)
shown = scores.rename(columns={"slice": "clips of"})[
    ["model", "task", "clips of", "clips", "videos", *METRICS]
]
display(interval_table(shown, "text-only", ["Acc2", "Acc2_weak", "Corr", "MAE"]))
figures.caption(clips_of, command, "Table 3, where BERT reads the text")

# %% [markdown]
# Two cautions. The two kinds of test clips differ in more than their videos, as the line below counts, so the
# gap between them is a warning, not a measurement of what a shared video is worth. And a model that has learnt nothing does not
# score zero: always predicting the training mean gives the figures in the other rows.

# %% tags=["hide-input"]
Markdown(text_only.kinds_of_test_clips(named))

# %% [markdown]
# (the-audit)=
#
# ## The audit
#
# Every finding in one table, with what others in the field have asked the authors. It has more rows than the
# [ledger](06_claims.ipynb) has claims that labels decide, because it also answers questions of ours. `avmc data audit` prints it
# for any store or label table.

# %% tags=["hide-input"]
anchors = [anchor("finding", item.key) for item in result.findings]
display(Table(result.as_frame(), "audit", ["Verdict"], anchors=anchors))
display(figures.caption(labels, "avmc data audit meta.csv", "the places named in the table"))
notes = [f"- *{basis}*: {sentence}" for basis, sentence in result.bases.items()]
Markdown("What the findings rest on:\n\n" + "\n".join(notes))

# %% tags=["hide-input"]
if others:
    display(Markdown(f"The same for the table given: {others.label_set}"))
    display(Table(others.as_frame(), "audit-of-the-table-given", ["Verdict"]))
    display(
        figures.caption(at_hand, "avmc data audit meta.csv", "not decided on these labels")
    )

# %% tags=["hide-input"]
artefacts.save(
    "dataset",
    {
        "findings": {
            item.key: {
                "found": item.value,
                "shown": item.found,
                "published": item.printed,
                "verdict": item.verdict,
            }
            for item in result.findings
        },
        "verdicts": pd.Series([item.verdict for item in result.findings])
        .value_counts()
        .to_dict(),
        "label_set": result.label_set,
        "labels_differ": which_labels.disagreement()[["clips", "differ"]].sum().to_dict(),
        "given": others.label_set if others else "",
        "constants": {
            row.Metric: row._asdict()
            for row in which_labels.constants().itertuples(index=False)
        },
    },
    {"data": artefacts.data_mark(labels), "command": command},
)
artefacts.save(
    "text_only",
    {"rows": text_only.plain(scores)},
    {"data": artefacts.data_mark(clips_of), "command": command, "seed": seed},
)
by_labels = claims.evidence_counts(
    claims.ledger(claims.gather(features if store else None, given if meta else None))
)["labels"]
display(
    Markdown(
        "The text model and the source videos were computed on: "
        f"**{artefacts.data_mark(clips_of)}**."
    )
)
in_one_sentence(
    f"In what annotators judged, voice and face matter (together they explain {both:.0%} of "
    f"M on the new clips, the words {alone['T']:.0%}), and of the {by_labels['all']} claims "
    "of the paper that labels decide, as the [ledger](06_claims.ipynb) counts them, "
    f"{by_labels[HOLDS]} hold, {by_labels[PART]} hold in part and {by_labels[FAILS]} do not."
)
