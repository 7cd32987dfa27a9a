"""Recognises what a file in the format of the public toolkits holds, from its keys, widths and
labels.

The widths of the features, the longest sequences and the labels are determined by the file alone.
The widths of acoustic and visual columns name the data set that the laboratory's framework (MMSA)
lays out so; the range of the labels follows from that name, else from the labels, unless whoever
imports the file declares it.
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
RELEASED = schema.DATASET
UNUSED = tuple(  # keys of a split that some files hold besides; nothing here reads them
    [*(f"classification_labels{suffix}" for suffix in ("", "_T", "_A", "_V")), "text_lengths"]
)
SYNONYMS = {"dev": "valid", "val": "valid", "validation": "valid"}  # what other tools call a split
TOKENS = "text_bert"  # ids, mask, segments; a file may hold the states of its texts alone
LENGTHS = {"audio": "audio_lengths", "vision": "vision_lengths"}
_KNOWN = {  # acoustic and visual columns: the data set laid out so, and the largest label of it
    (schema.DIMS["audio"], schema.DIMS["vision"]): (RELEASED, 1.0),
    (33, 709): ("CH-SIMS v1", 1.0),
    (5, 20): ("CMU-MOSI", 3.0),
    (74, 35): ("CMU-MOSEI", 3.0),
}
_LOOKED_AT = 8  # clips of different lengths, where the order of axes is checked
_CHANCE = 1e-3  # below which no split is taken to lack labels outside -1 to 1 by chance
_BEYOND = 0.1  # share of labels outside -1 to 1 from which a file's range is taken for -3 to 3


@dataclass(frozen=True)
class Layout:
    """The format that a file was recognised as."""

    known: str  # the data set that is laid out so, "" where the widths are nobody's
    toolkit: bool  # written by MMSA-FET, with its settings beside the splits
    widths: tuple[int, int]  # acoustic and visual columns
    aligned: bool  # without lengths of its own for sound and picture
    tokens: bool  # with the tokens of its texts, not their states alone
    tasks: tuple[str, ...]  # of schema.TASKS: the annotations that it has
    limit: float  # labels run from -limit to limit
    range_from: str  # where that range is from, in words

    @property
    def released(self) -> bool:
        """Whether it is laid out as CH-SIMS v2.0. Whether it is CH-SIMS v2.0 is decided by its
        labels."""
        return self.known == RELEASED and not self.toolkit

    @property
    def name(self) -> str:
        """The format in words: its origin, the feature widths, and the labels."""
        columns = f"{self.widths[0]} acoustic and {self.widths[1]} visual columns"
        aligned = ", aligned" if self.aligned else ""
        labels = " and ".join([", ".join(self.tasks[:-1]), self.tasks[-1]][len(self.tasks) == 1 :])
        labelled = f"labels of {labels} from {-self.limit:g} to {self.limit:g} ({self.range_from})"
        what = (
            f"a file as {TOOLKIT} writes it"
            if self.toolkit
            else f"the layout of {self.known}"
            if self.known
            else "a data set of its own widths"
        )
        tokens = "" if self.tokens else "; no tokens of the text"
        return f"{what}: {columns}{aligned}; {labelled}{tokens}"


def recognised(content: Mapping[str, Any], limit: float | None = None) -> Layout | None:
    """The layout of a file's splits; None where it has none that holds acoustic and visual
    features. ``limit``: the largest label, where it is declared."""
    split = next(
        (value for value in content.values() if isinstance(value, Mapping) and "audio" in value),
        None,
    )
    if split is None:
        return None
    widths = tuple(_width(split.get(name)) for name in schema.DIMS if name != "text")
    known, usual = _KNOWN.get(widths, ("", None))
    toolkit = CONFIG in content
    # any one of them makes all three required, so that a lost column is named
    unimodal = any(schema.LABEL_KEYS[task] in split for task in schema.TASKS[1:])
    beyond = _beyond(content)
    if limit is not None:
        range_of_labels = limit, "as declared"
    elif usual == max(schema.LIMITS) and not toolkit:
        range_of_labels = usual, f"those of {known}"
    elif beyond > _BEYOND:
        range_of_labels = max(schema.LIMITS), f"{100 * beyond:.0f} % of them lie outside -1 to 1"
    else:
        fits = usual == min(schema.LIMITS)
        range_of_labels = (
            min(schema.LIMITS),
            f"those of {known}" if fits else "hardly any lies outside",
        )
    return Layout(
        known,
        toolkit,
        widths,
        not any(key in split for key in LENGTHS.values()),
        any(TOKENS in part for part in content.values() if isinstance(part, Mapping)),
        schema.TASKS if unimodal else schema.TASKS[:1],
        *range_of_labels,
    )


def checked_layout(
    where: object, content: Mapping[str, Any], limit: float | None = None
) -> Layout | None:
    """The layout of a file that is to be imported. Raises InputError, naming the file's kind, for
    one video's features, for a single split, and for a range of labels that is not known."""
    if limit is not None and limit not in schema.LIMITS:
        ranges = " or ".join(f"{value:g}" for value in schema.LIMITS)
        raise InputError("limit of the labels", f"{limit:g}", f"{ranges}: -1 to 1, or -3 to 3")
    shapes = {name: shape for name in schema.MODALITIES if (shape := _shape(content.get(name)))}
    if shapes and all(len(shape) == 2 for shape in shapes.values()):
        raise InputError(
            where,
            "the features of one video",
            "a data set: `avmc predict` reads the features of one video",
        )
    if shapes and not any(name in content for name in schema.SPLITS):
        splits = ", ".join(schema.SPLITS)
        raise InputError(
            where,
            "one split alone, a flat dict of columns",
            f"the splits {splits}; a flat dict of unlabelled clips is given with --unsupervised",
        )
    layout = recognised(content, limit)
    _check_axes(where, content)
    _check_one_range(where, content)
    if layout and _KNOWN.get(layout.widths[::-1], ("",))[0] == RELEASED:
        widths = f"{layout.widths[0]} acoustic and {layout.widths[1]} visual columns"
        raise InputError(where, widths, "the keys audio and vision not in each other's place")
    return layout


def _check_axes(where: object, content: Mapping[str, Any]) -> None:
    """Raises InputError for features with their columns before their steps, as other code keeps
    them. Nothing else would show it: a file of unknown widths can have any."""
    for split, part in content.items():
        if not isinstance(part, Mapping):
            continue
        shapes = {name: _shape(part.get(name)) for name in schema.MODALITIES}
        both = [shapes[name] for name in LENGTHS]
        if any(len(shape) != 3 for shape in both):
            continue  # its own reader names it
        steps, columns = (tuple(shape[axis] for shape in both) for axis in (1, 2))
        text = shapes["text"][1:2] * 2
        # whose columns are the steps of its text was aligned to it
        aligned = columns == text and not any(map(part.__contains__, LENGTHS.values()))
        all_turned = (steps in _KNOWN and columns not in _KNOWN) or (aligned and steps != text)
        for name, key in LENGTHS.items():
            if all_turned or _turned(part[name], part.get(key)):
                raise InputError(
                    f"{where}, split {split}, key {name}",
                    "{1} steps of {2} columns, in each other's place".format(*shapes[name]),
                    "the axes rows, steps, columns: array.transpose(0, 2, 1)",
                )


def _turned(values: Any, lengths: Any) -> bool:
    """Whether the last axis is zero beyond the length of each clip looked at, and begins to be so
    right there in clips of at least two lengths. Columns that are always zero begin at one place,
    and what is behind the last step does not matter, whatever the padding is."""
    try:
        lengths = np.asarray(lengths, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        return False  # its own reader names it
    if len(lengths) != len(values) or not np.isfinite(lengths).all():
        return False
    rows = np.unique(lengths, return_index=True)[1]
    ends = set()
    for row in rows[np.linspace(0, len(rows) - 1, min(_LOOKED_AT, len(rows))).astype(int)]:
        clip = np.asarray(values[row])
        if clip.ndim != 2 or clip.dtype.kind not in "iuf":
            return False
        used = np.flatnonzero(clip.any(axis=0))
        end = int(used[-1]) + 1 if len(used) else 0
        if end > lengths[row]:
            return False
        if end == lengths[row] < clip.shape[1]:
            ends.add(end)
    return len(ends - {0}) > 1


def _width(value: Any) -> int:
    """Columns of features (rows, steps, columns); 0 for anything else, which its own reader
    names."""
    shape = _shape(value)
    return shape[2] if len(shape) == 3 else 0


def _shape(value: Any) -> tuple[int, ...]:
    """The shape of an array, or of a list of arrays of one shape; () for anything else."""
    if isinstance(value, np.ndarray):
        return value.shape
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], np.ndarray):
        return (len(value), *value[0].shape)
    return ()


def _beyond(content: Mapping[str, Any]) -> float:
    """The share of the multimodal labels of all splits outside [-1, 1]; 0 where there are none that
    can be compared."""
    beyond = [*_outside(content).values()]
    return float(np.concatenate(beyond).mean()) if sum(map(len, beyond)) else 0.0


def _outside(content: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Of each split, which of its multimodal labels that can be compared lie outside [-1, 1]."""
    outside = {}
    for name, part in content.items():
        column = part.get(schema.LABEL_KEYS["M"]) if isinstance(part, Mapping) else None
        try:
            labels = np.asarray(column, dtype=np.float64).ravel()
        except (TypeError, ValueError):
            continue  # its own reader names it
        outside[name] = np.abs(labels[np.isfinite(labels)]) > 1 + 1e-6
    return outside


def _check_one_range(where: object, content: Mapping[str, Any]) -> None:
    """Raises InputError where the labels of one split stay within -1 to 1 although, by those of the
    others, hardly any such number of clips would: the splits have labels of two ranges."""
    outside = _outside(content)
    for name, own in outside.items():
        others = [labels for split, labels in outside.items() if split != name]
        share = float(np.concatenate(others).mean()) if sum(map(len, others)) else 0.0
        if share > _BEYOND and not own.any() and (1 - share) ** len(own) < _CHANCE:
            raise InputError(
                f"{where}, split {name}",
                f"labels from -1 to 1, where {100 * share:.0f} % of those of the other splits "
                "lie outside",
                "labels of one range in all splits",
            )
