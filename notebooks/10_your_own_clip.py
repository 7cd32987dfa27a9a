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
# # Your own clip
#
# From a video file to the three feature sets, to a prediction, and to an account of what words, voice and face contributed to it.
# The commands come first. The account further down is of a clip from the current store, because a book that is built without
# anybody's data cannot show a person.
#
# ## The commands
#
# The packages that read video and sound are an extra, because openSMILE may be used for research and non-commercial
# purposes only, and the landmark model was trained on data under a similar condition:
#
# ```sh
# .venv/bin/python -m pip install --no-deps --require-hashes -r requirements-extract.lock
# # a folder with meta.csv and VIDEO_ID/CLIP_ID.mp4, a .txt list (path, tab, transcript), or one clip with --text
# avmc extract clips my-store
# AVMC_STORE=my-store avmc run avmc          # train on it
# avmc status                                # the keys of the runs
# avmc export KEY model --store my-store     # all seeds of a run in one file, with a model card
# avmc run avmc --init model --store other   # go on from these weights on another store
# # the sentence: "What lovely weather today"
# avmc predict clip.mp4 --text "今天天气真好" --model model --picture clip.png
# ```
#
# `meta.csv` has the released columns; clips whose `mode` and labels are empty become the unlabelled split. Text features need
# bert-base-chinese in a local folder (`--bert FOLDER` or `AVMC_BERT`); nothing is downloaded by these commands. An extraction
# that was stopped (Ctrl-C stops it at once) or killed resumes where it was. It ends with a table that says for each clip what was
# kept, cut or left out, and why, and with a page, `my-store.report/index.html`, that shows a frame of each clip with the
# landmarks that were found on it. Look at that page before you train.
#
# Clips may have any usual ending, in any case: `.mp4 .mov .mkv .avi .webm .ts .flv .wmv .wav` and more. They are read as a player
# shows them: rotated as a phone's file states, with square pixels, the moving picture and not the cover, picture and sound each
# from its own start time. If no clip has a picture (or none has sound), the features of the other kind are extracted, the store
# says so, and models that need what is missing are left out.
#
# ## What is extracted
#
# | features | how | steps |
# |---|---|---|
# | text | last hidden states of the encoder, [CLS] and [SEP] included | at most 50 tokens |
# | audio | openSMILE's eGeMAPSv02 low-level descriptors, 25 columns every 10 ms at 16 kHz | cut at 925 |
# | vision | OpenFace's 177 columns at 25 frames per second: pose, 68 landmarks, action units | cut at 232 |
# | wav2vec 2.0 | with `--wav2vec FOLDER`, beside the audio: mean of all hidden states, every 20 ms | cut at the same time |
#
# In that mean the layers of wav2vec 2.0 have equal weight. With `--wav2vec-layers` the store keeps each of them, as means over
# 100 ms, and the rows of wav2vec 2.0 in [Table 3](04_unimodal) learn a weight for each layer together with the network.
#
# The visual columns come from OpenFace 2.2 when you have it (`--visual openface --openface PROGRAM`, or a folder with its CSV
# files, of videos or of folders of pictures; tested with one table that OpenFace wrote and with imitated files and an imitated
# program, never with the program itself). Without it they are an **approximation**, and the store says so: landmarks from dlib,
# the pose of a generic head fitted to them, action units from how far the landmarks are from the person's own neutral face. That
# neutral face is the median over the clip, or for the mouth that over the frames in which the lips touch. The approximation does
# not detect an expression that is held throughout a clip, nor anything that shows in wrinkles and not in outlines. How far each
# of these measures can be trusted is shown [below](#what-the-measures-of-a-face-are-worth).
#
# Frames without the speaker's face are left out. A clip that misses it in more than a quarter of the frames is discarded, as in
# the paper (Section 3.3). Positions are scaled to half picture sizes and intensities to 1. How the released values were scaled is
# unpublished, so a model that was trained on the released features may not fit extracted ones; `predict` says when features are
# unlike those of the training clips.
#
# ## Who is speaking
#
# With one face there is nothing to decide. With several, there are three ways, and the store's manifest and its table of clips
# say which was used, how many faces there were and which of them was chosen:
#
# - **Light-ASD** (Liao et al. 2023), out of the box: the package brings its public weights. It gives each face a score in each
#   frame. The face with the highest one is the speaker, who may change within a clip. In pauses of up to a second the speaker
#   remains the speaker; longer stretches in which no face speaks are left out. Its scores say that a face speaks, not whose voice
#   it is: where several speak most of the time, the mouth that moves with the loudness decides among them, if one clearly does.
# - With `--talknet WEIGHTS`, **TalkNet** (Tao et al. 2021) as in the paper, from a published weight file that you have. Frames in
#   which no face reaches zero are left out. The network has the published names and shapes and agrees with the public code on
#   generated weights, but the published weights were not available here: how well it finds speakers **was never verified**.
# - With `--speaker rule`, a **rule** without weights, for comparison: the mouth whose opening goes with the loudness. It chooses
#   one face for the whole clip; it does not follow a change of speakers, cannot tell that none of the faces speaks, and fails
#   when two people talk or laugh together or when a mouth is small, turned away or covered.
#
# The public demos of both networks find faces with a detector of their own; here the face's box follows from the landmarks. Where
# several people talk at the same time and one of them is heard, none of these ways was shown to be reliable with real people, and
# the report says so.

# %% tags=["parameters"]
profile = "ci"  # or "full": the published settings, for a real store
store = ""  # an imported or extracted store

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from avmc_core import artefacts, schema
from avmc_core.clips import records as measured
from avmc_core.clips import trust
from avmc_core.clips.prediction import clip_of, explain
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.data.store import open_store
from avmc_core.drawing import clip_figures, figures
from avmc_core.publishing.page_parts import in_one_sentence, opening
from avmc_core.publishing.tables import Table
from avmc_core.runs.experiments import experiment
from avmc_core.runs.exporting import collect, model_card
from avmc_core.runs.grid import run_all, run_store
from avmc_core.simulated.corpus import ensure_corpus

figures.use_style()
data = open_store(store) if store else ensure_corpus("ci")
runs = [run for run in experiment("table4").runs(profile) if run.name == "AV-MC (paper)"]
records = run_all(runs, data, progress_bar=False)
opening(
    "how far the parts of the extraction can be trusted, and what an ensemble makes of one "
    "clip",
    data,
    records,
    "for clips of your own the extra `extract`",
)

# %% [markdown]
# The table shows how often the right speaker was chosen: the face that is heard, or nobody if none is. The drawn faces are those
# of the tests, with synthetic voices; the real people do not speak, and are shown in pairs with a synthetic voice. The last
# columns are seconds of processor time per second of a clip: for finding its faces, and for choosing one of two faces in each
# way.

# %% tags=["hide-input"]
display(Table(measured.speakers(), "speakers"))
figures.caption(
    "synthetic clips and clips of people, recorded", measured.record("speakers")["command"]
)

# %% [markdown]
# ## How small a face may be
#
# The detector sees faces from 80 pixels on, so it is shown the picture at several sizes: every frame small, some frames large, and
# the surroundings of a face that has been found at the size that suits the detector. The table gives the share of pictures in
# which a face of that width, from ear to ear, is found; in brackets the share when the picture is searched at one small size only.

# %% tags=["hide-input"]
display(Table(measured.face_sizes(), "face-sizes"))
figures.caption(
    "faces of people, cut out and made smaller, recorded",
    measured.record("face_sizes")["command"],
)

# %% [markdown]
# (what-the-measures-of-a-face-are-worth)=
# ## What the measures of a face are worth
#
# The measures that are used here without OpenFace were computed from OpenFace's own landmarks of one person, and compared with
# OpenFace's pose and action units, frame by frame. If an action unit hardly moves in that recording, nothing can be decided about
# it. The reported figures next to them are from another clip, and from before neutral mouth, lids and brows were measured as they
# are now. Landmarks found by dlib on the same pictures are not part of the comparison. Whatever is extracted without OpenFace
# says which units are to be trusted, and `predict` says when the prediction would change without the others.

# %% tags=["hide-input"]
display(Table(measured.agreement(), "agreement"))
display(
    Markdown(
        f"A measure is trusted if its correlation is at least {trust.TRUSTED}: the one on "
        "this record, or where this decides nothing the reported one. A reported "
        "+0.00 stands for "
        '"about 0", which is all that was reported.'
    )
)
figures.caption(
    "an OpenFace file of one person, recorded", measured.record("face_agreement")["command"]
)

# %% [markdown]
# ## An ensemble and its card
#
# A package holds the networks of all seeds of one run, the means of the training features, and where it all came from. This
# is the card that `avmc export` writes into it.

# %% tags=["hide-input"]
command = f"avmc notebooks 10_your_own_clip --profile {profile}"
package = collect(records[runs[0]].key, run_store(), data)
display(Markdown(model_card(package).replace("# ", "### ", 1)))
figures.caption(data, command, "it has none", records=records)

# %% [markdown]
# ## A clip whose words and face disagree
#
# This is the test clip whose text and visual annotations lie farthest apart. The picture shows its loudness and
# pitch, the landmarks of its face along the clip, what each of the four classifiers says (one dot per seed), and the **Shapley
# shares** of M: what a modality adds when it replaces an average one, averaged over the six orders in which words, voice
# and face can be added. With the M of an average clip the shares add up to the prediction, before it is cut to the range of the
# labels. They describe the model, not the person.

# %% tags=["hide-input"]
test = data.split("test")
apart = (test.clips["T"] - test.clips["V"]).abs().to_numpy()
row = int(np.argmax(apart))
clip = clip_of(test, row)
prediction = explain(package, clip)
display(figures.mark(clip_figures.account(clip, prediction), data))
figures.caption(data, command, "it shows none", records=records)

# %% tags=["hide-input"]
labels = {f"prediction {task}": test.clips.loc[row, task] for task in schema.TASKS}
account = prediction.table().assign(label=pd.Series(labels)).rename_axis("what").reset_index()
display(Table(account, "account", decimals=dict.fromkeys(account, 3)))
display(figures.caption(data, command, "it shows none", records=records))
cut = (
    prediction.cut
    or "no prediction lies beyond the range of the labels, where it would be cut"
)
Markdown(f"{cut[0].upper()}{cut[1:]}.")

# %% [markdown]
# ## Over many clips
#
# One clip says little. Over many test clips, the mean size of each modality's share shows what this ensemble relies on. The clips
# are drawn at random among those whose annotations are not placeholders; the line below says how many.

# %% tags=["hide-input"]
usable = np.flatnonzero(~placeholder_clips(test.clips))
drawn = np.random.default_rng(1111).permutation(usable)[:60]
many = [explain(package, clip_of(test, int(number))) for number in drawn]
sizes = {
    name: float(np.mean([np.abs(one.shares[name]).mean() for one in many]))
    for name in schema.MODALITIES
}
shares = pd.DataFrame(
    {"modality": list(sizes), "mean size of the share of M": list(sizes.values())}
)
display(Table(shares, "shares", decimals=dict.fromkeys(shares, 3)))
display(figures.caption(data, command, "it shows none", records=records))
Markdown(
    f"{len(drawn)} of the {len(usable)} test clips that are not placeholders, of {len(test)} "
    "in all."
)

# %% tags=["hide-input"]
artefacts.save(
    "your_own_clip",
    {
        "shares": sizes,
        "clips": len(many),
        "prediction": {
            task: float(values.mean()) for task, values in prediction.shown.items()
        },
    },
    artefacts.provenance(data, command, records),
)
display(Markdown("What such a prediction must not be used for: [](../limits.md)."))
order = sorted(sizes, key=sizes.get, reverse=True)
in_one_sentence(
    f"A file becomes features, a prediction and an account of it; over {len(many)} clips of "
    f"{artefacts.data_mark(data)} the mean share of M is "
    + ", ".join(f"{sizes[name]:.3f} for {name}" for name in order)
    + f": this ensemble leans most on {order[0]}."
)
