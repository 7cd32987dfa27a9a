"""How far a prediction rests on measures of the face that are not trusted (``trust``)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from avmc_core.clips import trust
from avmc_core.clips.prediction import Account, Clip, explain
from avmc_core.runs.packages import Package

MUCH = 0.1  # half a label level: a change of M from which on it is reported


def without_untrusted(package: Package, clip: Clip) -> float:
    """M, mean over the seeds, when the columns not to be trusted hold the training clips' mean."""
    mean = package.statistics["vision"][0].astype(np.float32)
    vision = np.where(trust.untrusted(), mean, clip.vision)
    return float(explain(package, replace(clip, vision=vision)).tasks["M"].mean())


def sentence(package: Package, clip: Clip, prediction: Account) -> str:
    """A warning about a prediction from the features of ``landmarks``; "" if it hardly rests on
    untrusted ones."""
    with_all, without = float(prediction.tasks["M"].mean()), without_untrusted(package, clip)
    if abs(with_all - without) < MUCH:
        return ""
    count = int(trust.untrusted().sum())
    return (
        f"the prediction rests on {count} columns of the face that are not to be trusted: M "
        f"is {with_all:+.2f} with them and "
        f"{without:+.2f} without"
    )
