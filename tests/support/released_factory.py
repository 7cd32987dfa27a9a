"""A tiny valid dataset in the released format, made with numpy and written with the ordinary pickle
module."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

from avmc_core import schema
from avmc_core.data.importing import import_released
from avmc_core.data.store import Store

STEPS = {"text": 6, "audio": 9, "vision": 7}
ROWS = {"train": 5, "valid": 3, "test": 4, "unlabelled": 6}
TEXTS = ('我说："好",\n再见', "a\r\nb", "", "NA", " 空格 ", "𠮷\t,;")


def columns(
    split: str, seed: int = 0, rows: int | None = None, steps: dict[str, int] = STEPS
) -> dict:
    """One split under the released keys, as float64, int64 and unicode arrays."""
    rows = ROWS[split] if rows is None else rows
    rng = np.random.default_rng([seed, *split.encode()])
    lengths = {name: rng.integers(1, limit + 1, rows) for name, limit in steps.items()}
    tokens = np.zeros((rows, 3, steps["text"]), np.int64)
    valid = np.arange(steps["text"]) < lengths["text"][:, None]
    tokens[:, 0][valid] = rng.integers(100, 21128, valid.sum())
    tokens[:, 1] = valid
    features = {}
    for name, limit in steps.items():
        features[name] = (
            rng.normal(size=(rows, limit, schema.DIMS[name])).astype(np.float32).astype(np.float64)
        )
        features[name][np.arange(limit) >= lengths[name][:, None]] = 0
    grid = {task: rng.integers(-5, 6, rows) / 5 for task in schema.TASKS}
    return {
        "id": np.array([f"{split}_{row // 2:04d}$_${row:04d}" for row in range(rows)]),
        "audio": features["audio"],
        "vision": features["vision"],
        "raw_text": np.array([TEXTS[row % len(TEXTS)] for row in range(rows)]),
        "text": features["text"],
        "text_bert": tokens,
        "audio_lengths": lengths["audio"],
        "vision_lengths": lengths["vision"],
        "annotations": np.array(["Negative", "Neutral", "Positive"])[
            np.sign(grid["M"]).astype(int) + 1
        ],
        "regression_labels": grid["M"],
        "regression_labels_A": grid["A"],
        "regression_labels_V": grid["V"],
        "regression_labels_T": grid["T"],
    }


def supervised(seed: int = 0) -> dict:
    return {split: columns(split, seed) for split in schema.SPLITS}


def unsupervised(seed: int = 0) -> dict:
    return {
        key: column
        for key, column in columns("unlabelled", seed).items()
        if "labels" not in key and key != "annotations"
    }


def write(path: Path, content, protocol: int = 4) -> Path:
    with path.open("wb") as file:
        pickle.dump(content, file, protocol)
    return path


def released_files(folder: Path, seed: int = 0) -> tuple[Path, Path]:
    """Paths of a supervised and an unsupervised file."""
    return write(folder / "s.pkl", supervised(seed)), write(folder / "u.pkl", unsupervised(seed))


def imports(
    folder: Path, first: dict | None = None, second: dict | None = None, **options
) -> Store:
    """Imports the dataset to folder/store, with other content in place of the first or second
    file's if given."""
    paths = (
        write(folder / "s.pkl", first or supervised()),
        write(folder / "u.pkl", second or unsupervised()),
    )
    return import_released(folder / "store", *paths, progress=False, **options)
