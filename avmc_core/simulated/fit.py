"""How close the labels of the simulated corpus are to the real ones that they were fitted to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from avmc_core.data.within_videos import alike_within_videos
from avmc_core.schema import GRID, SPLITS, TASK_NAMES, TASKS
from avmc_core.simulated.clips import simulate
from avmc_core.simulated.irony import ironic, weight_of_words
from avmc_core.simulated.label_counts import shipped_counts
from avmc_core.simulated.settings import CorpusSettings

WEAK = np.abs(GRID) <= 0.4  # the cut of Acc2_weak


def fit(settings: CorpusSettings | None = None) -> pd.DataFrame:
    """One row for each property: what it is, on the real labels (NaN where counts cannot tell), and
    on those generated with ``settings`` (default: as many labelled clips as the real data has).

    Real values of M alone rest on the relabelled set, those that involve T, A or V on the new clips
    (``label_counts``).
    """
    tables = simulate(settings or CorpusSettings("large"))
    clips = pd.concat([tables[split] for split in SPLITS]).rename(columns={"video": "video_id"})
    counts, test = shipped_counts(), tables["test"]
    four, clips_of = counts["four"], counts["rows"]
    irony, placeholders = four["irony"], np.array(counts["placeholders"]["M"])
    labels = clips.loc[~clips["copied"], ["M", "latent_T", "latent_A", "latent_V"]].to_numpy()
    words, change = weight_of_words(labels)
    weak = np.array(counts["M"]["test"])[WEAK].sum() / clips_of["test"]
    rows = [
        ("weak", "weak clips, share of the test split", weak, (test["M"].abs() < 0.5).mean()),
        (
            "placeholders",
            "placeholder clips, share of the test split",
            placeholders.sum() / clips_of["test"],
            test["copied"].mean(),
        ),
        (
            "placeholder_intensity",
            "mean of the absolute M of placeholder clips",
            placeholders @ np.abs(GRID) / placeholders.sum(),
            test.loc[test["copied"], "M"].abs().mean(),
        ),
        (
            "ironic",
            "clips whose words stand against voice and face, share",
            irony["clips"] / sum(four["rows"].values()),
            ironic(labels).mean(),
        ),
        ("words", "slope of M on T, given A and V", irony["words"], words),
        ("irony", "its change where words stand against voice and face", irony["change"], change),
    ]
    for k, task in enumerate(TASKS[1:], start=1):
        name = f"correlation of M with the {TASK_NAMES[task]} annotation"
        real = correlation(four["pairs"][f"M{task}"])
        rows.append((f"corr_{task}", name, real, np.corrcoef(labels[:, 0], labels[:, k])[0, 1]))
    real, generated = {"M": counts["within_videos"]}, alike_within_videos(clips)
    for task in TASKS:
        name = f"intraclass correlation by source video, {TASK_NAMES[task]} annotation"
        rows.append(
            (f"within_{task}", name, real.get(task, four["within_videos"][task]), generated[task])
        )
    against = sum(int((table["degree"] * table["latent_T"] < 0).sum()) for table in tables.values())
    rows.append(
        ("against", "clips whose words contradict their own text annotation", np.nan, against)
    )
    table = pd.DataFrame(rows, columns=["key", "property", "real labels", "simulated corpus"])
    return table.set_index("key").astype({"real labels": float, "simulated corpus": float})


def correlation(table: Sequence[Sequence[int]]) -> float:
    """Pearson's correlation of two annotations from their table of counts, 11 x 11."""
    p = np.asarray(table, float) / np.sum(table)
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    means, squares = [[margin @ GRID**power for margin in (rows, columns)] for power in (1, 2)]
    variances = [square - mean**2 for mean, square in zip(means, squares, strict=True)]
    return float((GRID @ p @ GRID - means[0] * means[1]) / np.sqrt(variances[0] * variances[1]))
