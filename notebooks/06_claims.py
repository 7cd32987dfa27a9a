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
# This page lists every statement of the paper that reads as if a figure could decide it: in our words, with its place, the printed
# figure, what was found, and a verdict. Code decides each statement by one kind of evidence: the real labels (of the set that the
# paper used, or of the original CH-SIMS where the statement is about it, [](#which-labels)), the paper's figures against each other, the public code, or an imported store of the real features. A
# statement that none of these decides is not decidable here. Nothing that the simulated corpus shows decides anything about the
# paper.
#
# The paper often says "better" without saying in which metric. We take it to mean all metrics of its table: a sentence
# **holds** when it is true in every one and **holds in part** in more than half of them, or on one of two readings; otherwise
# it does not hold. A tie is not better, so that a sentence with a tie holds in part at most; the ledger distinguishes ties from
# losses. A figure that the paper gives in round numbers, or as "about", has the tolerance of its own digits: it holds if what we
# find rounds to it, and the ledger shows both.
#
# Two kinds of entries are not claims of the paper and are counted separately. **Our checks** are questions that the paper does
# not raise, such as whether two of its places agree. **Our runs** say what we obtained for a sentence of the paper, by our own
# criterion; there, a comparison of two rows counts by its own interval, without a correction for the number of comparisons, so that
# it may find more than [](05_ablation.ipynb), which corrects. Whether a printed table is *reached* is judged by prediction intervals: a printed figure should lie where one more
# run of ours would be expected. An interval of a mean would be the wrong yardstick, since it shrinks with every seed. Of the many
# cells of a table some lie outside their own interval by chance; so the intervals are widened until a faithful reproduction has
# *all* cells inside in nineteen of twenty cases.

# %% tags=["parameters"]
profile = "ci"  # or "full": the published settings, for a real store
store = ""  # an imported store of the real features
meta = ""  # the real label table; without it, the label counts that the package carries

# %% tags=["hide-input"]
from dataclasses import replace

from IPython.display import Markdown, display

from avmc_core import artefacts
from avmc_core.data.released import read_meta
from avmc_core.data.store import open_store
from avmc_core.drawing import figures
from avmc_core.paper import claims
from avmc_core.paper.claims import CANNOT, NEEDS, OPEN, SIMULATED
from avmc_core.paper.findings import FAILS, HOLDS, PART
from avmc_core.paper.finished import Finished
from avmc_core.publishing.page_parts import in_one_sentence, opening
from avmc_core.publishing.tables import Table, anchor
from avmc_core.runs.experiments import experiment
from avmc_core.runs.grid import run_all
from avmc_core.simulated.corpus import ensure_corpus

data = open_store(store) if store else ensure_corpus("ci")
labels = read_meta(meta) if meta else None
runs = {}
for name in ("avmc", "benchmark", "table3", "table4"):
    plan = experiment(name)
    seen = data if store else ensure_corpus(plan.corpora[0])
    runs[name] = Finished(
        plan.rows, run_all(plan.runs(profile, store=seen), seen, progress_bar=False), seen
    )
every = {
    replace(run, label=f"{name}: {run.name}"): record
    for name, part in runs.items()
    for run, record in part.records.items()
}
evidence = claims.gather(data, labels, **runs)
rulings = claims.ledger(evidence)
display(
    opening(
        "every statement of the paper that a figure could decide, what was found, and a "
        "verdict with its kind of evidence",
        data,
        every,
        f"{evidence.labels.source}; training clips: "
        + ", ".join(
            f"{name} {len(part.store.split('train')):,}" for name, part in runs.items()
        ),
    )
)
Markdown(
    f"Labels: **{evidence.labels.source}**, {evidence.labels.label_set}. Runs: "
    f"**{artefacts.data_mark(data)}**."
)

# %% [markdown]
# ## How many of each
#
# There is one row per kind of evidence; the rows add up to the number of claims. Below is the same for our checks and for our
# runs.

# %% tags=["hide-input"]
command = f"avmc notebooks 06_claims --profile {profile}"
for kind, about in {
    claims.CLAIM: "its claims, all of them",
    claims.CHECK: "its places against each other",
    claims.RUNS: "its claims, by criteria of ours",
}.items():
    counts = claims.verdict_counts(rulings, kind)
    display(Table(counts.reset_index(), f"verdicts-{kind.replace(' ', '-')}"))
    behind = every if kind == claims.RUNS else None
    display(figures.caption(evidence.labels.source, command, about, records=behind))

# %% [markdown]
# ## What does not hold, or only in part
#
# Each line is one ruling of the table below. Some misses are slips of a digit or a letter; some are sentences that their own
# table contradicts.

# %% tags=["hide-input"]
headings = {
    claims.CLAIM: "Claims of the paper",
    claims.CHECK: "Checks of ours",
    claims.RUNS: "Statements about our runs",
}
lines = []
for kind, name in headings.items():
    tally = claims.tally(rulings, kind)
    if not tally[HOLDS] + tally[PART] + tally[FAILS]:
        continue  # our runs on simulated data decide nothing
    lines.append(f"\n**{name}:** {tally[FAILS]} do not hold, {tally[PART]} hold in part.\n")
    lines += [
        f"- {r.claim.place}. {r.claim.says}: *{r.verdict}*; printed **{r.printed}**, found "
        f"**{r.found}**."
        for verdict in (FAILS, PART)
        for r in rulings
        if (r.claim.kind, r.verdict) == (kind, verdict)
    ]
Markdown("\n".join(lines))

# %% [markdown]
# ## The whole ledger
#
# Filter by words, kind or verdict; a click on a heading sorts. A click on the kind of evidence shows the check, where it is in
# the code, and on which clips it rests.

# %% tags=["hide-input"]
frame = claims.as_frame(rulings)[
    ["Place", "Statement", "Verdict", "Found", "Printed", "Kind", "Decided by"]
]
sources = [claims.source_of(ruling) for ruling in rulings]
display(
    Table(
        frame,
        "ledger",
        ["Place", "Kind", "Decided by", "Verdict"],
        {"Decided by": sources},
        anchors=[anchor("claim", ruling.claim.key) for ruling in rulings],
    )
)
figures.caption(data, command, "its claims, our checks and our runs", records=every)

# %% tags=["hide-input"]
artefacts.save(
    "claims",
    {
        "claims": sum(claims.tally(rulings).values()),
        "verdicts": claims.tally(rulings),
        "evidence": claims.evidence_counts(rulings),
        "checks": sum(claims.tally(rulings, claims.CHECK).values()),
        "check_verdicts": claims.tally(rulings, claims.CHECK),
        "run_verdicts": claims.tally(rulings, claims.RUNS),
        "rulings": {
            r.claim.key: {
                "kind": r.claim.kind,
                "printed": r.printed,
                "found": r.found,
                "verdict": r.verdict,
                "decided by": r.decided_by,
                "basis": r.basis,
            }
            for r in rulings
        },
    },
    artefacts.provenance(data, command, every) | {"labels": evidence.labels.source},
)
display(
    Markdown(
        "How differences between models are tested is on [](05_ablation.ipynb). Later tables "
        "of the same models print other figures than the paper's: [](03_benchmark.ipynb)."
    )
)
tally = claims.tally(rulings)
in_one_sentence(
    f"Of {sum(tally.values())} statements of the paper {tally[HOLDS]} hold, {tally[PART]} "
    f"hold in part, {tally[FAILS]} do not hold, {tally[CANNOT]} cannot be checked with what "
    f"is at hand here, and {tally[SIMULATED] + tally[NEEDS] + tally[OPEN]} need the real "
    "features."
)
