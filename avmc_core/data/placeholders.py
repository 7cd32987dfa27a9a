"""Clips whose unimodal labels carry no information of their own.

In the label table in circulation every clip of videos test1 to test15 has four identical labels,
against about one clip in ten elsewhere: most probably the multimodal label was copied. Whether the
released pickle has such clips is not known, so they are detected from the labels of each file and
never assumed. Scores of T, A and V leave them out.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from avmc_core import schema


def placeholder_clips(clips: pd.DataFrame) -> np.ndarray:
    """(N,) bool: whether the clip's source video has at least two labelled clips, T, A and V are
    identical within each of them, and M equals them in at least half.

    M need not be the same in all: should a file hold new labels of M beside copies of old ones, the
    copies are still found. ``clips`` needs the columns video_id, M, T, A, V.
    """
    labels = clips[list(schema.TASKS)].to_numpy(np.float64)
    table = pd.DataFrame(
        {
            "video": clips["video_id"].to_numpy(),
            "copies": np.isclose(labels[:, 1:], labels[:, 1:2]).all(axis=1),
            "of_m": np.isclose(labels[:, 0], labels[:, 1]),
        }
    )
    videos = table.groupby("video").agg(
        copies=("copies", "all"), of_m=("of_m", "mean"), clips=("copies", "size")
    )
    suspicious = videos.index[videos["copies"] & (videos["of_m"] >= 0.5) & (videos["clips"] >= 2)]
    return clips["video_id"].isin(suspicious).to_numpy()
