"""Figures on CH-SIMS v2.0 that were published after the paper, as secondary sources: each with its
source and its caveat.

Nothing here was run by us, and most figures were copied from one place to another before they came
here (``resources/successors.csv``). What their digits allow is computed by ``granularity``.
"""

from __future__ import annotations

import pandas as pd
from scipy.stats import binom

from avmc_core.data.label_sets import MIXED, RELABELLED
from avmc_core.home import resource
from avmc_core.paper import digits, granularity
from avmc_core.paper.granularity import DECIMALS, RUNS
from avmc_core.published import published

SHOWN = ("Acc2", "F1", "Acc2_weak", "Acc3", "Acc5", "MAE", "Corr")
ACCURACIES = ("Acc2", "Acc3", "Acc5")  # over all test clips, whichever the labels


def recorded() -> pd.DataFrame:
    """The table as published, every figure as text, because its last zero counts: columns model,
    venue, ``SHOWN``, source, caveat; "" where nothing is printed."""
    return pd.read_csv(resource("successors.csv"), dtype=str, keep_default_na=False)


def table() -> pd.DataFrame:
    """``recorded`` with two more columns: the numbers of runs that all its accuracies over the
    whole test split fit, and the label sets that its Acc2_weak fits."""
    rows = recorded()
    runs = [runs_by_digits([row[name] for name in ACCURACIES]) for _, row in rows.iterrows()]
    return rows.assign(
        **{"runs by digits": runs, "labels by digits": rows["Acc2_weak"].map(labels_of)}
    )


def runs_by_digits(figures: list[str]) -> str:
    """The numbers of runs that every one of some accuracies over the whole test split fits, in
    words."""
    exact = [figure for figure in figures if _decimals(figure) == DECIMALS]
    if not exact:
        return "its digits are too few to tell"
    clips = digits.clips("Acc2")
    allowed = [s for s in RUNS if all(_fits(figure, clips, s) for figure in exact)]
    return " or ".join(map(str, allowed)) or f"none of {', '.join(map(str, RUNS))}"


def labels_of(weak: str) -> str:
    """Which label sets' numbers of weak test clips one Acc2_weak fits, and as the mean of how many
    runs, in words."""
    if _decimals(weak) != DECIMALS:
        return "no Acc2_weak" if not weak else "its digits are too few to tell"
    clips = {
        "relabelled": digits.weak_clips(RELABELLED),
        "mixed": digits.weak_clips(MIXED),
        "Table 1": digits.clips("Acc2_weak"),
    }
    parts = []
    for name, n in clips.items():
        allowed = [s for s in RUNS[:-1] if _fits(weak, n, s)]
        parts.append(
            f"{name} ({n} clips): {' or '.join(map(str, allowed)) + ' runs' if allowed else 'none'}"
        )
    return "; ".join(parts)


def tables_by_runs() -> pd.DataFrame:
    """The published tables that print two decimals: of their different accuracies over the whole
    test split, how many fit means of each number of runs. Columns table, figures, and for each of
    1, 3 and 5 runs the number that fits and the probability that as many random figures would."""
    tables = {
        "Table 2": published()["table2_benchmark"],
        "the laboratory's, later": published()["later_tables"]["laboratory"],
    }
    lines = []
    for name, printed in tables.items():
        at = [
            printed["metrics"].index(metric)
            for metric in ACCURACIES
            if metric in printed["metrics"]
        ]
        figures = sorted({cells[i] for cells in printed["rows"].values() for i in at})
        line: dict[str, object] = {"table": name, "figures": len(figures)}
        for s in (1, 3, 5):
            fit = int(granularity.fits(figures, digits.clips("Acc2"), s).sum())
            line[f"fit {s} runs" if s > 1 else "fit 1 run"] = fit
            line[f"p, {s} runs" if s > 1 else "p, 1 run"] = float(
                binom.sf(fit - 1, len(figures), granularity.chance(digits.clips("Acc2"), s))
            )
        lines.append(line)
    return pd.DataFrame(lines)


def _fits(figure: str, clips: int, runs: int) -> bool:
    """Under either habit: runs as they are, or rounded before their mean is taken. How others
    rounded is not known."""
    return any(
        granularity.fits([float(figure)], clips, runs, rounding)[0]
        for rounding in ("half", "per run")
    )


def _decimals(figure: str) -> int:
    return len(figure.partition(".")[2])
