"""Names, sizes and label conventions of CH-SIMS v2.0, in one place.

``DIMS`` and ``STEPS`` are those of the release, which the simulated corpus and features extracted
from the user's own clips follow. An imported store has the sizes of its own file, in its manifest.

Axes used throughout the package: ``B`` clips of a batch, ``N`` clips of a split, ``T`` steps, ``D``
features.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from avmc_core.home import resource_text

DATASET = "CH-SIMS v2.0"
MODALITIES = ("text", "audio", "vision")
DIMS = {"text": 768, "audio": 25, "vision": 177}  # D of each modality
STEPS = {"text": 50, "audio": 925, "vision": 232}  # T: the released arrays are cut and padded to it
# further features that a store may hold, and the modality they can stand in for
EXTRAS = {"audio_wav2vec": "audio"}
HOP_SECONDS = {"audio": 0.01, "vision": 0.04}  # openSMILE's 10 ms hop; 25 frames per second

SPLITS = ("train", "valid", "test")
UNLABELLED = "unlabelled"
TRAIN_MIX = "train_mix"  # view: train rows first (mask 1), then the unlabelled ones (mask 0)

TASKS = ("M", "T", "A", "V")  # multimodal, text, audio, vision annotation
TASK_NAMES = {"M": "multimodal", "T": "text", "A": "acoustic", "V": "visual"}
MODALITY_OF_TASK = {"T": "text", "A": "audio", "V": "vision"}
LABEL_KEYS = {
    "M": "regression_labels",
    **{task: f"regression_labels_{task}" for task in MODALITY_OF_TASK},
}

LIMITS = (1.0, 3.0)  # the largest label: of CH-SIMS, and of CMU-MOSI and CMU-MOSEI
GRID = np.round(np.linspace(-1.0, 1.0, 11), 1)  # the 11 label levels, in steps of 0.2
# Section 3.2: {-1,-.8} {-.6,-.4,-.2} {0} {.2,.4,.6} {.8,1}
CLASSES = ("NEG", "WNEG", "NEU", "WPOS", "POS")


def level(labels) -> np.ndarray:
    """Index 0..10 of each label on ``GRID``. A label off the grid (meta.csv holds one -0.1) goes to
    the nearest level, ties away from zero, so that its sign stays."""
    y = np.asarray(labels, dtype=np.float64)
    return (np.sign(y) * np.floor(np.abs(y) * 5.0 + 0.5 + 1e-6) + 5).astype(np.int64)


def sentiment_class(labels) -> np.ndarray:
    """Index into ``CLASSES`` of each label (Section 3.2). Labels off the grid keep their sign: -0.1
    is weak negative."""
    return np.array([0, 0, 1, 1, 1, 2, 3, 3, 3, 4, 4])[level(labels)]


@cache
def columns(modality: str) -> tuple[str, ...]:
    """Column names of ``audio`` (eGeMAPSv02 low-level descriptors) or ``vision`` (OpenFace), in the
    released order."""
    return tuple(resource_text(f"{modality}_columns.txt").split())
