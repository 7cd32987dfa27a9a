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
# The first half of the paper is a dataset: clips with four annotations each, of the words alone (T), the voice alone (A),
# the silent picture alone (V) and of everything together (M). This page recounts what can be recounted: Table 1, Figures 2
# and 3, the lengths, the source videos, and every figure of the text that the label table decides. No transcript is shown.
#
# The labels come from one of three places, and every figure says from which: the real table `meta.csv` if `AVMC_META`
# names it, an imported store of the real features if `AVMC_STORE` does, and otherwise the *counts* of the real table that
# this package carries. What needs features (the lengths) is then shown on the simulated corpus and marked so.

# %% tags=["parameters"]
meta = ""  # the real label table, meta.csv
store = ""  # an imported store of the real features
seed = 1111  # of the bootstrap intervals

# %% tags=["hide-input"]
import pandas as pd
from IPython.display import Markdown, display

from avmc_core import artefacts, figures, label_summary, text_only
from avmc_core.audit import audit, label_table
from avmc_core.corpus import ensure_corpus
from avmc_core.released import read_meta
from avmc_core.store import open_store

figures.use_style()
features = open_store(store) if store else ensure_corpus("ci")
labels = read_meta(meta) if meta else (features if store else None)  # None: the counts in the package
result = audit(labels)
counts = result.counts
command = "avmc notebooks 01_dataset_statistics" + (" --meta meta.csv" if meta else "")
Markdown(f"Labels on this page: **{artefacts.data_mark(labels)}**. {counts.get('source', '')}")

# %% [markdown]
# ## Table 1 and Figure 2: classes and splits
#
# Labels lie on eleven levels between -1 and 1; five classes gather them. The totals of the splits agree with the paper.
# The classes do not: the printed counts cannot be had from these labels, whichever way the levels are cut.

# %% tags=["hide-input"]
found, printed = label_summary.class_counts(counts), label_summary.published_class_counts()
display(figures.mark(figures.class_counts(found, printed), labels))
figures.caption(labels, command, "Table 1: totals hold, classes do not")

# %%
pd.concat({"these labels": found, "Table 1 as printed": printed}, axis=1)

# %% [markdown]
# ## Figure 3, left: the four annotations

# %% tags=["hide-input"]
display(figures.mark(figures.label_histograms(label_summary.level_counts(counts)), labels))
figures.caption(labels, command, "Figure 3, left")

# %% tags=["hide-input"]
signs = label_summary.polarity(counts)
signs["positive in % of negative"] = [
    f"{label_summary.positive_percent(row.negative, row.positive):.2f}" for row in signs.itertuples()
]
display(signs)
ratio = result["ratio_M"]
Markdown(
    f"Positive clips are **{ratio.found} %** of the negative ones by M. The paper prints {ratio.printed} %: "
    f"{ratio.verdict}."
)

# %% [markdown]
# ## Figure 3, right: how far the annotations are apart
#
# The mean absolute difference between each two annotations. The paper prints a picture without numbers and says that the
# voice is closest to the whole and the words are farthest from it.

# %% tags=["hide-input"]
display(figures.mark(figures.difference_matrix(label_summary.differences(counts)), labels))
figures.caption(labels, command, f"Figure 3, right: {result['closest_to_M_all'].verdict}")

# %% tags=["hide-input"]
display(figures.mark(figures.pairwise(counts["pairs"]["all"]), labels))
figures.caption(labels, command, "not in the paper")

# %% [markdown]
# ## Source videos
#
# The clips are cut from longer videos. Clips of one video share a speaker, a scene and a microphone, so a test clip whose
# video is in the training split is not new in the way a reader of Table 1 would think. And one group of test videos stands
# out: in all its clips the four annotations are identical, so their unimodal labels are most probably copies of M. We never
# score T, A or V on them.

# %% tags=["hide-input"]
keys = ["videos", "shared_valid", "shared_test", "equal_placeholders", "equal_others"]
pd.DataFrame([{"what": result[key].name, "found": result[key].found} for key in keys]).style.hide(axis="index")

# %% tags=["hide-input"]
origin = features if labels is None else labels
table = label_table(origin)
display(figures.mark(figures.video_groups(table[table["split"] != "unlabelled"]), origin))
figures.caption(origin, command, "not in the paper")

# %% [markdown]
# ## Lengths
#
# The released arrays are cut at a fixed number of steps, which is the mean length plus three standard deviations. The
# simulated corpus at its small size keeps the shape of these distributions and divides the lengths by eight.

# %% tags=["hide-input"]
clips = pd.concat([features.split(name).clips for name in features.manifest["splits"]])
kind = clips["split"].eq("unlabelled").map({True: "unlabelled", False: "labelled"})
lengths = {m: pd.DataFrame({"length": clips[f"{m}_length"], "clips": kind}) for m in ("text", "audio", "vision")}
display(figures.mark(figures.length_histograms(lengths), features))
figures.caption(features, command, "Figure 2 shows durations")

# %% [markdown]
# ## A first real model: what reading alone gives
#
# Character n-grams of the transcript and a ridge regression, nothing else. Its strength is chosen on the validation split;
# intervals resample source videos. It needs the transcripts, so it runs only on the real table or on a store.

# %% tags=["hide-input"]
scores = text_only.score(table[table["split"] != "unlabelled"], seed=seed)
display(text_only.readable(scores).style.hide(axis="index"))
figures.caption(origin, command, "Table 3 reads with BERT instead")

# %% [markdown]
# ## The audit
#
# Everything that the field has been asking the authors for, in one table. `avmc data audit` prints it for any store or
# label table.

# %% tags=["hide-input"]
display(result.as_frame().style.hide(axis="index"))
figures.caption(labels, "avmc data audit meta.csv")

# %% tags=["hide-input"]
artefacts.save(
    "dataset",
    {
        "findings": {
            item.key: {"found": item.value, "shown": item.found, "published": item.printed, "verdict": item.verdict}
            for item in result.findings
        },
        "verdicts": pd.Series([item.verdict for item in result.findings]).value_counts().to_dict(),
    },
    {"data": artefacts.data_mark(labels), "command": command},
)
artefacts.save(
    "text_only",
    {"rows": text_only.readable(scores).to_dict("records")},
    {"data": artefacts.data_mark(origin), "command": command, "seed": seed},
)
Markdown(f"The text model and the source videos were computed on: **{artefacts.data_mark(origin)}**.")
