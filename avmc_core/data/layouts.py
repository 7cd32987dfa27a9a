"""What a file in the manner of the public toolkits holds, told from its keys and widths, so that an
import can name it.

Widths are still constants of ``schema``: a data set of other widths is recognised and refused by
name. Whoever reads such files in full starts from ``recognised``, which says what the file was
taken for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from avmc_core import schema
from avmc_core.errors import InputError

CONFIG = "config"  # what MMSA-FET writes beside the splits: how the features were extracted
TOOLKIT = "MMSA-FET"
RELEASED = "CH-SIMS v2.0"
UNUSED = tuple(  # keys of a split that some files hold besides; nothing here reads them
    [*(f"classification_labels{suffix}" for suffix in ("", "_T", "_A", "_V")), "text_lengths"]
)
SYNONYMS = {"dev": "valid", "val": "valid", "validation": "valid"}  # what other tools call a split
_WIDTHS = {  # acoustic and visual columns: the data set that the authors' framework lays out so
    (schema.DIMS["audio"], schema.DIMS["vision"]): RELEASED,
    (33, 709): "CH-SIMS v1",
    (5, 20): "CMU-MOSI",
    (74, 35): "CMU-MOSEI",
}
_LENGTHS = ("audio_lengths", "vision_lengths")


@dataclass(frozen=True)
class Layout:
    """What a file was taken for. ``name``: in words; ``known``: the data set, "" where the widths
    are nobody's."""

    name: str
    known: str
    widths: tuple[int, int]  # acoustic and visual columns
    aligned: bool  # without lengths of its own for sound and picture
    unimodal: bool  # with labels of T, A, V
    scale: float  # the largest label


def recognised(content: Mapping[str, Any]) -> Layout | None:
    """The layout of a file's splits; None where it has none that holds acoustic and visual
    features."""
    split = next(
        (value for value in content.values() if isinstance(value, Mapping) and "audio" in value),
        None,
    )
    if split is None:
        return None
    widths = tuple(_width(split.get(name)) for name in ("audio", "vision"))
    known = _WIDTHS.get(widths, "")
    aligned = not any(key in split for key in _LENGTHS)
    columns = f"{widths[0]} acoustic and {widths[1]} visual columns"
    name = f"{known or 'a data set of its own widths'} ({columns}{', aligned' if aligned else ''})"
    if CONFIG in content:
        name = f"a file as {TOOLKIT} writes it, {columns}"
    unimodal = all(schema.LABEL_KEYS[task] in split for task in schema.TASKS)
    return Layout(name, known, widths, aligned, unimodal, _largest(content))


def check(where: object, content: Mapping[str, Any]) -> Layout | None:
    """The layout of a file that is to be imported. Raises InputError, naming the file's kind, for
    one video's features, for a single split, and for a data set whose widths, alignment or labels
    this version cannot train on."""
    shapes = {
        name: np.shape(content[name])
        for name in schema.MODALITIES
        if isinstance(content.get(name), np.ndarray)
    }
    if shapes and all(len(shape) == 2 for shape in shapes.values()):
        raise InputError(
            where,
            "the features of one video",
            "a data set: `avmc predict` reads the features of one video",
        )
    if shapes and not any(name in content for name in schema.SPLITS):
        raise InputError(
            where,
            "one split alone, a flat dict of columns",
            f"the splits {', '.join(schema.SPLITS)}; a flat dict of unlabelled clips is given "
            "with --unsupervised",
        )
    layout = recognised(content)
    if layout is None or 0 in layout.widths:
        return layout
    ours = (
        f"those of {RELEASED}, {schema.DIMS['audio']} and {schema.DIMS['vision']}, the only "
        "ones of this version"
    )
    if layout.known != RELEASED and (layout.known or CONFIG in content):
        raise InputError(where, layout.name, ours)
    if layout.aligned:
        raise InputError(
            where, layout.name, f"lengths of sound and picture: the keys {' and '.join(_LENGTHS)}"
        )
    if 1 < layout.scale <= 3:
        found = f"labels of up to {layout.scale:g}, on the scale -3 to 3 of CMU-MOSI and CMU-MOSEI"
        raise InputError(where, found, f"labels from -1 to 1, the scale of {RELEASED}")
    return layout


def _width(value: Any) -> int:
    """Columns of an array (rows, steps, columns); 0 for anything else, which its own reader
    names."""
    return value.shape[2] if isinstance(value, np.ndarray) and value.ndim == 3 else 0


def _largest(content: Mapping[str, Any]) -> float:
    """The largest multimodal label of all splits; 0 where there is none that can be compared."""
    columns = [
        part.get(schema.LABEL_KEYS["M"]) for part in content.values() if isinstance(part, Mapping)
    ]
    arrays = [
        column
        for column in columns
        if isinstance(column, np.ndarray) and column.dtype.kind in "iuf"
    ]
    return max((float(np.abs(array).max()) for array in arrays if array.size), default=0.0)
