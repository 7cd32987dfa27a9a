"""How alike the labels of a source video are."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from avmc_core.schema import TASKS


def alike_within_videos(clips: pd.DataFrame) -> dict[str, float]:
    """Intraclass correlation ICC(1) of each annotation by source video: the share of its variance
    that lies between videos; 0 where labels do not depend on the video, and a little below by
    chance; NaN for an annotation that never varies.

    ``clips`` needs the columns video_id, M, T, A and V, and at least two videos, one of them with
    two clips or more.
    """
    correlations = {}
    for task in TASKS:
        groups = [group.to_numpy() for _, group in clips.groupby("video_id")[task]]
        sizes = np.array([len(group) for group in groups])
        n, k = sizes.sum(), len(sizes)
        means = np.array([group.mean() for group in groups])
        between = (sizes * (means - clips[task].mean()) ** 2).sum() / (k - 1)
        within = sum(((group - group.mean()) ** 2).sum() for group in groups) / (n - k)
        size = (n - (sizes**2).sum() / n) / (k - 1)
        whole = between + (size - 1) * within
        correlations[task] = float((between - within) / whole) if whole > 0 else math.nan
    return correlations
