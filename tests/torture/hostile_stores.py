"""Stores, sealed files, model packages and records, damaged byte by byte or written anew with something wrong in them."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np
import released_factory as factory
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from avmc_core.batches import SplitData
from avmc_core.errors import InputError
from avmc_core.execution import StoreData, sizes_of
from avmc_core.grid import run_one, trained
from avmc_core.packages import collect, read_package, write_package
from avmc_core.registry import builder
from avmc_core.runs import PREDICTIONS, RECORD, WEIGHTS, Run, RunStore
from avmc_core.sealed import SEAL, _seal
from avmc_core.store import Store, content_digest, open_store, verify_store
from torture import sandbox
from torture.case import Case, damaged

RUN = Run("AV-MC", 1, (("training.max_epochs", 1),))
STRANGE = (None, True, -1, 0, 2**70, 1.5, "", "x", "../../x", [], {}, [[]], {"train": -1}, "\u0000", 1e308)


@cache
def originals(place: Path) -> tuple[Path, Path, Path]:
    """A store, a run store with one finished run on it, and a package of that run, made once."""
    store = factory.imports(place, simulated={"made by": "tests"})
    run_one(RUN, StoreData(store), RunStore(place / "runs"))
    (record,) = RunStore(place / "runs")
    package = write_package(collect(record.key, RunStore(place / "runs"), store), place / "x.avmc.safetensors")
    return store.path, place / "runs", package


def warm(folder: Path) -> None:
    """Makes the originals; loads what reading them loads."""
    global PLACE
    PLACE = folder
    torch.set_num_threads(1)
    store, runs, package = originals(PLACE)
    assert _same_store(store) == _same_run(runs) == _same_package(package) == sandbox.HARMLESS


PLACE = Path()


# --- damaged bytes


def store_bytes(rng: np.random.Generator, count: int) -> Iterator[Case]:
    """One file of a store cut or with changed bytes, missing, empty, a folder, or another of its files."""
    names = sorted(path.name for path in originals(PLACE)[0].iterdir())
    for name in names:
        for what, change in SWAPS.items():

            def write(folder: Path, name=name, change=change) -> None:
                change(_copy(0, folder) / name)

            yield Case(f"{name}: {what}", write, lambda folder: _same_store(folder / "store"))
    yield from _damaged_files(rng, count, 0, names, lambda folder: _same_store(folder / "store"))


SWAPS: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a loop": lambda path: (path.unlink(), path.symlink_to(path)),
    "another file": lambda path: shutil.copyfile(next(p for p in sorted(path.parent.iterdir()) if p != path), path),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
}


def run_bytes(rng: np.random.Generator, count: int) -> Iterator[Case]:
    """A finished run whose record, predictions or weights are cut or have changed bytes."""
    (folder,) = (path.parent for path in originals(PLACE)[1].glob(f"*/{RECORD}"))
    names = [f"{folder.name}/{name}" for name in (RECORD, PREDICTIONS, WEIGHTS)]
    yield from _damaged_files(rng, count, 1, names, lambda folder: _same_run(folder / "runs"))


def package_bytes(rng: np.random.Generator, count: int) -> Iterator[Case]:
    """A model package cut or with changed bytes, half of them in its header."""
    data = originals(PLACE)[2].read_bytes()
    head = range(8 + struct.unpack("<Q", data[:8])[0])
    for number in range(count):
        bad = damaged(data, rng, head if rng.random() < 0.5 else None)
        yield Case(
            f"damaged package {number}",
            lambda folder, bad=bad: (folder / "p").write_bytes(bad),
            lambda folder: _same_package(folder / "p"),
        )


def _damaged_files(rng, count: int, which: int, names: list[str], read: Callable[[Path], str]) -> Iterator[Case]:
    for number in range(count):
        name = names[rng.integers(len(names))]
        bad = damaged((originals(PLACE)[which] / name).read_bytes(), rng)
        yield Case(
            f"damaged {Path(name).name} {number}",
            lambda folder, name=name, bad=bad: (_copy(which, folder) / name).write_bytes(bad),
            read,
        )


def _copy(which: int, folder: Path) -> Path:
    source = originals(PLACE)[which]
    return shutil.copytree(source, folder / source.name)


def _same_store(path: Path) -> str:
    """Verified, it holds what the original holds. Opened alone, its clips and labels do."""
    try:
        opened = open_store(path)
        if not all(opened.splits[name].clips.equals(_original().splits[name].clips) for name in opened.splits):
            raise sandbox.Accepted("other clips in a store that opens")
    finally:
        store = verify_store(path)
    if store.digest != _original().digest or _content(store) != _content(_original()):
        raise sandbox.Accepted("a store with other content")
    return sandbox.HARMLESS


@cache
def _original() -> Store:
    return open_store(originals(PLACE)[0])


def _content(store: Store) -> str:
    hashed = sha256(repr(sorted(store.splits)).encode())
    for split in store.splits.values():
        for ragged in (split.text, split.audio, split.vision):
            hashed.update(ragged.padded(np.arange(len(ragged))).tobytes())
        hashed.update(
            split.tokens.tobytes() + split.labels.tobytes() + split.mask.tobytes() + split.clips.to_csv().encode()
        )
    return hashed.hexdigest()


def _same_run(root: Path) -> str:
    """The record, the predictions and the network are those of the original, or one of them is refused."""
    (path,) = root.glob(f"*/{RECORD}")
    (good,) = RunStore(originals(PLACE)[1])
    record = RunStore(root).get(path.parent.name)
    if record is None:
        raise InputError(path, "no finished run", "one: it will be computed again")
    if record != good:
        raise sandbox.Accepted("another record")
    for split in ("train", "valid", "test"):
        for task, found in record.predictions(split).items():
            if found.tobytes() != good.predictions(split)[task].tobytes():
                raise sandbox.Accepted("other predictions")
    left, right = (trained(RUN, one, _original()).state_dict() for one in (record, good))
    if not all(torch.equal(left[name], right[name]) for name in right):
        raise sandbox.Accepted("other weights")
    return sandbox.HARMLESS


def _same_package(path: Path) -> str:
    found, good = read_package(path), read_package(originals(PLACE)[2])
    if found.facts != good.facts or any(
        tensor.tobytes() != good.weights[seed][name].tobytes()
        for seed, w in found.weights.items()
        for name, tensor in w.items()
    ):
        raise sandbox.Accepted("another package")
    if any(tensor.tobytes() != good.statistics[name].tobytes() for name, tensor in found.statistics.items()):
        raise sandbox.Accepted("other statistics")
    found.networks()
    return sandbox.HARMLESS


# --- whole, but wrong: every seal and checksum fits


def resealed_stores(rng: np.random.Generator, count: int) -> Iterator[Case]:
    """Manifests with strange values, arrays of other types and shapes, with checksums that fit."""
    manifest = json.loads((originals(PLACE)[0] / "manifest.json").read_text())
    places = list(_places(manifest))
    for _ in range(count):
        place, value = places[rng.integers(len(places))], STRANGE[rng.integers(len(STRANGE))]

        def write(folder: Path, place=place, value=value) -> None:
            _reseal(_copy(0, folder), lambda m: _put(m, place, value))

        yield Case(f"manifest {'.'.join(map(str, place))} = {value!r}"[:80], write, _consistent)
    for what, change in ARRAYS.items():
        for name in ("train.text", "test.audio", "valid.labels", "unlabelled.vision"):

            def rewrite(folder: Path, name=name, change=change) -> None:
                path = _copy(0, folder) / f"{name}.safetensors"
                tensors = load_file(path)
                for key in list(tensors):
                    tensors[key] = change(tensors[key])
                save_file(tensors, path)
                _reseal(path.parent, lambda m: None)

            yield Case(f"{name}: {what}", rewrite, _consistent)
    for what, change in HEADERS.items():

        def rehead(folder: Path, change=change) -> None:
            path = _copy(0, folder) / "train.audio.safetensors"
            data = path.read_bytes()
            (size,) = struct.unpack("<Q", data[:8])
            header = change(json.loads(data[8 : 8 + size]))
            text = header if isinstance(header, bytes) else json.dumps(header).encode()
            path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])
            _reseal(path.parent, lambda m: None)

        yield Case(f"header: {what}", rehead, _consistent)
    for what, change in CLIPS.items():

        def reclip(folder: Path, change=change) -> None:
            path = _copy(0, folder) / "clips.csv"
            path.write_bytes(change(path.read_bytes()))
            _reseal(path.parent, lambda m: None)

        yield Case(f"clips.csv: {what}", reclip, _consistent)


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
    "two negative sizes": lambda h: h | {"values": h["values"] | {"shape": [-h["values"]["shape"][0], -25]}},
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
    "rows turned": lambda data: data.split(b"\n")[0] + b"\n" + b"\n".join(data.split(b"\n")[1:][::-1]),
    "huge lengths": lambda data: data.replace(b",train,", b",train,", 1).replace(b"\n", b"0000000000000000000\n"),
    "other columns": lambda data: data.replace(b"video_id", b"video"),
    "an open quote": lambda data: data + b'"',
    "NUL": lambda data: data.replace(b"train", b"tr\0in"),
    "words for labels": lambda data: data.replace(b"0.", b"x."),
}


def _places(value, at: tuple = ()) -> Iterator[tuple]:
    """The path of every value in JSON data."""
    if at:
        yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _places(item, (*at, key))


def _put(data, place: tuple, value) -> None:
    for key in place[:-1]:
        data = data[key]
    data[place[-1]] = value


def _reseal(store: Path, change: Callable[[dict], object]) -> None:
    """Gives a changed store checksums that fit, as far as its manifest still has a place for them."""
    manifest = json.loads((store / "manifest.json").read_text())
    for name, entry in manifest["files"].items():
        data = (store / name).read_bytes()
        entry |= {"size": len(data), "sha256": sha256(data).hexdigest()}
    change(manifest)
    with suppress(TypeError, KeyError, AttributeError):
        manifest["digest"] = content_digest(manifest["files"])
    (store / "manifest.json").write_text(json.dumps(manifest))


def _consistent(folder: Path) -> str:
    """Refused, or a store in which everything fits everything: every clip is read as a batch, twice alike."""
    store = verify_store(folder / "store")
    good = _original()
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
        SplitData(split, builder(RUN.model)(RUN.settings, sizes_of(store)).inputs).batch(torch.arange(len(split)))
    return sandbox.HARMLESS


def hostile_packages(rng: np.random.Generator, count: int) -> Iterator[Case]:
    """Packages with strange facts: sizes of gigabytes, settings that do not exist, weights that do not fit."""
    with_facts = _facts_of(originals(PLACE)[2])
    places = [p for p in _places(with_facts[0]) if p[0] in ("format", "model", "settings", "sizes", "seeds", "data")]
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
        return json.loads(file.metadata()["avmc"]), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def _write_package(path: Path, facts: dict, tensors: dict) -> None:
    facts = {**facts, SEAL: _seal(tensors, facts)}
    save_file(tensors, path, {"avmc": json.dumps(facts)})


def _package_loads(folder: Path) -> str:
    package = read_package(folder / "p")
    good = read_package(originals(PLACE)[2])
    networks = package.networks()
    if networks and set(networks) == set(good.networks()):
        return sandbox.HARMLESS
    raise sandbox.Accepted(f"networks of seeds {list(networks)}")


FAMILIES = {
    "stores, damaged": store_bytes,
    "runs, damaged": run_bytes,
    "model packages, damaged": package_bytes,
    "stores, wrong but sealed": resealed_stores,
    "model packages, wrong but sealed": hostile_packages,
}
