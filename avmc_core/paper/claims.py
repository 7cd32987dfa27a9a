"""The ledger of the paper's statements that a figure could decide: where each stands, what is
printed, and the verdict.

The statements are data (``resources/claims.toml``); code decides them: arithmetic on the printed
figures, the audit of real labels or of the counts shipped with the package, or an imported store.
The same code decides more when it is given more. Questions of our own, and what our runs say under
criteria of ours, are kinds apart and never count among the paper's claims; what the simulated
corpus shows never counts for or against the paper.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any

import pandas as pd

from avmc_core.artefacts import data_mark, other_data
from avmc_core.data.store import Store
from avmc_core.errors import InputError
from avmc_core.home import resource_text
from avmc_core.paper import claim_arithmetic, claim_digits, claim_runs, claim_tables
from avmc_core.paper.audit import Audit, audit, deciding
from avmc_core.paper.claim_outcome import Outcome, words
from avmc_core.paper.findings import DECIDED, FAILS, HOLDS, PART
from avmc_core.published import text_figure

if TYPE_CHECKING:
    from avmc_core.paper.finished import Finished

SIMULATED = "holds on the simulated corpus only"
NEEDS = "needs the real features"
OPEN = "not decided by the runs"
CANNOT = "cannot be checked"
VERDICTS = (HOLDS, PART, FAILS, SIMULATED, NEEDS, OPEN, CANNOT)
# The paper's sentence; our question whether its places agree; our criterion for what our runs say
# of a sentence.
CLAIM, CHECK, RUNS = "claim", "our check", "our runs"
KINDS = (CLAIM, CHECK, RUNS)
NOT_HERE = "not decidable here"
HOW = {
    "labels": "the real labels",
    "arithmetic": "the paper's figures against each other",
    "code": "the public code",
    "features": "real features",
    "run": "our runs",
    "none": NOT_HERE,
}
ARITHMETIC = claim_arithmetic.CHECKS | claim_tables.CHECKS | claim_digits.CHECKS


@dataclass(frozen=True)
class Claim:
    """One entry of ``claims.toml``; its fields are described there."""

    key: str
    place: str
    says: str
    how: str
    check: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    finding: str = ""
    figure: str = ""
    why: str = ""
    kind: str = CLAIM


@dataclass(frozen=True)
class Evidence:
    """The available evidence. ``labels``: an audit of real labels; ``store``: real features,
    if any, and ``features`` their audit; ``runs``: the finished experiments by name."""

    labels: Audit
    store: Store | None = None
    features: Audit | None = None
    runs: Mapping[str, Finished] = field(default_factory=dict)


def gather(
    store: Store | None = None, meta: pd.DataFrame | None = None, **runs: Finished
) -> Evidence:
    """Gathers the available evidence. Labels come from ``meta``, else from a real ``store``,
    whichever carries the relabelled set that the paper used, else from the counts shipped with the
    package; never from a simulated store. An imported store that is not CH-SIMS v2.0 and the user's
    own clips are not evidence about the paper, and neither are runs on them."""
    real = None if store is None or other_data(data_mark(store)) else store
    if real is None and store is not None and not store.simulated:
        runs = {}
    return Evidence(deciding(meta, real), real, None if real is None else audit(real), runs)


@dataclass(frozen=True)
class Ruling:
    """A claim and its verdict; ``printed`` and ``found`` are in words, ``basis`` says on which
    clips a finding rests."""

    claim: Claim
    printed: str
    found: str
    verdict: str
    basis: str = ""

    @property
    def decided_by(self) -> str:
        """The kind of evidence: a value of ``HOW``. Runs that do not bear a sentence out on the
        simulated corpus decide nothing."""
        ran = self.claim.how == "run" and self.verdict != NEEDS
        decided = self.verdict in DECIDED or ran
        return HOW[self.claim.how] if decided else NOT_HERE


@cache
def claims() -> tuple[Claim, ...]:
    """All claims, in the order of the paper. Raises InputError for an unreadable entry."""
    text = resource_text("claims.toml")
    entries = tuple(claim for entry in tomllib.loads(text)["claim"] for claim in _expand(entry))
    keys = [claim.key for claim in entries]
    if repeated := {key for key in keys if keys.count(key) > 1}:
        raise InputError(
            "claims.toml", f"key {min(repeated)!r} more than once", "a key for each claim"
        )
    return entries


def ledger(evidence: Evidence) -> list[Ruling]:
    """The rulings on all claims, as far as the evidence goes."""
    return [decide(claim, evidence) for claim in claims()]


def decide(claim: Claim, evidence: Evidence) -> Ruling:
    """The ruling on one claim. Raises InputError for a claim that names no check."""
    if claim.how == "none":
        printed = words(text_figure(claim.figure)[0]) if claim.figure else "–"
        return Ruling(claim, printed, claim.why, CANNOT)
    if claim.finding:
        return _by_audit(claim, evidence)
    if claim.how == "run":
        outcome, simulated = claim_runs.CHECKS[claim.check](evidence.runs, **claim.arguments)
        if simulated:
            return Ruling(
                claim, outcome.printed, outcome.found, SIMULATED if outcome.holds else NEEDS
            )
        return Ruling(claim, outcome.printed, outcome.found, _verdict(outcome, OPEN))
    if claim.how == "features":
        if evidence.store is None:
            return Ruling(claim, "more diverse", "–", NEEDS)
        outcome = claim_runs.duration_spread(evidence.store)
    else:
        outcome = ARITHMETIC[claim.check](**claim.arguments)
    return Ruling(claim, outcome.printed, outcome.found, _verdict(outcome, CANNOT))


def as_frame(rulings: list[Ruling]) -> pd.DataFrame:
    """One row per claim."""
    return pd.DataFrame(
        [
            {
                "Place": ruling.claim.place,
                "Statement": ruling.claim.says,
                "Printed": ruling.printed,
                "Found": ruling.found,
                "Kind": ruling.claim.kind,
                "Decided by": ruling.decided_by,
                "Verdict": ruling.verdict,
                "Key": ruling.claim.key,
            }
            for ruling in rulings
        ]
    )


def source_of(ruling: Ruling) -> str:
    """Where a claim is decided: the check with its arguments and its file, or the audit's finding
    and the clips behind it."""
    claim = ruling.claim
    if claim.how == "none":
        return ""
    if claim.finding:
        return f"audit finding {claim.finding} (avmc_core/paper/audit.py). {ruling.basis}".rstrip()
    arguments = ", ".join(f"{name}={value!r}" for name, value in claim.arguments.items())
    check = ARITHMETIC.get(claim.check)
    module = check.__module__.rpartition(".")[2] if check else "claim_runs"
    return f"{claim.check}({arguments}) in avmc_core/paper/{module}.py"


def tally(rulings: list[Ruling], kind: str = CLAIM) -> dict[str, int]:
    """How many rulings of a kind got each verdict."""
    verdicts = [ruling.verdict for ruling in rulings if ruling.claim.kind == kind]
    return {verdict: verdicts.count(verdict) for verdict in VERDICTS}


def verdict_counts(rulings: list[Ruling], kind: str = CLAIM) -> pd.DataFrame:
    """How many rulings of a kind were decided by each kind of evidence (rows) and got each verdict
    (columns), with totals."""
    frame = as_frame([ruling for ruling in rulings if ruling.claim.kind == kind])
    table = pd.crosstab(frame["Decided by"], frame["Verdict"], margins=True, margins_name="all")
    ways = [way for way in HOW.values() if way in table.index]
    verdicts = [verdict for verdict in VERDICTS if verdict in table.columns]
    return table.reindex(index=[*ways, "all"], columns=[*verdicts, "all"], fill_value=0)


def evidence_counts(rulings: list[Ruling]) -> dict[str, dict[str, int]]:
    """How many of the paper's claims each kind of evidence decides (``all``), and with which
    verdict, keyed by ``how``. The kinds add up to the number of claims."""
    claims_of = {
        way: [r for r in rulings if r.claim.kind == CLAIM and r.decided_by == HOW[way]]
        for way in HOW
    }
    return {
        way: {"all": len(group)}
        | {verdict: sum(r.verdict == verdict for r in group) for verdict in DECIDED}
        for way, group in claims_of.items()
        if way != "run"
    }


def _by_audit(claim: Claim, evidence: Evidence) -> Ruling:
    """The audit's own verdict; what its source cannot tell stays open."""
    source = evidence.features if claim.how == "features" and evidence.features else evidence.labels
    finding = source[claim.finding]
    if finding.verdict in DECIDED:
        return Ruling(
            claim, finding.printed, finding.found, finding.verdict, source.bases[finding.basis]
        )
    if claim.how == "features":
        return Ruling(claim, finding.printed, "–", NEEDS)
    return Ruling(claim, finding.printed, "not among the counts shipped with the package", CANNOT)


def _verdict(outcome: Outcome, undecided: str) -> str:
    if outcome.holds is None:
        return undecided
    return HOLDS if outcome.holds else PART if outcome.partly else FAILS


def _expand(entry: dict[str, Any]) -> list[Claim]:
    """An entry once for each combination of ``each``; a key "a,b" runs over pairs."""
    fixed = {name: value for name, value in entry.items() if name not in ("each", "with")}
    each = {tuple(name.split(",")): values for name, values in entry.get("each", {}).items()}
    expanded = []
    for combination in product(*each.values()):
        chosen: dict[str, Any] = {}
        for names, values in zip(each, combination, strict=True):
            chosen |= zip(names, values if len(names) > 1 else [values], strict=True)
        filled = {name: text.format(**chosen) for name, text in fixed.items()}
        arguments = entry.get("with", {}) | {
            name: value for name, value in chosen.items() if name != "how_much"
        }
        try:
            claim = Claim(**filled, arguments=arguments if "check" in entry else {})
        except TypeError as error:
            raise InputError(
                "claims.toml", f"{entry.get('key')!r}: {error}", "the fields described there"
            ) from error
        if claim.how not in HOW:
            raise InputError(
                f"claims.toml, {claim.key}", f"how = {claim.how!r}", f"one of {', '.join(HOW)}"
            )
        if claim.kind not in KINDS:
            raise InputError(
                f"claims.toml, {claim.key}", f"kind = {claim.kind!r}", f"one of {', '.join(KINDS)}"
            )
        expanded.append(claim)
    return expanded
