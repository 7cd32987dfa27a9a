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
# # Do the unimodal heads mean what they say?
#
# The consistency loss of AV-MC uses its predictions for the voice and the face as targets, so it matters whether they are any good.
# This page compares the predictions of these heads, and of the head for the text, with the annotation of their own modality on the
# test clips. What the models lose without a modality is on [](14_reliance.ipynb).

# %% tags=["parameters"]
profile = "ci"  # or "full": the published settings, for a real store
store = ""  # an imported store of the real features
models = {
    "table4": ["AV-MC (released)", "AV-MC (paper)"],
    "avmc": ["Late mean", "Text-only ridge"],
}

# %% tags=["hide-input"]
from IPython.display import display

from avmc_core import artefacts
from avmc_core.analysis.calibration import calibrations
from avmc_core.analysis.predicting import kept_predictions
from avmc_core.analysis.reliance_tables import as_rows, calibration_table
from avmc_core.data.store import open_store
from avmc_core.drawing import figures, reliance_figures
from avmc_core.publishing.html_table import Table
from avmc_core.publishing.page_parts import in_one_sentence, opening
from avmc_core.runs.grid import run_all
from avmc_core.runs.selection import runs_of
from avmc_core.schema import MODALITY_OF_TASK
from avmc_core.simulated.corpus import ensure_corpus

figures.use_style()
data = open_store(store) if store else ensure_corpus("large")
command = f"avmc notebooks 18_calibration --profile {profile}"
clips = len(data.split("train"))
records = run_all(runs_of(models, profile), data, progress_bar=False)
opening(
    "how each head's predictions compare with the labels: a regression and five bins",
    data,
    records,
    f"{clips:,} training clips",
)

# %% [markdown]
# ## Predictions and labels
#
# Labels are regressed on predictions, and compared in five bins of equally many predictions. On the diagonal a prediction means what
# it says; a slope above 1 says that predictions are too timid. Clips whose unimodal labels only repeat M are left out for T, A
# and V. A head that hardly varies has a poorly determined slope. The *gap* is how far, in the mean over clips, the mean label of a
# bin is from its mean prediction.

# %% tags=["hide-input"]
test = data.split("test")
predictions = kept_predictions(records, data, test)
calibration_fits = {name: calibrations(tasks, test) for name, tasks in predictions.items()}
display(figures.mark(reliance_figures.calibration(calibration_fits), data))
display(figures.caption(data, command, status="not in the paper", records=records))
display(Table(calibration_table(calibration_fits), "calibration", filters=("task",)))
figures.caption(data, command, status="slope 1 and intercept 0 are perfect", records=records)

# %% tags=["hide-input"]
artefacts.save(
    "calibration",
    {"calibration": as_rows(calibration_table(calibration_fits))},
    artefacts.provenance(data, command, records),
)


def read_as(slope):
    """What the interval of a slope says about the predictions of a head."""
    if not slope.low > 0:
        return "has no clear positive relation to the label"
    rise = f"(the label rises by {slope.estimate:.2f} for each unit)"
    if slope.low <= 1 <= slope.high:
        return f"may mean what it says {rise}"
    return f"is too {'extreme' if slope.high < 1 else 'timid'} {rise}"


in_one_sentence(
    ". ".join(
        f"In {name} "
        + ", ".join(
            f"the head for {modality} {read_as(calibration_fits[name][task].slope)}"
            for task, modality in MODALITY_OF_TASK.items()
        )
        for name in models["table4"]
    )
    + f" ({artefacts.data_mark(data)})."
)
