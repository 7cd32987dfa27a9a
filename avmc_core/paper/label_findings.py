"""The part of the audit that label counts answer: Table 1, Section 3.2, Figure 3, and what the
paper does not mention.

Each finding names its basis, the clips and labels that it rests on (``bases``).
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from avmc_core.data import label_sets
from avmc_core.paper.findings import Finding, finding, in_text, slashes
from avmc_core.paper.label_summary import (
    SECTION_3_2,
    TABLE_1,
    Counts,
    class_counts,
    differences,
    intensity_shares,
    multimodal_counts,
    polarity,
    positive_percent,
    published_class_counts,
    reliance_on_text,
    signs,
    some_cut_gives,
)
from avmc_core.published import published, text_figure
from avmc_core.schema import CLASSES, GRID, SPLITS, TASKS, UNLABELLED, level

# the bases, by name
ROWS, MULTIMODAL, FOUR = "clips", "M", "four labels"
ORIGINAL, PRINTED, TEXTS, STORE = "original part", "Table 1", "texts", "features"


def bases(counts: Counts) -> dict[str, str]:
    """What the findings rest on, in whole sentences."""
    part = label_sets.recorded()["differ"]["original part"]["clips"]
    return {
        ROWS: f"The {sum(counts['rows'].values())} labelled clips, whatever their labels.",
        MULTIMODAL: counts["basis"]["M"],
        FOUR: counts["basis"]["four"],
        ORIGINAL: f"The {part} clips of the original part in the mixed table, which has the labels "
        "of the original CH-SIMS there.",
        PRINTED: "Table 1 as printed.",
        TEXTS: "The transcripts of the given table or store.",
        STORE: "The features of the given store.",
    }


def label_findings(counts: Counts, table: pd.DataFrame | None) -> Iterator[Finding]:
    """All of them. ``table``: the clips behind the counts; without it, what only single clips can
    tell stays undecided."""
    yield from _rows(counts, table)
    yield from _grid(counts, table)
    yield from _classes(counts)
    yield from _ratios(counts)
    yield from _intensity(counts)
    yield from _annotations(counts)
    yield from _text(counts)
    yield from _videos(counts)
    yield from _texts(table)


def _rows(counts: Counts, table: pd.DataFrame | None) -> Iterator[Finding]:
    rows = counts["rows"]
    for split in SPLITS:
        printed = published()["table1_splits"][split][0]
        yield finding(
            f"rows_{split}", f"clips in {split}", TABLE_1, rows[split], printed, basis=ROWS
        )
    total, added = sum(rows.values()), counts["added"]
    yield in_text("rows_total", "labelled clips", "supervised_clips", total, basis=ROWS)
    shown = f"{added} (and {total - added} with the ids of the original)"
    name = "labelled clips added to CH-SIMS"
    yield in_text("rows_added", name, "new_clips", added, shown, basis=ROWS)
    unlabelled = None if table is None else int((table["split"] == UNLABELLED).sum()) or None
    yield in_text(
        "rows_unlabelled", "unlabelled clips", "unlabelled_clips", unlabelled, basis=STORE
    )
    ratio, _ = text_figure("split_ratio")
    parts = [rows[split] * sum(ratio) / total for split in SPLITS]
    whole = [round(part) for part in parts]
    holds = whole == ratio
    shown = f"{slashes(f'{part:.2f}' for part in parts)}; as whole numbers {slashes(whole)}"
    name = "train/valid/test, as a ratio"
    yield in_text("split_ratio", name, "split_ratio", parts, shown, holds=holds, basis=ROWS)
    copies = counts["placeholders"]["clips"]
    where = " in the public label table" if table is None else ""
    unknown = "; whether the released pickle has them is not known" if table is None else ""
    shown = (
        f"{total} clips have four labels; in {copies} of them three are most probably copies of "
        f"the first{where}{unknown}"
    )
    decided = {"holds": not copies, "partly": True, "basis": ROWS}
    name = "clips with four annotations"
    yield in_text("four_annotations", name, "annotations", total, shown, **decided)


def _grid(counts: Counts, table: pd.DataFrame | None) -> Iterator[Finding]:
    n = counts["off_grid"]["M"]
    shown = str(n)
    if n and table is not None:
        off = table[
            table["split"].isin(SPLITS)
            & ((GRID[level(table["M"].fillna(0.0))] - table["M"]).abs() > 1e-6)
        ]
        exceptions = (f"{row.M:g} in {row.video_id}/{row.clip_id}" for row in off.itertuples())
        shown += f" ({', '.join(exceptions)})"
    grid, place = text_figure("label_grid")
    yield finding(
        "off_grid", f"labels M off the {len(grid)} levels", place, n, 0, shown, basis=MULTIMODAL
    )


def _classes(counts: Counts) -> Iterator[Finding]:
    """Table 1 by both of the paper's definitions of a weak sentiment, and by any cut of the
    levels."""
    printed = published_class_counts()
    for cut, suffix in {TABLE_1: "", SECTION_3_2: "_section_3_2"}.items():
        classes = class_counts(counts["M"], cut)
        for split in SPLITS:
            by = "Table 1" if cut == TABLE_1 else cut
            name = f"{slashes(CLASSES)} in {split}, as {by} cuts them"
            key, values = f"classes_{split}{suffix}", classes.loc[split].tolist()
            apart = (classes.loc[split] - printed.loc[split]).abs()
            shown = slashes(values)
            if apart.any():
                many = f"{(apart > 0).sum()} of {len(CLASSES)}"
                shown += f" ({many} differ, by at most {apart.max()})"
            yield finding(
                key, name, TABLE_1, values, printed.loc[split].tolist(), shown, basis=MULTIMODAL
            )
    cut = [split for split in SPLITS if some_cut_gives(printed.loc[split], counts["M"][split])]
    name = "splits whose classes follow from some cut of the levels"
    shown, partly = slashes(cut) or "none", 2 * len(cut) > len(SPLITS)
    yield finding(
        "classes_any_cut", name, TABLE_1, cut, list(SPLITS), shown, partly=partly, basis=MULTIMODAL
    )
    for split in SPLITS:
        neutral, name = int(printed.loc[split, "NEU"]), f"neutral clips in {split}"
        yield finding(
            f"neutral_{split}", name, TABLE_1, counts["neutral"][split], neutral, basis=MULTIMODAL
        )


def _ratios(counts: Counts) -> Iterator[Finding]:
    figure, n = "positive_to_negative_percent", signs(multimodal_counts(counts))
    percent = positive_percent(n["negative"], n["positive"])
    shown = f"{percent:.2f} % ({n['positive']} to {n['negative']})"
    yield in_text(
        "ratio_M", "positive to negative clips, M", figure, percent, shown, basis=MULTIMODAL
    )
    of_four = polarity(counts)
    for task in TASKS[1:]:
        value = positive_percent(of_four.loc[task, "negative"], of_four.loc[task, "positive"])
        yield finding(
            f"ratio_{task}", f"positive to negative clips in %, {task}", "–", value, basis=FOUR
        )
    sums = published_class_counts().sum()
    n = {"negative": sums["NEG"] + sums["WNEG"], "positive": sums["WPOS"] + sums["POS"]}
    percent = positive_percent(**n)
    shown = f"{percent:.2f} % ({n['positive']} to {n['negative']})"
    yield in_text(
        "ratio_printed", "the same by Table 1 as printed", figure, percent, shown, basis=PRINTED
    )
    n = signs(label_sets.total(label_sets.of_set(label_sets.MIXED), part=label_sets.ORIGINAL))
    percent = positive_percent(n["negative"], n["positive"])
    name = "the same in the original CH-SIMS"
    shown = f"{percent:.2f} % ({n['positive']} to {n['negative']})"
    yield in_text("ratio_original", name, f"original_{figure}", percent, shown, basis=ORIGINAL)
    total, figure = sum(n.values()), "original_negative_percent"
    below, upto = (100 * part / total for part in (n["negative"], n["negative"] + n["neutral"]))
    shown = f"{below:.2f} % are negative, {upto:.2f} % negative or neutral"
    holds = round(below) == text_figure(figure)[0]
    partly = round(upto) == text_figure(figure)[0]  # as Acc2 counts: zero is not positive
    name = "negative clips of the original CH-SIMS in %"
    yield in_text(
        "negative_original", name, figure, below, shown, holds=holds, partly=partly, basis=ORIGINAL
    )


def _intensity(counts: Counts) -> Iterator[Finding]:
    """By the classes of Section 3.2, where the sentence stands, and by those that Table 1 was
    counted with."""
    most, place = text_figure("most_common_intensity")
    for cut, key in {SECTION_3_2: "intensity", TABLE_1: "intensity_table_1"}.items():
        shares = intensity_shares(counts, cut)
        shown = ", ".join(f"{name} {100 * share:.2f} %" for name, share in shares.items())
        name = f"intensity of most clips, as {cut} cuts the levels"
        holds, largest = shares[most] > 0.5, most == max(shares, key=shares.get)
        yield finding(
            key, name, place, shares, most, shown, holds=holds, partly=largest, basis=MULTIMODAL
        )


def _annotations(counts: Counts) -> Iterator[Finding]:
    of_four = polarity(counts)
    neutral, clips = of_four["neutral"], int(of_four.loc["M"].sum())
    shown = ", ".join(f"{task} {n}" for task, n in neutral.items()) + f" of {clips} clips"
    for key, task in {"fewest_neutral": neutral.idxmin(), "most_neutral": neutral.idxmax()}.items():
        name = f"annotation with the {key.partition('_')[0]} neutral clips"
        yield in_text(key, name, key, task, f"{task} ({shown})", basis=FOUR)
    distance = differences(counts).loc["M", list(TASKS[1:])]
    if distance.isna().any():
        return  # no such clip
    shown = ", ".join(f"{task} {value:.3f}" for task, value in distance.items())
    shown += f" in {clips} clips"
    for side, task in {"closest_to": distance.idxmin(), "farthest_from": distance.idxmax()}.items():
        name = f"annotation {side.replace('_', ' ')} M"
        yield in_text(
            f"{side}_M", name, f"{side}_multimodal", task, f"{task} ({shown})", basis=FOUR
        )


def _text(counts: Counts) -> Iterator[Finding]:
    """Section 3.1: plenty of instances with weak text modality reliance. In part: there are such
    clips, but no more than among those of the original CH-SIMS."""
    new = reliance_on_text(counts["four"]["pairs"]["MT"])
    old = reliance_on_text(label_sets.recorded()["original_pairs"]["pairs"]["MT"])
    if not new["clips"]:
        return
    share = {
        name: part["other_sign"] / part["clips"] for name, part in {"new": new, "old": old}.items()
    }
    shown = (
        f"T has another sign than M in {new['other_sign']} of {new['clips']} clips "
        f"({100 * share['new']:.1f} %), in the original CH-SIMS in {old['other_sign']} of "
        f"{old['clips']} ({100 * share['old']:.1f} %); Corr of T and M {new['Corr']:.3f} against "
        f"{old['Corr']:.3f}"
    )
    decided = {"holds": share["new"] > share["old"], "partly": share["new"] > 0, "basis": FOUR}
    name, figure = "clips whose text alone misleads", "weak_text_reliance"
    yield in_text("text_reliance", name, figure, share["new"], shown, **decided)


def _videos(counts: Counts) -> Iterator[Finding]:
    """Leakage and placeholders: the paper says nothing about either."""
    rows, videos, equal = counts["rows"], counts["videos"], counts["four_equal_labels"]
    shared, copied = counts["sharing_a_video_with_train"], counts["placeholders"]["clips"]

    def share(key: str, name: str, part: int, whole: int) -> Finding:
        return finding(key, name, "–", part, None, f"{part} of {whole}", basis=ROWS)

    name = "source videos with clips in all splits"
    yield share("videos", name, videos["in_all_splits"], videos["total"])
    for split in SPLITS[1:]:
        name = f"{split} clips of a video that train has too"
        yield share(f"shared_{split}", name, shared[split], rows[split])
    name = "four equal labels in videos of placeholders"
    yield share("equal_placeholders", name, equal["placeholders"], copied)
    others = sum(rows.values()) - copied
    yield share("equal_others", "four equal labels elsewhere", equal["others"], others)


def _texts(table: pd.DataFrame | None) -> Iterator[Finding]:
    repeated = seen = length = None
    if table is not None:
        labelled = table[table["split"].isin(SPLITS)]
        train, test = (
            labelled.loc[labelled["split"] == split, "text"] for split in ("train", "test")
        )
        repeated, seen = int(labelled["text"].duplicated().sum()), int(test.isin(train).sum())
        length = labelled["text"].str.len().quantile([0.0, 0.5, 1.0]).astype(int).tolist()
    yield finding(
        "repeated_texts", "transcripts that repeat an earlier one", "–", repeated, basis=TEXTS
    )
    yield finding("seen_texts", "test transcripts that train has too", "–", seen, basis=TEXTS)
    yield finding(
        "characters", "characters of a transcript, min/median/max", "–", length, basis=TEXTS
    )
