"""Stores and model packages rewritten with an error in them: complete, and with seals and checksums
that fit."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from avmc_core.data.batches import SplitData
from avmc_core.data.store import content_digest, verify_store
from avmc_core.files.sealed import SEAL, _seal
from avmc_core.models.registry import builder
from avmc_core.runs.execution import sizes_of
from avmc_core.runs.packages import read_package
from torture import sandbox
from torture.case import Case
from torture.originals import RUN, copied, originals, warm

__all__ = ["FAMILIES", "warm"]
STRANGE = (
    None,
    True,
    -1,
    0,
    2**70,
    1.5,
    "",
    "x",
    "../../x",
    [],
    {},
    [[]],
    {"train": -1},
    "\u0000",
    1e308,
)


def resealed_stores(rng: np.random.Generator, count: int) -> Iterator[Case]:
    """Manifests with strange values, arrays of other types and shapes, with checksums that fit."""
    manifest = json.loads((originals().store / "manifest.json").read_text())
    places = list(_places(manifest))
    for _ in range(count):
        place, value = places[rng.integers(len(places))], STRANGE[rng.integers(len(STRANGE))]

        def write(folder: Path, place=place, value=value) -> None:
            _reseal(copied(originals().store, folder), lambda m: _put(m, place, value))

        yield Case(f"manifest {'.'.join(map(str, place))} = {value!r}"[:80], write, _consistent)
    for what, change in ARRAYS.items():
        for name in ("train.text", "test.audio", "valid.labels", "unlabelled.vision"):
            yield _rewritten(what, f"{name}.safetensors", partial(_rewrite_arrays, change=change))
    for what, change in HEADERS.items():
        yield _rewritten(what, "train.audio.safetensors", partial(_rewrite_header, change=change))
    for what, change in CLIPS.items():
        yield _rewritten(
            what,
            "clips.csv",
            lambda path, change=change: path.write_bytes(change(path.read_bytes())),
        )


def _rewritten(what: str, name: str, rewrite: Callable[[Path], object]) -> Case:
    """One file of a store written anew, and sealed."""

    def write(folder: Path) -> None:
        store = copied(originals().store, folder)
        rewrite(store / name)
        _reseal(store, lambda manifest: None)

    return Case(f"{name}: {what}", write, _consistent)


def _rewrite_arrays(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    save_file({key: change(array) for key, array in load_file(path).items()}, path)


def _rewrite_header(path: Path, change: Callable[[dict], object]) -> None:
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = change(json.loads(data[8 : 8 + size]))
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])


ARRAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "float64": lambda a: a.astype(np.float64),
    "int64": lambda a: a.astype(np.int64),
    "float16": lambda a: a.astype(np.float16),
    "negative": lambda a: -a.astype(np.float32),
    "one row less": lambda a: a[:-1].copy(),
    "flat": lambda a: a.reshape(-1).copy(),
    "no rows": lambda a: a[:0].copy(),
    "turned": lambda a: a.T.copy(),
    "doubled": lambda a: np.concatenate([a, a]),
    "NaN": lambda a: np.full_like(a, np.nan) if a.dtype.kind == "f" else a + a.dtype.type(1),
    "inf": lambda a: np.full_like(a, np.inf) if a.dtype.kind == "f" else a[::-1].copy(),
}
HEADERS: dict[str, Callable[[dict], object]] = {
    "deep": lambda h: b"[" * 90_000,
    "a list": lambda h: [],
    "no tensors": lambda h: {},
    "a million steps": lambda h: h | {"values": h["values"] | {"shape": [2**20, 25]}},
    "a negative size": lambda h: h | {"values": h["values"] | {"shape": [-1, 25]}},
    "two negative sizes": lambda h: (
        h | {"values": h["values"] | {"shape": [-h["values"]["shape"][0], -25]}}
    ),
    "a size beyond int64": lambda h: h | {"values": h["values"] | {"shape": [2**64, 2**64]}},
    "offsets beyond": lambda h: h | {"values": h["values"] | {"data_offsets": [0, 2**62]}},
    "offsets turned": lambda h: h | {"values": h["values"] | {"data_offsets": [8, 0]}},
    "a word for a shape": lambda h: h | {"values": h["values"] | {"shape": "ab"}},
    "an unknown type": lambda h: h | {"values": h["values"] | {"dtype": "F8_E5M2"}},
    "a number for a type": lambda h: h | {"values": h["values"] | {"dtype": 1}},
    "a tensor more": lambda h: {"more": h["values"], **h},
    "a tensor less": lambda h: {"values": h["values"]},
}
CLIPS: dict[str, Callable[[bytes], bytes]] = {
    "a header alone": lambda data: data.split(b"\n")[0] + b"\n",
    "utf-16": lambda data: data.decode().encode("utf-16"),
    "rows turned": lambda data: (
        data.split(b"\n")[0] + b"\n" + b"\n".join(data.split(b"\n")[1:][::-1])
    ),
    "huge lengths": lambda data: data.replace(b",train,", b",train,", 1).replace(
        b"\n", b"0000000000000000000\n"
    ),
    "other columns": lambda data: data.replace(b"video_id", b"video"),
    "an open quote": lambda data: data + b'"',
    "NUL": lambda data: data.replace(b"train", b"tr\0in"),
    "words for labels": lambda data: data.replace(b"0.", b"x."),
}


def _places(value, at: tuple = ()) -> Iterator[tuple]:
    """The path of every value in JSON data."""
    if at:
        yield at
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, item in items:
        yield from _places(item, (*at, key))


def _put(data, place: tuple, value) -> None:
    for key in place[:-1]:
        data = data[key]
    data[place[-1]] = value


def _reseal(store: Path, change: Callable[[dict], object]) -> None:
    """Gives a changed store matching checksums, as far as its manifest still has a place for
    them."""
    manifest = json.loads((store / "manifest.json").read_text())
    for name, entry in manifest["files"].items():
        data = (store / name).read_bytes()
        entry |= {"size": len(data), "sha256": sha256(data).hexdigest()}
    change(manifest)
    with suppress(TypeError, KeyError, AttributeError):
        manifest["digest"] = content_digest(manifest)
    (store / "manifest.json").write_text(json.dumps(manifest))


def _consistent(folder: Path) -> str:
    """Either the store is refused, or it is consistent and every clip can be read in a batch."""
    store = verify_store(folder / "store")
    good = originals().opened
    for name, split in store.splits.items():
        widths = {m: getattr(split, m).parts[0][0].shape[1] for m in ("text", "audio", "vision")}
        if widths != {"text": 768, "audio": 25, "vision": 177}:
            raise sandbox.Accepted(f"widths {widths}")
        for modality in widths:
            values = getattr(split, modality).padded(np.arange(len(split)))
            if not np.isfinite(values).all():
                raise sandbox.Accepted(f"{name} {modality} that is not finite")
        known = split.labels[split.mask]
        if (
            len(split) != len(good.splits[name])
            or not (np.abs(known) <= 1).all()
            or split.mask.any() != (name != "unlabelled")
        ):
            raise sandbox.Accepted(f"split {name} with impossible labels")
        SplitData(split, builder(RUN.model)(RUN.settings, sizes_of(store)).inputs).batch(
            torch.arange(len(split))
        )
    return sandbox.HARMLESS


def hostile_packages(rng: np.random.Generator, count: int) -> Iterator[Case]:
    """Packages with strange facts: sizes of gigabytes, settings that do not exist, weights that do
    not fit."""
    with_facts = _facts_of(originals().package)
    places = [
        p
        for p in _places(with_facts[0])
        if p[0] in ("format", "model", "settings", "sizes", "seeds", "data")
    ]
    values = (*STRANGE, 10**9, 10**5)
    for _ in range(count):
        place, value = places[rng.integers(len(places))], values[rng.integers(len(values))]

        def write(folder: Path, place=place, value=value) -> None:
            facts = json.loads(json.dumps(with_facts[0]))
            _put(facts, place, value)
            facts.pop("seal", None)
            _write_package(folder / "p", facts, with_facts[1])

        yield Case(f"package {'.'.join(map(str, place))} = {value!r}"[:80], write, _package_loads)


def _facts_of(path: Path) -> tuple[dict, dict]:
    with safe_open(path, "np") as file:
        names = [*file.keys()]
        return json.loads(file.metadata()["avmc"]), {name: file.get_tensor(name) for name in names}


def _write_package(path: Path, facts: dict, tensors: dict) -> None:
    facts = {**facts, SEAL: _seal(tensors, facts)}
    save_file(tensors, path, {"avmc": json.dumps(facts)})


def _package_loads(folder: Path) -> str:
    package = read_package(folder / "p")
    good = read_package(originals().package)
    networks = package.networks()
    if networks and set(networks) == set(good.networks()):
        return sandbox.HARMLESS
    raise sandbox.Accepted(f"networks of seeds {list(networks)}")


FAMILIES = {
    "stores, wrong but sealed": resealed_stores,
    "model packages, wrong but sealed": hostile_packages,
}
