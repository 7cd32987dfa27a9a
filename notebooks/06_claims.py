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
# # The ledger of claims
#
# Every quantitative statement of the paper, in our words, with its place, the printed figure, what was found, and a verdict.
# Code decides: the printed figures are held against each other, against the real labels, against an imported store of the
# real features, and against runs. What the simulated corpus shows decides nothing about the paper: a sentence that comes
# out true there is marked as just that.

# %% tags=["parameters"]
profile = "ci"  # or "full": the published settings, for a real store
store = ""  # an imported store of the real features
meta = ""  # the real label table; without it, the label counts that the package carries

# %% tags=["hide-input"]
from IPython.display import Markdown, display

from avmc_core import artefacts
from avmc_core.data.released import read_meta
from avmc_core.data.store import open_store
from avmc_core.drawing import figures
from avmc_core.experiments import experiment
from avmc_core.grid import run_all
from avmc_core.metrics import METRICS
from avmc_core.paper import claims
from avmc_core.paper.claim_runs import Runs
from avmc_core.paper.findings import FAILS, HOLDS
from avmc_core.paper.three_truths import SHARED, spread, three_truths
from avmc_core.publishing.tables import Table
from avmc_core.simulated.corpus import ensure_corpus

data = open_store(store) if store else ensure_corpus("ci")
labels = read_meta(meta) if meta else None
runs = {}
for name in ("avmc", "benchmark", "table3", "table4"):
    plan = experiment(name)
    runs[name] = Runs(
        plan.rows, run_all(plan.runs(profile, store=data), data, progress_bar=False), data
    )
every = {run: record for part in runs.values() for run, record in part.records.items()}
evidence = claims.gather(data, labels, **runs)
rulings = claims.ledger(evidence)
Markdown(f"Labels: **{evidence.labels.source}**. Runs: **{artefacts.data_mark(data)}**.")

# %% [markdown]
# ## How many of each

# %% tags=["hide-input"]
command = f"avmc notebooks 06_claims --profile {profile}"
counts = claims.verdict_counts(rulings)
display(Table(counts.reset_index(), "verdicts"))
figures.caption(labels, command, "its claims, all of them", records=every)

# %% [markdown]
# ## What does not hold
#
# Each line is one ruling of the table below. Some misses are slips of a digit; some are sentences that their own table
# contradicts.

# %% tags=["hide-input"]
missed = [ruling for ruling in rulings if ruling.verdict == FAILS]
Markdown(
    f"Of {len(rulings)} claims {len(missed)} do not hold and "
    f"{sum(ruling.verdict == HOLDS for ruling in rulings)} do.\n\n"
    + "\n".join(
        f"- {r.claim.place}. {r.claim.says}: printed **{r.printed}**, found **{r.found}**."
        for r in missed
    )
)

# %% [markdown]
# ## The whole ledger
#
# Filter by words or verdict; a click on a heading sorts. A click on the way of deciding shows the check and where it is in
# the code.

# %% tags=["hide-input"]
frame = claims.as_frame(rulings)[
    ["Place", "Statement", "Verdict", "Found", "Printed", "Decided by"]
]
sources = [claims.source_of(ruling.claim) for ruling in rulings]
display(Table(frame, "ledger", ["Place", "Decided by", "Verdict"], {"Decided by": sources}))
figures.caption(data, command, "its claims, all of them", records=every)

# %% [markdown]
# ## Three truths
#
# The same models, as reported by the paper, by the same laboratory later, and by a third party; and here. The three published
# columns are about the same data set, and still they are not the same numbers: seeds, versions and tuning are in none of
# them.

# %% tags=["hide-input"]
for metric in SHARED:
    wide = spread(metric)
    gap = f"{wide['gap']:.3f}" if metric == "MAE" else f"{wide['gap']:.2f} points"
    text = f"{wide['models']} models stand in more than one table; "
    text += f"the widest gap is {gap}, for {wide['model']}."
    display(Markdown(f"### {metric}\n\n{text}"))
    truths = three_truths(runs, metric)
    display(
        Table(
            truths,
            f"truths-{metric.lower()}",
            decimals=dict.fromkeys(truths, METRICS[metric].decimals),
        )
    )
    display(
        figures.caption(
            data, command, "Table 2 and two later tables", records=runs["benchmark"].records
        )
    )

# %% tags=["hide-input"]
artefacts.save(
    "claims",
    {
        "claims": len(rulings),
        "verdicts": {
            verdict: sum(ruling.verdict == verdict for ruling in rulings)
            for verdict in claims.VERDICTS
        },
        "rulings": {
            r.claim.key: {"printed": r.printed, "found": r.found, "verdict": r.verdict}
            for r in rulings
        },
        "spread": {metric: spread(metric) for metric in SHARED},
    },
    artefacts.provenance(data, command, every) | {"labels": evidence.labels.source},
)
Markdown("How differences between models are tested is on [](05_ablation.ipynb).")
