"""Compares what a label table or store of CH-SIMS v2.0 holds with what the paper prints about it.

The same findings come from an imported store, from ``meta.csv``, or from the counts that the
package ships; a printed figure on which the source gives no evidence is left undecided rather than
left out. Two sets of labels circulate under one name (``avmc_core.data.label_sets``): the paper
used the relabelled one, so that nothing that rests on M of the mixed set counts for or against it.
No transcript is ever shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from avmc_core.artefacts import data_mark
from avmc_core.data.label_sets import (
    MIXED,
    NAMES,
    OTHER,
    RELABELLED,
    SIMULATED,
    Recognised,
    recognise,
)
from avmc_core.paper.feature_audit import feature_findings, manifest_lines
from avmc_core.paper.findings import DECIDED, UNDECIDED, Finding, aligned
from avmc_core.paper.label_findings import MULTIMODAL, STORE, bases, label_findings
from avmc_core.paper.label_summary import Counts
from avmc_core.schema import DATASET
from avmc_core.simulated.label_counts import label_counts, shipped_counts

if TYPE_CHECKING:
    from avmc_core.data.store import Store

NOT_HERE = (
    "The paper used the relabelled set: nothing that rests on M of this one counts for or "
    "against it."
)


@dataclass(frozen=True)
class Audit:
    """All findings on one source; ``audit[key]`` is one of them."""

    source: str  # the data mark
    manifest: tuple[str, ...]  # of a store, line by line
    counts: Counts
    findings: tuple[Finding, ...]
    labels: Recognised | None  # which set of labels; None for a simulated store

    def __getitem__(self, key: str) -> Finding:
        return {item.key: item for item in self.findings}[key]

    @property
    def bases(self) -> dict[str, str]:
        """What each ``basis`` of a finding stands for, in a sentence."""
        return bases(self.counts)

    @property
    def label_set(self) -> str:
        """Which set of labels this is, in words."""
        if self.labels is None:
            return NAMES[SIMULATED]
        return f"{self.labels}{'. ' + NOT_HERE if self.labels.key == MIXED else ''}"

    def as_frame(self, keys: Iterable[str] = ()) -> pd.DataFrame:
        """One row per finding (those of ``keys``, or all): what, where in the paper, published,
        found, basis, verdict."""
        findings = [self[key] for key in keys] or self.findings
        titles = {
            "name": "Finding",
            "place": "In the paper",
            "printed": "Published",
            "found": "Found",
            "basis": "Basis",
            "verdict": "Verdict",
        }
        return pd.DataFrame(
            [{title: getattr(item, name) for name, title in titles.items()} for item in findings]
        )


def audit(source: Store | pd.DataFrame | None = None) -> Audit:
    """Audits a store, a label table (columns as ``released.read_meta`` gives them), or the shipped
    counts (None).

    For a simulated store every verdict is "not decided", and so is, for the mixed label set, every
    verdict that rests on M. For a store whose widths, annotations or label range differ from those
    of CH-SIMS v2.0 the audit lists the contents and compares nothing with the paper. Raises
    InputError when there is no labelled row.
    """
    if source is not None and not isinstance(source, pd.DataFrame) and not source.as_released:
        features = [replace(item, basis=STORE) for item in feature_findings(source)]
        lines = (*manifest_lines(source), f"nothing is compared with the paper, on {DATASET}")
        return Audit(data_mark(source), lines, shipped_counts(), tuple(features), Recognised(OTHER))
    table = label_table(source)
    counts = shipped_counts() if table is None else label_counts(table)
    store = None if source is table else source
    simulated = store is not None and store.simulated
    labels = None if simulated else Recognised(RELABELLED) if table is None else recognise(table)
    features = [replace(item, basis=STORE) for item in feature_findings(store)]
    findings = [*label_findings(counts, table), *features]
    findings = [item for item in findings if item.value is not None or item.published is not None]
    findings = [
        replace(item, verdict=UNDECIDED)
        if item.verdict in DECIDED
        and (simulated or (labels.key == MIXED and item.basis == MULTIMODAL))
        else item
        for item in findings
    ]
    known = (
        f", {labels.key} set" if isinstance(source, pd.DataFrame) and labels.key != OTHER else ""
    )
    return Audit(data_mark(source) + known, manifest_lines(store), counts, tuple(findings), labels)


def deciding(*sources: Store | pd.DataFrame | None) -> Audit:
    """The audit that decides what the paper says about labels: of the first source that carries the
    relabelled set, else of the counts that the package ships. A simulated store never decides."""
    for source in sources:
        if source is not None and (isinstance(source, pd.DataFrame) or not source.simulated):
            result = audit(source)
            if result.labels.key == RELABELLED:
                return result
    return audit()


def label_table(source: Store | pd.DataFrame | None) -> pd.DataFrame | None:
    """The table of clips behind a source, labelled and unlabelled; None for the shipped counts."""
    if source is None or isinstance(source, pd.DataFrame):
        return source
    return pd.concat(
        [source.split(name).clips for name in source.manifest["splits"]], ignore_index=True
    )


def render(result: Audit) -> str:
    """The audit as plain text for a terminal, one line per finding."""
    frame = result.as_frame()
    rows = [tuple(frame.columns), *frame.itertuples(index=False, name=None)]
    used = {item.basis for item in result.findings}
    notes = [f"{basis}: {sentence}" for basis, sentence in result.bases.items() if basis in used]
    head = [f"data: {result.source}", f"labels: {result.label_set}", *result.manifest]
    return "\n".join([*head, "", *aligned(rows), "", "Basis", *notes])
