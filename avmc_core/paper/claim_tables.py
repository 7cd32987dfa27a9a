"""Claims that the printed tables decide among themselves: who is better than whom, and by how much.

As in ``claim_arithmetic``, a percentage "follows" when it is what its cells give, rounded as
printed.
"""

from __future__ import annotations

from itertools import product

from avmc_core.metrics import BY_COLUMN
from avmc_core.paper.claim_arithmetic import figure
from avmc_core.paper.claim_outcome import Outcome, compared, words
from avmc_core.published import published


def benchmark_models() -> Outcome:
    """The models that the text names against the rows and stars of Table 2."""
    single, multi = set(figure("single_task_models")), set(figure("multitask_models"))
    starred = set(published()["table2_benchmark"]["multitask"])
    rows = set(benchmark_rows())
    holds = single == rows - starred and multi == rows & starred
    return Outcome(
        f"{len(single)} and {len(multi)}", f"{len(rows - starred)} and {len(rows & starred)}", holds
    )


def all_lower(low: str, high: str) -> Outcome:
    """Whether each model of Table 2 has a lower figure in one metric than in another."""
    wrong = [
        row
        for row in benchmark_rows()
        if not cell("table2_benchmark", row, low) < cell("table2_benchmark", row, high)
    ]
    return Outcome(
        f"{len(benchmark_rows())} models", words(wrong) if wrong else "all of them", not wrong
    )


def better(table: str, row: str, than: str) -> Outcome:
    """In how many metrics of a printed table ``row`` is strictly better than ``than`` (a row, or
    every "benchmark" model)."""
    rivals = benchmark_rows() if than == "benchmark" else [than]
    pairs = {
        metric: [(cell(table, row, metric), cell(table, rival, metric)) for rival in rivals]
        for metric in published()[table]["metrics"]
    }
    return _in_metrics(
        f"better than {'the ' + str(len(rivals)) if len(rivals) > 1 else than}", pairs
    )


def best_of_benchmark(metric: str) -> str:
    """The benchmark model whose printed cell is the best."""
    sign = BY_COLUMN[metric].sign
    return max(benchmark_rows(), key=lambda row: sign * cell("table2_benchmark", row, metric))


def gain(row: str, metric: str, than: str) -> float:
    """Relative improvement over ``than``, in percent of its printed cell."""
    ours, theirs = cell("table2_benchmark", row, metric), cell("table2_benchmark", than, metric)
    return 100 * abs(ours / theirs - 1) * (1 if _better(ours, theirs, metric) else -1)


def relative_gain(row: str, metric: str) -> Outcome:
    """A printed gain against the gain over the best model of the benchmark, in percent."""
    printed = _printed_gain(row, metric)
    best = best_of_benchmark(metric)
    percent = gain(row, metric, best)
    fits = [rival for rival in benchmark_rows() if round(gain(row, metric, rival), 2) == printed]
    elsewhere = (
        "" if best in fits else f"; fits {words(fits)}" if fits else "; fits no cell of the column"
    )
    shown = f"{percent:.2f} % over {best} ({cell('table2_benchmark', best, metric):g}){elsewhere}"
    return Outcome(f"{printed:.2f} %", shown, round(percent, 2) == printed)


def largest_gain(row: str, metric: str) -> Outcome:
    """Whether the gain printed for a metric is the largest of its row."""
    gains = {name: _printed_gain(row, name) for name in published()["table2_benchmark"]["metrics"]}
    largest = max(gains, key=gains.get)
    return Outcome(
        f"{metric} {gains[metric]:.2f} %", f"{largest} {gains[largest]:.2f} %", largest == metric
    )


def worst_modality(modality: str) -> Outcome:
    """Every cell of a modality in Table 3, whatever its features, is worse than the cells of the
    other modalities."""
    table = published()["table3_unimodal"]
    own, others = (
        [r for r in table["rows"] if r.startswith(modality) == wanted] for wanted in (True, False)
    )
    wrong = [
        f"{metric}, {annotation} annotation: {row} against {other}"
        for i, metric in enumerate(table["metrics"])
        for j, annotation in enumerate(("unimodal", "multimodal"))
        for row, other in product(own, others)
        if not _better(table["rows"][other][i][j], table["rows"][row][i][j], metric)
    ]
    return Outcome("worst in every column", "; ".join(wrong) or "worst in every column", not wrong)


def own_annotation_better(row: str) -> Outcome:
    """In how many metrics a row of Table 3 is better with the annotation of its own modality."""
    table = published()["table3_unimodal"]
    pairs = {
        metric: [tuple(pair)]
        for metric, pair in zip(table["metrics"], table["rows"][row], strict=True)
    }
    return _in_metrics("better with its own annotation", pairs)


def same_row() -> Outcome:
    """Whether AV-MC has the same figures in Tables 2 and 4."""
    rows = [
        published()[table]["rows"]["AV-MC"] for table in ("table2_benchmark", "table4_ablation")
    ]
    names = published()["table4_ablation"]["metrics"]
    row_2, row_4 = (
        words({name: f"{value:.{BY_COLUMN[name].decimals}f}" for name, value in pairs})
        for pairs in (zip(names, row, strict=True) for row in rows)
    )
    return Outcome(row_4, row_2, rows[0] == rows[1])


def change_from_ablated(metric: str) -> Outcome:
    """A printed decline of the ablation, taken relative to the ablated model."""
    printed = figure("ablation_decline_percent")[metric]
    decline = abs(_ablation_change(metric, "ablated"))
    return Outcome(f"{printed:.2f} %", f"{decline:.2f} %", round(decline, 2) == printed)


def declines_from_full() -> Outcome:
    """A decline is relative to what declined: AV-MC's own cell."""
    printed = figure("ablation_decline_percent")
    declines = {metric: round(abs(_ablation_change(metric, "full")), 2) for metric in printed}
    theirs, ours = (
        words({metric: f"{value:.2f} %" for metric, value in changes.items()})
        for changes in (printed, declines)
    )
    return Outcome(
        theirs,
        f"{ours} of AV-MC's own figure; as printed they are relative to the ablated model",
        declines == printed,
    )


def benchmark_rows() -> list[str]:
    """The rows of Table 2 that are not AV-MC."""
    return [row for row in published()["table2_benchmark"]["rows"] if not row.startswith("AV-MC")]


def cell(table: str, row: str, metric: str) -> float:
    """One printed cell; the metric by its heading. Raises KeyError or ValueError if there is
    none."""
    printed = published()[table]
    return printed["rows"][row][printed["metrics"].index(metric)]


def _in_metrics(printed: str, pairs: dict[str, list[tuple[float, float]]]) -> Outcome:
    """A metric counts as better when the first cell is, in each of its pairs; the others are
    listed, ties separately from losses."""
    better, equal, worse = [], [], []
    for metric, cells in pairs.items():
        missed = [(ours, theirs) for ours, theirs in cells if not _better(ours, theirs, metric)]
        losses = [
            f"{metric} {ours:g} against {theirs:g}" for ours, theirs in missed if ours != theirs
        ]
        where = worse if losses else equal if missed else better
        where.append("; ".join(losses) or f"{metric} {cells[0][0]:g}")
    won = "all" if len(better) == len(pairs) else f"{len(better)} of"
    others = [
        f", {name} {'; '.join(entries)}"
        for name, entries in {"equal in": equal, "worse in": worse}.items()
        if entries
    ]
    tally = f"better in {won} {len(pairs)} metrics{''.join(others)}"
    return compared(printed, tally, len(better), len(equal) + len(worse), len(pairs))


def _better(ours: float, theirs: float, metric: str) -> bool:
    return BY_COLUMN[metric].sign * (ours - theirs) > 0


def _printed_gain(row: str, metric: str) -> float:
    table = published()["table2_benchmark"]
    return table["printed_relative_gain_percent"][row][table["metrics"].index(metric)]


def _ablation_change(metric: str, base: str) -> float:
    cells = {
        "full": cell("table4_ablation", "AV-MC", metric),
        "ablated": cell("table4_ablation", "w/o Mixup-AV & Unimodal tasks", metric),
    }
    return 100 * (cells["full"] - cells["ablated"]) / cells[base]


CHECKS = {
    check.__name__: check
    for check in (
        benchmark_models,
        all_lower,
        better,
        relative_gain,
        largest_gain,
        worst_modality,
        own_annotation_better,
        same_row,
        change_from_ablated,
        declines_from_full,
    )
}
