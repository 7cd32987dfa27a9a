"""Irony in the labels: words that contradict voice and face.

A clip counts as ironic when its words stand on one side of zero and its voice *and* its face on the
other. How much such words still count is one coefficient, of ``T`` times "ironic", in a regression
of M on T, A and V: 0 if they count as elsewhere, minus the slope of T if they count for nothing.
"""

from __future__ import annotations

import numpy as np

from avmc_core.errors import InputError


def ironic(labels: np.ndarray) -> np.ndarray:
    """(N,) bool, from labels (N, 4) in the order M, T, A, V: T is on one side of zero, A and V
    are on the other.
    """
    text, voice, face = np.sign(labels[:, 1:]).T
    return (text * voice < 0) & (text * face < 0)


def weight_of_words(labels: np.ndarray, weights: np.ndarray | None = None) -> tuple[float, float]:
    """The weight of the words in M: the slope of T in other clips, and the change of that slope in
    ironic ones.

    Least squares of M on T, A, V and T times ``ironic``; ``labels`` (N, 4) M, T, A, V; ``weights``
    (N,), of which a probability distribution over all combinations of labels is one case, default
    equal. Raises InputError without an ironic clip.
    """
    w = np.ones(len(labels)) if weights is None else weights
    odd = ironic(labels)
    if not w[odd].any():
        raise InputError(
            "weight_of_words", "no clip whose words are against voice and face", "some such clips"
        )
    m, text, voice, face = labels.T
    design = np.column_stack([np.ones(len(labels)), text, voice, face, text * odd])
    root = np.sqrt(w)
    slopes = np.linalg.lstsq(design * root[:, None], m * root, rcond=None)[0]
    return float(slopes[1]), float(slopes[4])


def interval_of_irony(labels: np.ndarray, videos: np.ndarray, draws: int = 1000) -> list[float]:
    """95 % percentile interval of the change by irony, [low, high], from resampling source videos
    (N,).
    """
    names, of_clip = np.unique(videos, return_inverse=True)
    rng, odd = np.random.default_rng(0), ironic(labels)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)[:, of_clip]
    changes = [weight_of_words(labels, w.astype(float))[1] for w in drawn if w[odd].any()]
    return [float(x) for x in np.percentile(changes, [2.5, 97.5])]
