"""Claims that the printed figures decide among themselves (and one that the public code's schedule
decides).

Every figure comes from ``resources/published.json``. A percentage "follows" when it is what its
cells give, rounded as printed; for cells that are rounded themselves the found figure is shown, so
that a reader sees by how much it misses.
"""

from __future__ import annotations

from itertools import product
from math import floor, log10
from typing import Any

from avmc_core.metrics import BY_COLUMN
from avmc_core.paper.claim_outcome import Outcome, compared, words
from avmc_core.paper.label_summary import printed_weak_levels, published_class_counts
from avmc_core.published import published, text_figure
from avmc_core.schema import GRID, SPLITS


def figure(name: str) -> Any:
    """The value of a figure that is printed in the text. Raises KeyError for an unknown name."""
    return text_figure(name)[0]


def size_factor() -> Outcome:
    """The abstract's supervised clips against those it does not call new."""
    before = figure("supervised_clips") - figure("new_clips")
    ratio = figure("supervised_clips") / before
    printed = figure("size_factor")
    return Outcome(
        f"{printed} times", f"{ratio:.2f} times ({before} clips before)", round(ratio) == printed
    )


def mosi_drop() -> Outcome:
    """A rounded figure follows when the points or the percents lost round to it at its one
    significant digit."""
    before, after, printed = (
        figure(f"mosi_{name}") for name in ("accuracy_with_text", "accuracy_without_text", "drop")
    )
    points, percent = before - after, 100 * (before - after) / before
    holds = printed in (_one_digit(points), _one_digit(percent))
    return Outcome(f"about {printed} %", f"{points} points, {percent:.1f} %", holds)


def original_balance() -> Outcome:
    """With p positive clips for every 100 negative ones, at most 100 / (100 + p) of all clips are
    negative."""
    ratio, printed = (
        figure("original_positive_to_negative_percent"),
        figure("original_negative_percent"),
    )
    most = 100 * 100 / (100 + ratio)
    found = f"at most {most:.2f} %, if {ratio} positive clips come with 100 negative ones"
    return Outcome(f"{printed} %", found, printed <= most)


def supervised_total() -> Outcome:
    """The printed number of supervised clips against the sum of the splits of Table 1."""
    total = sum(published()["table1_splits"][split][0] for split in SPLITS)
    return Outcome(str(figure("supervised_clips")), str(total), total == figure("supervised_clips"))


def supervised_name() -> Outcome:
    """The sentence of Section 3.1 against Figure 2, which calls the unlabelled part by that
    name."""
    printed, elsewhere = figure("supervised_name"), figure("supervised_name_elsewhere")
    return Outcome(
        printed,
        f"{elsewhere} everywhere else; {printed} is the unlabelled part",
        printed == elsewhere,
    )


def unlabelled_over() -> Outcome:
    """Over a round number of unlabelled clips, against the exact number printed elsewhere."""
    exact, least = figure("unlabelled_clips"), figure("unlabelled_clips_over")
    return Outcome(f"over {least}", str(exact), exact > least)


def votes_kept() -> Outcome:
    """How many votes are left when the highest and the lowest are dropped."""
    left = figure("annotators") - 2
    return Outcome(
        str(figure("votes_kept")),
        f"{figure('annotators')} - 2 = {left}",
        left == figure("votes_kept"),
    )


def classes_cover_grid() -> Outcome:
    """Whether the five classes of Section 3.2 share out the levels of the label grid."""
    levels = [level for values in figure("classes").values() for level in values]
    holds = sorted(levels) == figure("label_grid") == GRID.tolist()
    return Outcome(
        f"{len(figure('classes'))} classes",
        f"{len(levels)} levels, {len(set(levels))} different",
        holds,
    )


def better_balanced() -> Outcome:
    """Whether positive to negative clips are nearer to one to one than in the original CH-SIMS."""
    now, before = (
        figure("positive_to_negative_percent"),
        figure("original_positive_to_negative_percent"),
    )
    return Outcome(
        f"{now} % against {before} %", "nearer to 100 %", abs(100 - now) < abs(100 - before)
    )


def mostly_weak_by_table1() -> Outcome:
    """Whether more than half of the clips of Table 1 are in its two weak classes."""
    n = published_class_counts().sum()
    weak, strong = (
        float(n[names].sum()) / float(n.sum()) for names in (["WNEG", "WPOS"], ["NEG", "POS"])
    )
    return Outcome(
        "weak", f"{100 * weak:.2f} % weak, {100 * strong:.2f} % strong in Table 1", weak > 0.5
    )


def table1_sums() -> Outcome:
    """Whether the classes of each split of Table 1 add up to its number of clips."""
    rows = {split: published()["table1_splits"][split] for split in SPLITS}
    sums = {split: sum(row[1:]) for split, row in rows.items()}
    totals = {split: row[0] for split, row in rows.items()}
    return Outcome(words(totals), words(sums), totals == sums)


def weak_band() -> Outcome:
    """The printed band of weak labels against the levels of the classes that are called weak."""
    low, high = figure("weak_band")
    weak = printed_weak_levels()
    counted = {level for level in figure("label_grid") if low <= level <= high}
    found = f"leaves out {words(sorted(weak - counted))}; adds {words(sorted(counted - weak))}"
    return Outcome(f"{low:g} to {high:g}", found, weak == counted)


def vision_groups() -> Outcome:
    """OpenFace writes landmarks in pixels (x, y) or millimetres (x, y, z), a presence for 18 units
    beside the intensity of 17, and gaze as two vectors, two angles, or both; head position and
    orientation are three numbers each."""
    points, units, printed = (
        figure("landmarks"),
        figure("action_units"),
        figure("features")["vision"],
    )
    landmarks, action_units, gaze = (2 * points, 3 * points), (units, 2 * units + 1), (2, 6, 8)
    sums = sorted({a + b + c + 6 for a, b, c in product(landmarks, action_units, gaze)})
    without = [a + b + 6 for a, b in product(landmarks, action_units)]
    note = f"; without gaze {printed} is possible" if printed in without else ""
    return Outcome(str(printed), f"one of {words(sums)}{note}", printed in sums)


def passes_of_an_epoch() -> Outcome:
    """Algorithm 1 and the public semi-supervised code have the same two passes (D10). We read that
    code and rebuilt it: the golden files hold its network and losses, not its schedule."""
    from avmc_core.models.avmc import AVMC, SEMI
    from avmc_core.models.base import Sizes

    passes = len(AVMC(SEMI, Sizes()).passes(1))
    return Outcome(
        str(figure("passes")),
        f"{passes}, as the public code was read (D10)",
        passes == figure("passes"),
    )


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
    """Relative improvement in percent of ``than``'s printed cell."""
    ours, theirs = cell("table2_benchmark", row, metric), cell("table2_benchmark", than, metric)
    return 100 * abs(ours / theirs - 1) * (1 if _better(ours, theirs, metric) else -1)


def relative_gain(row: str, metric: str) -> Outcome:
    """A printed gain against the gain over the best model of the benchmark, in percent."""
    printed = _printed_gain(row, metric)
    best = best_of_benchmark(metric)
    found = gain(row, metric, best)
    fits = [rival for rival in benchmark_rows() if round(gain(row, metric, rival), 2) == printed]
    elsewhere = (
        "" if best in fits else f"; fits {words(fits)}" if fits else "; fits no cell of the column"
    )
    shown = f"{found:.2f} % over {best} ({cell('table2_benchmark', best, metric):g}){elsewhere}"
    return Outcome(f"{printed:.2f} %", shown, round(found, 2) == printed)


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
    return Outcome("worst in every column", "; ".join(wrong) or "so it is", not wrong)


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
    return Outcome(words(rows[1]), words(rows[0]), rows[0] == rows[1])


def change_from_ablated(metric: str) -> Outcome:
    """A printed decline of the ablation, taken relative to the ablated model."""
    printed, found = (
        figure("ablation_decline_percent")[metric],
        abs(_ablation_change(metric, "ablated")),
    )
    return Outcome(f"{printed:.2f} %", f"{found:.2f} %", round(found, 2) == printed)


def declines_from_full() -> Outcome:
    """A decline is relative to what declined: AV-MC's own cell."""
    printed = figure("ablation_decline_percent")
    found = {metric: round(abs(_ablation_change(metric, "full")), 2) for metric in printed}
    return Outcome(
        words(printed),
        f"{words(found)}; as printed they are gains over the ablated model",
        found == printed,
    )


def benchmark_rows() -> list[str]:
    """The rows of Table 2 that are not AV-MC."""
    return [row for row in published()["table2_benchmark"]["rows"] if not row.startswith("AV-MC")]


def cell(table: str, row: str, metric: str) -> float:
    """One printed cell; the metric by its heading. Raises KeyError or ValueError for none such."""
    printed = published()[table]
    return printed["rows"][row][printed["metrics"].index(metric)]


def _in_metrics(printed: str, pairs: dict[str, list[tuple[float, float]]]) -> Outcome:
    """A metric counts as better when the first cell is, in each of its pairs; the others are told,
    ties apart from losses."""
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
        f", {name} {'; '.join(found)}"
        for name, found in {"equal in": equal, "worse in": worse}.items()
        if found
    ]
    found = f"better in {won} {len(pairs)} metrics{''.join(others)}"
    return compared(printed, found, len(better), len(equal) + len(worse), len(pairs))


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


def _one_digit(value: float) -> float:
    return round(value, -floor(log10(value)))


CHECKS = {
    check.__name__: check
    for check in (
        size_factor,
        mosi_drop,
        original_balance,
        supervised_total,
        supervised_name,
        unlabelled_over,
        votes_kept,
        classes_cover_grid,
        better_balanced,
        mostly_weak_by_table1,
        table1_sums,
        weak_band,
        vision_groups,
        passes_of_an_epoch,
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
