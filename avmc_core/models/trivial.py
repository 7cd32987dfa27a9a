"""Baselines that need no training loop. Any useful model should beat them.

Each has ``fit_predict(splits)``: ``splits`` maps names to ``store.Split``; returns, per split,
predictions of M (N,). Regularisation is chosen on the validation split.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from avmc_core import schema
from avmc_core.data.store import Split
from avmc_core.models.base import Capabilities, Fitted

Predictions = dict[str, dict[str, np.ndarray]]  # split to task to (N,)


@dataclass(frozen=True)
class TrivialSettings:
    """``strengths``: ridge penalties to choose from on the validation split."""

    strengths: tuple[float, ...] = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5)


CONSTANT = TEXT_RIDGE = LATE_MEAN = TrivialSettings()


class Constant(Fitted):
    """The median of the training labels: the constant with the lowest mean absolute error."""

    @staticmethod
    def capabilities(settings: TrivialSettings) -> Capabilities:
        return Capabilities(reads=(), trained=False)

    def fit_predict(self, splits: Mapping[str, Split]) -> Predictions:
        value = np.median(_labels(splits["train"], "M"))
        return {
            name: {"M": np.full(len(split.labels), value, np.float32)}
            for name, split in splits.items()
        }


class TextRidge(Fitted):
    """Ridge regression of M on the [CLS] state: the score of reading alone."""

    @staticmethod
    def capabilities(settings: TrivialSettings) -> Capabilities:
        return Capabilities(reads=("text",), trained=False)

    def fit_predict(self, splits: Mapping[str, Split]) -> Predictions:
        return {name: {"M": p} for name, p in _ridge(splits, "text", "M", self.settings).items()}


class LateMean(Fitted):
    """M as a linear combination of three unimodal ridge regressions, each trained on its own
    annotation.

    The combination is fitted on the validation split, where the three are not over-fitted.
    """

    @staticmethod
    def capabilities(settings: TrivialSettings) -> Capabilities:
        return Capabilities(tasks=schema.TASKS, trained=False)

    def fit_predict(self, splits: Mapping[str, Split]) -> Predictions:
        parts = {t: _ridge(splits, m, t, self.settings) for t, m in schema.MODALITY_OF_TASK.items()}
        stacked = {name: np.stack([parts[t][name] for t in parts], 1) for name in splits}  # (N, 3)
        fusion = LinearRegression().fit(stacked["valid"], _labels(splits["valid"], "M"))
        return {
            name: {
                "M": fusion.predict(stacked[name]).astype(np.float32),
                **{t: parts[t][name] for t in parts},
            }
            for name in splits
        }


def _ridge(
    splits: Mapping[str, Split], modality: str, task: str, settings: TrivialSettings
) -> dict[str, np.ndarray]:
    """Predictions of one task from one modality's clip means ([CLS] for text)."""
    features = {name: _features(split, modality) for name, split in splits.items()}

    def error(model: Pipeline) -> float:
        return float(
            np.abs(model.predict(features["valid"]) - _labels(splits["valid"], task)).mean()
        )

    fitted = [
        make_pipeline(StandardScaler(), Ridge(strength)).fit(
            features["train"], _labels(splits["train"], task)
        )
        for strength in settings.strengths
    ]
    best = min(fitted, key=error)
    return {name: best.predict(features[name]).astype(np.float32) for name in splits}


def _features(split: Split, modality: str) -> np.ndarray:
    ragged = getattr(split, modality)
    return (ragged.first() if modality == "text" else ragged.mean()).astype(np.float64)


def _labels(split: Split, task: str) -> np.ndarray:
    return split.labels[:, schema.TASKS.index(task)].astype(np.float64)
