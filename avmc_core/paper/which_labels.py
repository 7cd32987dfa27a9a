"""Which of the two label sets the paper and the released pickle used: the evidence, each piece
computed from recorded counts.

The sets are those of ``avmc_core.data.label_sets``. Every piece compares a printed or reported
figure with the value that each set gives.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from avmc_core.data.label_sets import (
    MIXED,
    ORIGINAL,
    RELABELLED,
    constant_scores,
    of_set,
    recorded,
    total,
)
from avmc_core.metrics import METRICS
from avmc_core.paper import digits, seeds
from avmc_core.paper.granularity import fits
from avmc_core.paper.label_summary import (
    TABLE_1,
    class_counts,
    positive_percent,
    published_class_counts,
    signs,
)
from avmc_core.published import text_figure
from avmc_core.schema import SPLITS

SETS = (RELABELLED, MIXED)


def of_splits(key: str) -> dict[str, np.ndarray]:
    """{split: 11 counts of M} of one of the two sets: what ``class_counts`` takes."""
    return {split: total(of_set(key), split=split) for split in SPLITS}


def evidence() -> pd.DataFrame:
    """One row per piece of evidence: what was printed or reported, and what the two sets give.

    Columns: Evidence, Known, relabelled, mixed, Source.
    """
    pieces = (_table_1, _weak_accuracies, _original_ratio, _off_grid, _ratio, _annotations)
    return pd.DataFrame([piece() for piece in pieces])


def table_1_cells() -> pd.DataFrame:
    """The classes of Table 1 as printed and by both sets, as Table 1 cuts the levels: one row per
    split and source."""
    sources = {"Table 1 as printed": published_class_counts()}
    sources |= {f"{key} set": class_counts(of_splits(key), TABLE_1) for key in SETS}
    table = pd.concat(sources, names=["source", "split"]).reset_index()
    order = {split: k for k, split in enumerate(SPLITS)}
    table = table.sort_values("split", key=lambda column: column.map(order), kind="stable")
    return table[["split", "source", *table.columns.drop(["split", "source"])]]


def constants() -> pd.DataFrame:
    """The scores of always predicting 0 on the test split of each set: the same predictions, but
    different labels."""
    scores = {key: constant_scores(key) for key in SETS}
    rows = []
    for metric in scores[RELABELLED]:
        scale = METRICS[metric].scale
        rows.append({"Metric": metric} | {key: scale * scores[key][metric] for key in SETS})
    return pd.DataFrame(rows)


def disagreement() -> pd.DataFrame:
    """In how many clips of each kind the two sets differ, and how many were read off the relabelled
    file."""
    rows = [{"clips of the": kind, **counts} for kind, counts in recorded()["differ"].items()]
    return pd.DataFrame(rows)


def _table_1() -> dict[str, str]:
    printed = published_class_counts()
    apart = {key: (class_counts(of_splits(key), TABLE_1) - printed).abs() for key in SETS}
    agreement = {
        key: f"{int((cells == 0).sum().sum())} of them, the others off by at most "
        f"{cells.max().max()}"
        for key, cells in apart.items()
    }
    whole = [split for split in SPLITS if not apart[RELABELLED].loc[split].any()]
    agreement[RELABELLED] += f"; {' and '.join(whole)} to the clip"
    return _piece(
        "Cells of Table 1 that come out", f"{printed.size} cells", agreement, "the paper, Table 1"
    )


def _weak_accuracies() -> dict[str, str]:
    """Of single runs: each is k/N for the N weak clips of the test split on which it was
    computed."""
    figures = sorted(set(seeds.runs()["Acc2_weak"]))
    agreement = {
        key: f"{int(fits(figures, n).sum())} with N = {n}"
        for key in SETS
        for n in [digits.weak_clips(key)]
    }
    most = int(of_splits(RELABELLED)["test"].sum())
    numbers = [str(n) for n in range(1, most + 1) if fits(figures, n).all()]
    agreement[RELABELLED] += f"; of all N up to {most} only {' and '.join(numbers)} fit all"
    what = "Different values of Acc2_weak on test that are k/N"
    return _piece(
        what, f"{len(figures)} values", agreement, f"released pickle, seed by seed: {seeds.SOURCE}"
    )


def _original_ratio() -> dict[str, str]:
    figure, place = text_figure("original_positive_to_negative_percent")
    percentages = {key: _percent(total(of_set(key), part=ORIGINAL)) for key in SETS}
    what = "Positive to negative clips in %, in the original part: printed for the original CH-SIMS"
    return _piece(what, f"{figure:.2f}", percentages, f"the paper, {place}")


def _off_grid() -> dict[str, str]:
    exceptions = {}
    for key in SETS:
        labels = recorded()["sets"][key]["off_grid"]
        exceptions[key] = (
            ", ".join(f"{label['clips']} ({label['label']:g})" for label in labels) or "0"
        )
    report = recorded()["reports"]["off_grid"]
    return _piece("Labels off the levels", str(report["clips"]), exceptions, report["source"])


def _ratio() -> dict[str, str]:
    figure, place = text_figure("positive_to_negative_percent")
    percentages = {key: _percent(total(of_set(key))) for key in SETS}
    sums = published_class_counts().sum()
    cells = positive_percent(sums["NEG"] + sums["WNEG"], sums["WPOS"] + sums["POS"])
    what = "Positive to negative clips in %, in the whole set"
    return _piece(
        what,
        f"{figure:.2f} (by Table 1: {cells:.2f})",
        percentages,
        f"the paper, {place} and Table 1",
    )


def _annotations() -> dict[str, str]:
    """The pickle's field ``annotations`` has the signs of the mixed set; where they contradict the
    pickle's own labels, those have another sign than in the mixed set: so the labels are not those
    of the mixed set."""
    report, other_sign = recorded()["reports"]["annotations"], recorded()["other_sign"]
    quoted = report["quoted_equal"]
    known = f"{_by_split(report['other_sign'])}; {report['quoted']} rows quoted"
    contradictions = {
        RELABELLED: f"{_by_split(other_sign)}; {quoted[RELABELLED]} of the rows",
        MIXED: f"{_by_split(dict.fromkeys(SPLITS, 0))}; {quoted[MIXED]} of the rows",
    }
    what = (
        "Clips whose word (positive, neutral, negative) has another sign than their label, by "
        "split; labels of single rows"
    )
    return _piece(what, known, contradictions, report["source"])


def _piece(what: str, known: str, by_set: dict[str, str], source: str) -> dict[str, str]:
    return {
        "Evidence": what,
        "Known": known,
        **{key: by_set[key] for key in SETS},
        "Source": source,
    }


def _percent(levels: np.ndarray) -> str:
    n = signs(levels)
    return (
        f"{positive_percent(n['negative'], n['positive']):.2f} ({n['positive']} to {n['negative']})"
    )


def _by_split(counts: dict[str, int]) -> str:
    return ", ".join(f"{split} {counts[split]}" for split in SPLITS)
