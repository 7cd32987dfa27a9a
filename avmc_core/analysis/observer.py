"""The most that a linear reader can infer from the features: the yardstick for models that are
given features, beside the rule that is given the labels.

Each annotation is inferred from its own modality by ridge regression on pooled features: the [CLS]
state of the text; mean and standard deviation of each acoustic and visual column over a clip. M is
then the linear combination of the three inferred annotations that fits the training labels best,
each of them inferred by regressions that have not seen the clip's source video.

The assumptions: what a modality tells about its annotation is linear in the pooled features, with
Gaussian noise, and M is linear in what can be inferred. Then this is the conditional mean of M, up
to what the training clips leave uncertain, and no model has a smaller mean squared error. A reader
that follows the course of a clip, or non-linear cues, could do better.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LinearRegression, Ridge, RidgeCV
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from avmc_core import schema
from avmc_core.data.ragged import Ragged, Selection
from avmc_core.data.store import Split

STRENGTHS = tuple(10.0 ** np.arange(0, 5.5, 0.5))  # ridge penalties, by leave-one-out error
FOLDS = 5


@dataclass(frozen=True)
class Observer:
    """A fitted observer: one regression for each annotation, and their combination."""

    parts: dict[str, Pipeline]  # task to its regression on its modality's pooled features
    fusion: LinearRegression

    def __call__(self, split: Split) -> dict[str, np.ndarray]:
        """Inferred T, A, V and M of the clips of ``split``, each (1, N)."""
        inferred = {
            task: part.predict(pooled(split, schema.MODALITY_OF_TASK[task]))
            for task, part in self.parts.items()
        }
        inferred["M"] = self.fusion.predict(np.column_stack(list(inferred.values())))
        return {task: values[None] for task, values in inferred.items()}


def observe(train: Split) -> Observer:
    """Fits an observer to labelled clips of five source videos or more."""
    videos, parts, unseen = train.clips["video_id"].to_numpy(), {}, []
    for task, modality in schema.MODALITY_OF_TASK.items():
        x, label = pooled(train, modality), _label(train, task)
        scaled = StandardScaler().fit_transform(x)
        strength = RidgeCV(STRENGTHS).fit(scaled, label).alpha_
        parts[task] = make_pipeline(StandardScaler(), Ridge(strength)).fit(x, label)
        unseen.append(cross_val_predict(parts[task], x, label, groups=videos, cv=GroupKFold(FOLDS)))
    fusion = LinearRegression().fit(np.column_stack(unseen), _label(train, "M"))
    return Observer(parts, fusion)


def pooled(split: Split, modality: str) -> np.ndarray:
    """Pooled features of each clip: (N, D) of the text, (N, 2 D) of voice and face, float64."""
    ragged = getattr(split, modality)
    if modality == "text":
        return ragged.first().astype(np.float64)
    if isinstance(ragged, Selection):
        used, place = np.unique(ragged.rows, return_inverse=True)
        return _moments(Selection.of(ragged.source, used))[place]
    return _moments(ragged)


def _moments(ragged: Ragged) -> np.ndarray:
    clips = (ragged[row].astype(np.float64) for row in range(len(ragged)))
    return np.stack([np.concatenate([clip.mean(axis=0), clip.std(axis=0)]) for clip in clips])


def _label(split: Split, task: str) -> np.ndarray:
    return split.labels[:, schema.TASKS.index(task)].astype(np.float64)
