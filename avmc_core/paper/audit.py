"""What a label table or store of CH-SIMS v2.0 holds, beside what the paper prints about it.

The same findings come from an imported store, from ``meta.csv``, or from the counts that the package ships; a printed figure
that the source cannot tell is left undecided rather than left out. No transcript is ever shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from avmc_core.artefacts import data_mark
from avmc_core.paper.feature_audit import feature_findings, manifest_lines
from avmc_core.paper.findings import DECIDED, UNDECIDED, Finding, finding, in_text, slashes
from avmc_core.paper.label_summary import (
    Counts,
    class_counts,
    differences,
    intensity_shares,
    polarity,
    positive_percent,
    published_class_counts,
    some_cut_gives,
)
from avmc_core.published import published, text_figure
from avmc_core.schema import CLASSES, GRID, SPLITS, TASKS, UNLABELLED, level
from avmc_core.simulated.label_counts import label_counts, shipped_counts

if TYPE_CHECKING:
    from avmc_core.data.store import Store


@dataclass(frozen=True)
class Audit:
    """All findings on one source; ``audit[key]`` is one of them."""

    source: str  # the data mark
    manifest: tuple[str, ...]  # of a store, line by line
    counts: Counts
    findings: tuple[Finding, ...]

    def __getitem__(self, key: str) -> Finding:
        return {item.key: item for item in self.findings}[key]

    def as_frame(self, keys: Iterable[str] = ()) -> pd.DataFrame:
        """One row a finding (those of ``keys``, or all): what, where in the paper, published, found, verdict."""
        findings = [self[key] for key in keys] or self.findings
        titles = {
            "name": "Finding",
            "place": "In the paper",
            "printed": "Published",
            "found": "Found",
            "verdict": "Verdict",
        }
        return pd.DataFrame([{title: getattr(item, name) for name, title in titles.items()} for item in findings])


def audit(source: Store | pd.DataFrame | None = None) -> Audit:
    """Audits a store, a label table (columns as ``released.read_meta`` gives them), or the shipped counts (None).

    A simulated store is held against nothing: what would hold or not hold reads "not decided". Raises InputError when
    there is no labelled row.
    """
    table = label_table(source)
    counts = shipped_counts() if table is None else label_counts(table)
    store = None if source is table else source
    findings = [
        *_rows(counts, table),
        *_grid(counts, table),
        *_classes(counts),
        *_ratios(counts),
        *_bands(counts),
        *_differences(counts),
        *_videos(counts),
        *_texts(table),
        *feature_findings(store),
    ]
    findings = [item for item in findings if item.value is not None or item.published is not None]
    if store is not None and store.simulated:
        findings = [replace(item, verdict=UNDECIDED) if item.verdict in DECIDED else item for item in findings]
    return Audit(data_mark(source), manifest_lines(store), counts, tuple(findings))


def label_table(source: Store | pd.DataFrame | None) -> pd.DataFrame | None:
    """The table of clips behind a source, labelled and unlabelled; None for the shipped counts."""
    if source is None or isinstance(source, pd.DataFrame):
        return source
    return pd.concat([source.split(name).clips for name in source.manifest["splits"]], ignore_index=True)


def render(result: Audit) -> str:
    """The audit as plain text for a terminal, one finding a line."""
    frame = result.as_frame()
    rows = [tuple(frame.columns), *frame.itertuples(index=False, name=None)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(frame.columns))]
    table = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([f"data: {result.source}", *result.manifest, "", *table])


def _rows(counts: Counts, table: pd.DataFrame | None) -> Iterator[Finding]:
    rows = counts["rows"]
    for split in SPLITS:
        printed = published()["table1_splits"][split][0]
        yield finding(f"rows_{split}", f"clips in {split}", "Table 1", rows[split], printed)
    total = sum(rows.values())
    yield in_text("rows_total", "labelled clips", "supervised_clips", total)
    shown = f"{counts['added']} (and {total - counts['added']} with the ids of the original)"
    yield in_text("rows_added", "labelled clips added to CH-SIMS", "new_clips", counts["added"], shown)
    unlabelled = None if table is None else int((table["split"] == UNLABELLED).sum()) or None
    yield in_text("rows_unlabelled", "unlabelled clips", "unlabelled_clips", unlabelled)
    ratio, _ = text_figure("split_ratio")
    parts = [rows[split] * sum(ratio) / total for split in SPLITS]
    holds = [round(part) for part in parts] == ratio
    shown = slashes(f"{part:.2f}" for part in parts)
    yield in_text("split_ratio", "train/valid/test, as a ratio", "split_ratio", parts, shown, holds=holds)


def _grid(counts: Counts, table: pd.DataFrame | None) -> Iterator[Finding]:
    n = counts["off_grid"]["M"]
    shown = str(n)
    if n and table is not None:
        off = table[table["split"].isin(SPLITS) & ((GRID[level(table["M"].fillna(0.0))] - table["M"]).abs() > 1e-6)]
        shown += f" ({', '.join(f'{row.M:g} in {row.video_id}/{row.clip_id}' for row in off.itertuples())})"
    grid, place = text_figure("label_grid")
    yield finding("off_grid", f"labels M off the {len(grid)} levels", place, n, 0, shown)


def _classes(counts: Counts) -> Iterator[Finding]:
    found, printed = class_counts(counts), published_class_counts()
    for split in SPLITS:
        name = f"{slashes(CLASSES)} in {split}"
        yield finding(f"classes_{split}", name, "Table 1", found.loc[split].tolist(), printed.loc[split].tolist())
    cut = [
        split
        for split in SPLITS
        if any(some_cut_gives(printed.loc[split], counts["marginals"][split][task]) for task in TASKS)
    ]
    name = "splits whose classes follow from some cut of the levels"
    yield finding("classes_any_cut", name, "Table 1", cut, list(SPLITS), slashes(cut) or "none")
    for split in SPLITS:
        neutral = int(printed.loc[split, "NEU"])
        yield finding(f"neutral_{split}", f"neutral clips in {split}", "Table 1", counts["neutral"][split], neutral)


def _ratios(counts: Counts) -> Iterator[Finding]:
    signs = polarity(counts)
    percent = {task: positive_percent(signs.loc[task, "negative"], signs.loc[task, "positive"]) for task in TASKS}
    figure = "positive_to_negative_percent"
    yield in_text("ratio_M", "positive to negative clips in %, M", figure, percent["M"])
    for task in TASKS[1:]:
        yield finding(f"ratio_{task}", f"positive to negative clips in %, {task}", "–", percent[task])
    n = published_class_counts().sum()
    yield in_text(
        "ratio_printed",
        "the same by Table 1 as printed",
        figure,
        positive_percent(n["NEG"] + n["WNEG"], n["WPOS"] + n["POS"]),
    )


def _bands(counts: Counts) -> Iterator[Finding]:
    shares = intensity_shares(counts)
    shown = ", ".join(f"{name} {100 * share:.2f} %" for name, share in shares.items())
    most, _ = text_figure("most_common_intensity")
    largest = most == max(shares, key=shares.get)
    shown += (
        f"; {most} is {'' if largest else 'not '}the most common, {'' if shares[most] > 0.5 else 'not '}more than half"
    )
    name = "intensity of most clips"
    yield in_text("intensity", name, "most_common_intensity", shares, shown, holds=shares[most] > 0.5, partly=largest)
    neutral = polarity(counts)["neutral"]
    shown = ", ".join(f"{task} {n}" for task, n in neutral.items())
    for key, task in {"fewest_neutral": neutral.idxmin(), "most_neutral": neutral.idxmax()}.items():
        yield in_text(key, f"annotation with the {key.partition('_')[0]} neutral clips", key, task, f"{task} ({shown})")


def _differences(counts: Counts) -> Iterator[Finding]:
    for clips, suffix in {"all": "", "without_placeholders": ", without placeholders"}.items():
        distance = differences(counts, clips).loc["M", list(TASKS[1:])]
        if distance.isna().any():
            continue  # no such clip
        shown = ", ".join(f"{task} {value:.3f}" for task, value in distance.items())
        for side, task in {"closest_to": distance.idxmin(), "farthest_from": distance.idxmax()}.items():
            name = f"annotation {side.replace('_', ' ')} M{suffix}"
            yield in_text(f"{side}_M_{clips}", name, f"{side}_multimodal", task, f"{task} ({shown})")


def _videos(counts: Counts) -> Iterator[Finding]:
    """Leakage and placeholders: the paper says nothing about either."""
    rows, placeholders, equal = counts["rows"], counts["placeholders"]["clips"], counts["four_equal_labels"]
    shared = counts["sharing_a_video_with_train"]
    parts = {
        "videos": (
            "source videos with clips in all splits",
            counts["videos"]["in_all_splits"],
            counts["videos"]["total"],
        ),
        **{f"shared_{s}": (f"{s} clips of a video that train has too", shared[s], rows[s]) for s in SPLITS[1:]},
        "equal_placeholders": ("four equal labels in test1..test15", equal["placeholders"], placeholders),
        "equal_others": ("four equal labels elsewhere", equal["others"], sum(rows.values()) - placeholders),
    }
    for key, (name, part, whole) in parts.items():
        yield finding(key, name, "–", part, None, f"{part} of {whole}")


def _texts(table: pd.DataFrame | None) -> Iterator[Finding]:
    repeated = seen = length = None
    if table is not None:
        labelled = table[table["split"].isin(SPLITS)]
        train, test = (labelled.loc[labelled["split"] == split, "text"] for split in ("train", "test"))
        repeated, seen = int(labelled["text"].duplicated().sum()), int(test.isin(train).sum())
        length = labelled["text"].str.len().quantile([0.0, 0.5, 1.0]).astype(int).tolist()
    yield finding("repeated_texts", "transcripts that repeat an earlier one", "–", repeated)
    yield finding("seen_texts", "test transcripts that train has too", "–", seen)
    yield finding("characters", "characters a transcript, min/median/max", "–", length)
