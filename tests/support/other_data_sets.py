"""Small generated files in the layouts of other data sets, with the keys, widths and label ranges
of the public toolkits. They contain nothing from any data set."""

from __future__ import annotations

import numpy as np

ROWS = {"train": 18, "valid": 8, "test": 8}
UNIMODAL = {"_T": 1, "_A": 2, "_V": 3}
CONFIG = {
    "audio": {"tool": "librosa", "sample_rate": 16000},
    "video": {"tool": "mediapipe", "fps": 25},
    "text": {"model": "bert", "pretrained": "bert-base-uncased"},
}


def splits(
    widths: tuple[int, int],
    steps: tuple[int, int, int] = (12, 20, 16),
    limit: float = 1.0,
    unimodal: bool = True,
    aligned: bool = False,
    classes: bool = True,
    vocabulary: int = 200,
) -> dict[str, dict]:
    """Splits of ``ROWS`` clips each. ``widths`` are those of audio and vision, ``steps`` those of
    text, audio and vision; ``aligned`` files have equally many steps and no lengths; ``classes``
    adds classification labels; ``vocabulary`` exceeds the largest token id."""
    return {
        name: _split(
            name, rows, widths, steps, limit, unimodal, aligned, classes, vocabulary=vocabulary
        )
        for name, rows in ROWS.items()
    }


def _split(name, rows, widths, steps, limit, unimodal, aligned, classes, *, vocabulary) -> dict:
    rng = np.random.default_rng([rows, *name.encode(), *widths])
    caps = dict(zip(("text", "audio", "vision"), [steps[0]] * 3 if aligned else steps, strict=True))
    lengths = {m: rng.integers(3, cap + 1, rows) for m, cap in caps.items()}
    if aligned:
        lengths["audio"] = lengths["vision"] = lengths["text"]
    made: dict = {"id": np.array([f"{name}{row // 2}$_${row}" for row in range(rows)])}
    made["raw_text"] = np.array([f"sentence {row}" for row in range(rows)])
    for modality, width in zip(caps, (768, *widths), strict=True):
        values = rng.normal(size=(rows, caps[modality], width)).astype(np.float32)
        values[np.arange(caps[modality]) >= lengths[modality][:, None]] = 0
        made[modality] = values
    tokens = np.zeros((rows, 3, caps["text"]), np.float32)  # as the toolkit pads them
    valid = np.arange(caps["text"]) < lengths["text"][:, None]
    tokens[:, 0][valid] = rng.integers(100, vocabulary, valid.sum())
    tokens[:, 1] = valid
    made["text_bert"] = tokens
    if not aligned:
        made |= {f"{m}_lengths": lengths[m].tolist() for m in ("audio", "vision")}
    for suffix in ("", *(UNIMODAL if unimodal else ())):
        made["regression_labels" + suffix] = np.round(rng.uniform(-limit, limit, rows), 1)
        if classes:
            made["classification_labels" + suffix] = np.sign(made["regression_labels" + suffix])
    made["annotations"] = np.array(["Positive"] * rows)
    return made


def sims_v1(**changes) -> dict:
    return splits((33, 709), (39, 30, 5), **changes)


def mosi(**changes) -> dict:
    return splits((5, 20), limit=3.0, unimodal=False, **changes)


def mosei(**changes) -> dict:
    return splits((74, 35), limit=3.0, unimodal=False, **changes)


def mmsa_fet(**changes) -> dict:
    return splits((74, 35), classes=False, **changes) | {"config": CONFIG}


def released(**changes) -> dict:
    """The released widths."""
    return splits((25, 177), classes=False, **changes)
