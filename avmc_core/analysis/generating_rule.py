"""The rule that made the simulated labels, used as a model that reads the annotations: it shows
what relying on each modality would look like (``reliance``)."""

from __future__ import annotations

import dataclasses

import numpy as np

from avmc_core import schema
from avmc_core.analysis.conditions import USUAL, Plan
from avmc_core.analysis.reliance import Measured, measure
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.data.store import Split, Store
from avmc_core.errors import InputError
from avmc_core.simulated.label_model import expected_multimodal


def generating_rule(clips: Split) -> dict[str, np.ndarray]:
    """E[M | T, A, V] from the clips' annotations, (1, N): what relying on each modality would look
    like in a reader who sees the annotations themselves. Where one is NaN (its modality was
    removed) the expectation is over it as well."""
    return {"generating rule": expected_multimodal(clips.labels[:, 1:], "test")[None]}


def measure_rule(store: Store, plan: Plan = USUAL) -> dict[str, Measured]:
    """``generating_rule`` under the same conditions, except noise and recognition errors, which do
    not apply to labels; only on clips whose unimodal annotations are not placeholders. Raises
    InputError for a store without labels of M, T, A and V from -1 to 1, for which the rule was
    fitted."""
    if store.tasks != schema.TASKS or store.limit != min(schema.LIMITS):
        raise InputError(
            store.path,
            f"labels of {', '.join(store.tasks)} to {store.limit:g}",
            f"labels of {', '.join(schema.TASKS)} to 1: the generating rule was fitted to those of "
            f"{schema.DATASET}",
        )
    quiet = dataclasses.replace(plan, rates=())
    conditions = ((c, split) for c, split in quiet.conditions(store) if c[0] != "noised")
    test = store.split("test")
    return measure(generating_rule, test, conditions, ~placeholder_clips(test.clips))
