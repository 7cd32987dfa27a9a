"""Files of the released kind with something wrong in them, through the importer into a store.

Whatever is imported is compared with what the ordinary pickle module reads from the same file,
value by value, and the repairs that the manifest states are counted again here.
"""

from __future__ import annotations

import pickle
import pickletools
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import released_factory as factory

from avmc_core import schema
from avmc_core.data.importing import import_released
from avmc_core.data.layouts import UNUSED
from avmc_core.data.released_writer import KEYS
from avmc_core.data.store import Store, verify_store
from torture import sandbox
from torture.case import Case, damaged
from torture.wrong_columns import NUMBERS, SHAPES, TOKENS, TYPES, WORDS, Change

FILES = ("s.pkl", "u.pkl")
VALID = tuple(
    pickle.dumps(content, 4) for content in (factory.supervised(), factory.unsupervised())
)
TEXTS = ("id", "raw_text", "annotations")


def columns(rng: np.random.Generator, count: int) -> Iterator[Case]:
    """Every column of a split with every wrong value, shape and type, and missing; a few of them in
    the unlabelled file."""
    for key in factory.columns("train"):
        changes = SHAPES | TYPES
        changes |= WORDS if key in TEXTS else NUMBERS
        changes |= TOKENS if key == "text_bert" else {}
        for what, change in changes.items():
            yield _content(f"{key}: {what}", "train", key, change)
        yield _content(f"{key}: missing", "train", key, None)
    few = {
        True: ("no rows", "up", "objects"),
        False: ("NaN", "inf", "-1", "one row less", "objects", "a list"),
    }
    for key in factory.unsupervised():
        for what in few[key in TEXTS]:
            yield _content(
                f"unlabelled {key}: {what}", "", key, (NUMBERS | SHAPES | TYPES | WORDS)[what]
            )


def structures(rng: np.random.Generator, count: int) -> Iterator[Case]:
    """Key sets, ids that collide, and repairs that have to be counted."""
    for name, (supervised, unsupervised) in _structures().items():

        def write(folder: Path, contents=(supervised, unsupervised)) -> None:
            for file, content in zip(FILES, contents, strict=True):
                (folder / file).write_bytes(
                    content if isinstance(content, bytes) else pickle.dumps(content, 4)
                )

        yield Case(name, write, import_and_compare)


def _structures() -> dict[str, tuple]:
    def with_(change: Callable[[dict, dict], object]) -> tuple[dict, dict]:
        contents = factory.supervised(), factory.unsupervised()
        change(*contents)
        return contents

    def named(*values: tuple[str, int, str]) -> tuple[dict, dict]:
        contents = factory.supervised(), factory.unsupervised()
        for split, row, value in values:
            columns = contents[1] if split == "u" else contents[0][split]
            columns["id"] = columns["id"].astype("U40")
            columns["id"][row] = value
        return contents

    empty = {"train": {}, "valid": {}, "test": {}}
    other = (2, None, [], "x", 1.5, (), {"train": 1}, {1: 2}, empty)
    return {
        **{
            f"a {type(value).__name__} for a file": (value, factory.unsupervised())
            for value in other
        },
        **{
            f"a {type(value).__name__} for the unlabelled": (factory.supervised(), value)
            for value in other
        },
        "the files swapped": (factory.unsupervised(), factory.supervised()),
        "the same file twice": (factory.supervised(), factory.supervised()),
        "an empty file": (b"", factory.unsupervised()),
        "no pickle": (b"PK\x03\x04" * 50, factory.unsupervised()),
        "a split missing": with_(lambda s, u: s.pop("valid")),
        "a split more": with_(lambda s, u: s.update(dev=s["valid"])),
        "train_mix of rubbish": with_(lambda s, u: s.update(train_mix=[1, 2])),
        "simulated of rubbish": with_(lambda s, u: s.update(simulated="{")),
        "simulated in one file": with_(lambda s, u: s.update(simulated="{}")),
        "simulated of a megabyte": with_(
            lambda s, u: (
                s.update(simulated='{"a": "' + "x" * 2**21 + '"}'),
                u.update(simulated="{}"),
            )
        ),
        "simulated, deep": with_(
            lambda s, u: (s.update(simulated="[" * 100_000), u.update(simulated="{}"))
        ),
        "as the toolkit writes it": with_(
            lambda s, u: (s.update(config=CONFIG), u.update(config=CONFIG))
        ),
        "settings of rubbish": with_(lambda s, u: s.update(config=[None, {"a": np.zeros(3)}, 2.5])),
        "settings of a megabyte": with_(lambda s, u: s.update(config={"a": "x" * 2**21})),
        "another name for valid": with_(lambda s, u: s.update(dev=s.pop("valid"))),
        "classes beside the labels": with_(
            lambda s, u: s["test"].update(classification_labels=np.zeros(4))
        ),
        "-inf inside, and after the end": with_(
            lambda s, u: (
                s["train"]["audio"].__setitem__((1, 0, 3), -np.inf),
                u["vision"].__setitem__((0, -1), -np.inf),
            )
        ),
        "padded at the start": with_(lambda s, u: [_turned(part) for part in (*s.values(), u)]),
        "padded at the start, in one split": with_(lambda s, u: _turned(s["train"])),
        "padded at the start, in one row": with_(lambda s, u: _turned(s["train"], [1])),
        "labels to 3": with_(
            lambda s, u: s["train"].update(regression_labels=3 * s["train"]["regression_labels"])
        ),
        "CH-SIMS v1": with_(
            lambda s, u: [part.update(_widths(part, 33, 709)) for part in s.values()]
        ),
        "MOSI": with_(lambda s, u: [part.update(_widths(part, 5, 20)) for part in s.values()]),
        "without lengths": with_(
            lambda s, u: [
                part.pop(f"{m}_lengths") for part in s.values() for m in ("audio", "vision")
            ]
        ),
        "one video": (
            {m: factory.columns("train")[m][0] for m in schema.MODALITIES},
            factory.unsupervised(),
        ),
        "protocol 5": tuple(pickle.dumps(content, 5) for content in with_(lambda s, u: None)),
        "protocol 5, buffers apart": (
            pickle.dumps(factory.supervised(), 5, buffer_callback=[].append),
            factory.unsupervised(),
        ),
        "a key more": with_(lambda s, u: s["train"].update(extra=1)),
        "a path as a key": with_(lambda s, u: s["train"].update({"../../x": 1})),
        "an id twice": named(("train", 0, "a$_$1"), ("train", 1, "a$_$1")),
        "an id in two splits": named(("train", 0, "a$_$1"), ("test", 0, "a$_$1")),
        "an id twice among the unlabelled": named(("u", 0, "a$_$1"), ("u", 1, "a$_$1")),
        "an id labelled and unlabelled": named(("train", 0, "a$_$1"), ("u", 1, "a$_$1")),
        "ids that meet when split": named(("train", 0, "a$_$b$_$c"), ("train", 1, "a$_$b")),
        "ids that differ in case": named(("train", 0, "a$_$1"), ("train", 1, "A$_$1")),
        "ids of the same look": named(("train", 0, "é$_$1"), ("train", 1, "e\u0301$_$1")),
        "labels off the grid": with_(
            lambda s, u: s["train"]["regression_labels"].__setitem__(slice(0, 2), [-0.1, 0.33])
        ),
        "values after the end": with_(
            lambda s, u: s["train"].update(audio_lengths=np.ones(5, int))
        ),
        "other steps": with_(
            lambda s, u: u.update(vision=np.pad(u["vision"], ((0, 0), (0, 1), (0, 0))))
        ),
        "steps of a splits": with_(
            lambda s, u: s["test"].update(
                audio=np.pad(s["test"]["audio"], ((0, 0), (0, 3), (0, 0)))
            )
        ),
        "ten thousand steps": with_(
            lambda s, u: s["train"].update(audio=np.zeros((5, 10_000, 25)))
        ),
    }


CONFIG = {"audio": {"tool": "opensmile", "args": {"start": None}}, "video": {"fps": 25}}


def _turned(columns: dict, rows: list[int] | None = None) -> None:
    """Clips moved to the end of their rows, behind zeros."""
    for name in ("audio", "vision"):
        for row, length in enumerate(columns[f"{name}_lengths"]):
            if rows is None or row in rows:
                columns[name][row] = np.roll(
                    columns[name][row], columns[name].shape[1] - length, axis=0
                )


def _widths(columns: dict, *widths: int) -> dict:
    return {
        name: np.resize(columns[name], (*columns[name].shape[:2], width))
        for name, width in zip(("audio", "vision"), widths, strict=True)
    }


def files(rng: np.random.Generator, count: int) -> Iterator[Case]:
    """Both files, cut or with changed bytes; half of the changes hit the program around the
    arrays."""
    programs = []
    for data in VALID:
        starts = [start for _, _, start in pickletools.genops(data)]
        programs.append(
            [
                place
                for start, end in pairwise(starts)
                for place in range(start, min(end, start + 20))
            ]
        )
    for number in range(count):
        which = int(rng.random() < 0.3)
        places = programs[which] if rng.random() < 0.5 else None
        bad = damaged(VALID[which], rng, places)

        def write(folder: Path, which=which, bad=bad) -> None:
            for place, file in enumerate(FILES):
                (folder / file).write_bytes(bad if place == which else VALID[place])

        yield Case(f"damaged {FILES[which]} {number}", write, import_and_compare)


def _content(name: str, part: str, key: str, change: Change | None) -> Case:
    def write(folder: Path) -> None:
        contents = factory.supervised(), factory.unsupervised()
        target = contents[0][part] if part else contents[1]
        if change is None:
            del target[key]
        else:
            try:
                target[key] = change(target[key])
            # no sense for this column: a row too few instead
            except (ValueError, TypeError, IndexError):
                target[key] = target[key][:-1]
        for file, content in zip(FILES, contents, strict=True):
            (folder / file).write_bytes(pickle.dumps(content, 4))

    return Case(name, write, import_and_compare)


def import_and_compare(folder: Path) -> str:
    """Imports the folder's two files; the store must hold what they say, and leave nothing when it
    is refused."""
    try:
        import_released(folder / "store", *(folder / file for file in FILES), progress=False)
    except BaseException:
        left = {path.name for path in folder.iterdir()} - set(FILES)
        if left:
            raise sandbox.Accepted(f"left behind: {left}") from None
        raise
    store = verify_store(folder / "store")
    with sandbox.trusted():
        supervised, unsupervised = (pickle.loads((folder / file).read_bytes()) for file in FILES)
    expected: Counter[str] = Counter()
    if "valid" not in supervised and "dev" in supervised:
        supervised["valid"] = supervised.pop("dev")
        expected["split 'dev' read as valid"] += 1
    for name, split in {
        **{name: supervised[name] for name in schema.SPLITS},
        schema.UNLABELLED: unsupervised,
    }.items():
        expected += compare(store, name, split)
    labelled = {str(value) for name in schema.SPLITS for value in supervised[name]["id"]}
    expected["unlabelled clips with the id of a labelled one, kept"] += sum(
        str(v) in labelled for v in unsupervised["id"]
    )
    stated = {repair["what"]: repair["count"] for repair in store.manifest["repairs"]}
    if stated != {what: number for what, number in expected.items() if number}:
        raise sandbox.Accepted(f"repairs {stated} instead of {dict(expected)}")
    return sandbox.REPAIRED if stated else sandbox.HARMLESS


def compare(store: Store, name: str, columns: dict) -> Counter[str]:
    """Every value of a split of the store equals the file's own; repairs are counted by loops."""
    split, repairs = store.split(name), Counter()
    columns = {
        key: _flat(column, repairs if key in KEYS else Counter()) for key, column in columns.items()
    }
    for key in UNUSED:
        repairs[f"key {key} left out"] += key in columns
    texts = {"id": "id", "raw_text": "text"} | (
        {} if name == schema.UNLABELLED else {"annotations": "annotation"}
    )
    for key, column in texts.items():
        _equal(
            [str(value) for value in columns[key]], split.clips[column].tolist(), f"{name} {key}"
        )
    repairs["ids without a separator, read as the video id"] = sum(
        "$_$" not in str(value) for value in columns["id"]
    )
    tokens = np.asarray(columns["text_bert"])
    _equal(tokens.astype(np.int64).tolist(), split.tokens.tolist(), f"{name} tokens")
    lengths = {
        "text": [int(sum(row[1])) for row in tokens],
        **{m: [int(v) for v in columns[f"{m}_lengths"]] for m in ("audio", "vision")},
    }
    for modality in schema.MODALITIES:
        array, ragged = np.asarray(columns[modality]), getattr(split, modality)
        short = [row for row, length in enumerate(lengths[modality]) if length < array.shape[1]]
        heads = [array[row][: array.shape[1] - lengths[modality][row]] for row in short]
        at_start = not any(head.any() for head in heads) and any(
            array[row][-1].any() for row in short
        )
        for row, length in enumerate(lengths[modality]):
            start = array.shape[1] - length if at_start else 0
            inside, after = array[row][start:][:length], array[row][start + length :]
            if modality != "text":
                repairs[f"values of -inf in {modality} set to 0"] += int((inside == -np.inf).sum())
                inside = np.where(inside == -np.inf, 0, inside)
            inside = inside.astype(np.float32)
            if not np.isfinite(inside).all() or inside.tobytes() != ragged[row].tobytes():
                raise sandbox.Accepted(f"other {modality} in row {row} of {name}")
            repairs[f"clips with {modality} values after their end, dropped"] += bool(after.any())
            if row in short:
                repairs[f"clips with {modality} padded at the start, read from their end"] += (
                    at_start
                )
    if name != schema.UNLABELLED:
        for task, key in schema.LABEL_KEYS.items():
            labels = [float(value) for value in columns[key]]
            _equal(labels, split.clips[task].tolist(), f"{name} {key}")
            if not all(abs(label) <= store.limit for label in labels):
                raise sandbox.Accepted(f"a label beyond {store.limit:g} in {name} {key}")
            # labels of other data sets, from -3 to 3, are on no grid
            repairs["labels off the grid of 0.2, kept"] += sum(
                abs(v * 5 - round(v * 5)) > 1e-5 for v in labels if store.limit == 1
            )
    if len(set(split.clips["id"])) < len(split):
        raise sandbox.Accepted(f"an id twice in {name}")
    return repairs


def _flat(column, repairs: Counter[str]):
    """A column of bytes as text, and one of shape (rows, 1) as (rows,), each counted."""
    if isinstance(column, np.ndarray) and column.dtype.kind == "S":
        repairs["columns of bytes read as UTF-8"] += 1
        column = np.array([value.decode() for value in column.ravel()]).reshape(column.shape)
    if isinstance(column, np.ndarray) and column.ndim == 2 and column.shape[1] == 1:
        repairs["columns of shape (rows, 1) read as (rows,)"] += 1
        column = column.ravel()
    return column


def warm(folder: Path) -> None:
    """Loads what a good import loads."""
    for file, data in zip(FILES, VALID, strict=True):
        (folder / file).write_bytes(data)
    assert import_and_compare(folder) == sandbox.HARMLESS


def _equal(left: list, right: list, what: str) -> None:
    if left != right:
        raise sandbox.Accepted(f"other {what}")


FAMILIES = {
    "released files, wrong columns": columns,
    "released files, wrong structure": structures,
    "released files, damaged": files,
}
