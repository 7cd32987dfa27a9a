"""How much of the multimodal label each unimodal annotation explains: the paper's question,
answered from the labels, without a network.

M is regressed on the annotations of a subset of the modalities by least squares. R2 is the share of
the variance of M that the subset explains; what a modality adds is the R2 of all three less that of
the other two. Intervals resample source videos.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from avmc_core.analysis.statistics import Interval, group_sums, multiplicities, percentile
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.errors import InputError
from avmc_core.home import resource_text
from avmc_core.schema import SPLITS, TASKS

MODALITIES = TASKS[1:]  # T, A, V
SUBSETS = tuple("".join(c) for size in (1, 2, 3) for c in combinations(MODALITIES, size))
PARTS = {
    "new": "clips that CH-SIMS v2.0 added",
    "original": "clips of the original CH-SIMS, with its labels",
}
# the largest |M|, between two levels so that rounding does not matter
BANDS = {
    "all": (2.0, "all clips"),
    "weak_table1": (0.5, "weak clips, |M| up to 0.4 (the paper's Table 1)"),
    "weak_section": (0.7, "weak clips, |M| up to 0.6 (its Section 3.2)"),
}


def explained(labels: np.ndarray, groups: np.ndarray, n: int = 2000) -> dict[str, Interval]:
    """R2 of M on every subset ("T" ... "TAV"), and what each modality adds to the other two ("+T",
    "+A", "+V").

    ``labels`` (N, 4) in the order of ``schema.TASKS``, without NaN; ``groups`` (N,) the source
    videos. 95 % intervals from ``n`` resamples of whole videos. Raises InputError for fewer than
    ten clips, or two videos.
    """
    if len(labels) < 10 or len(np.unique(groups)) < 2:
        raise InputError(
            "explained",
            f"{len(labels)} clips of {len(np.unique(groups))} videos",
            "ten clips of two videos",
        )
    x = np.column_stack([np.ones(len(labels)), labels])  # (N, 5): 1, M, T, A, V
    products = np.einsum("ni,nj->nij", x, x).reshape(1, len(x), -1)
    sums = group_sums(products, groups)[0]  # (G, 25)
    drawn = multiplicities(len(sums), n, np.random.default_rng(0)) @ sums  # (n, 25)
    whole, draws = (_all(s.reshape(-1, 5, 5)) for s in (sums.sum(0)[None], drawn))
    return {name: Interval(float(whole[name][0]), *percentile(draws[name], 0.95)) for name in whole}


def parts_of(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The parts of a label table in which the four labels are of one set: the new clips outside
    placeholder videos, and the original clips, recognised by their ids of four digits. Only the
    labelled splits."""
    labelled = table[table["split"].isin(SPLITS) & table[list(TASKS)].notna().all(axis=1)]
    original = of_original(labelled)
    return {
        "new": labelled[~original & ~placeholder_clips(labelled)],
        "original": labelled[original],
    }


def of_original(table: pd.DataFrame) -> pd.Series:
    """Whether each clip belongs to the original CH-SIMS: its id has at most four digits."""
    return table["clip_id"].str.len() <= 4


def by_part(parts: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """``explained`` for each part and band: part to band to {"clips", "videos", "r2": subset to
    [estimate, low, high]}.

    ``parts``: name in ``PARTS`` to a label table with the columns video_id, M, T, A, V.
    """
    figures: dict[str, Any] = {}
    for part, table in parts.items():
        for band, (largest, _) in BANDS.items():
            kept = table[table["M"].abs() < largest]
            r2 = explained(kept[list(TASKS)].to_numpy(np.float64), kept["video_id"].to_numpy())
            figures.setdefault(part, {})[band] = {
                "clips": len(kept),
                "videos": int(kept["video_id"].nunique()),
                "r2": {
                    name: [round(v, 4) for v in (i.estimate, i.low, i.high)]
                    for name, i in r2.items()
                },
            }
    return figures


@cache
def recorded() -> dict[str, Any]:
    """``by_part`` of the public label table, as the package carries it: part to band to figures.
    Read-only."""
    return json.loads(resource_text("cues.json"))["data"]


def _all(moments: np.ndarray) -> dict[str, np.ndarray]:
    """The figures of ``explained`` from sums of products (R, 5, 5) of (1, M, T, A, V)."""
    means = moments[:, 0, 1:] / moments[:, :1, 0]  # (R, 4)
    cov = moments[:, 1:, 1:] / moments[:, :1, :1] - means[:, :, None] * means[:, None]  # (R, 4, 4)
    r2 = {subset: _r2(cov, [1 + MODALITIES.index(task) for task in subset]) for subset in SUBSETS}
    for task in MODALITIES:
        others = "".join(other for other in MODALITIES if other != task)
        r2[f"+{task}"] = r2["".join(MODALITIES)] - r2[others]
    return r2


def _r2(cov: np.ndarray, columns: Sequence[int]) -> np.ndarray:
    """(R,) c' C^-1 c / var(M), with c the covariances of M with the columns and C those among
    them."""
    c = cov[:, columns, 0]
    inverse = np.linalg.pinv(cov[np.ix_(range(len(cov)), columns, columns)])
    return np.einsum("ri,rij,rj->r", c, inverse, c) / cov[:, 0, 0]
