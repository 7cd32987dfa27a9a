"""Runs and the store that keeps them: nothing is computed twice, nothing half-written counts.

A run's key is a digest of everything that its result depends on: model, settings, seed, data, the
weights that it starts from (a text encoder's, a model package's), device and thread count, the
source of the modules that it imports and the versions of the libraries that compute. A finished run
is a folder named by its key: ``record.json``, ``predictions.safetensors`` (per clip, every split)
and, for trained models, ``model.safetensors`` with the settings inside, all sealed: a damaged one
is an error. Work in progress lives under ``.work`` and moves in one rename.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, flock
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from avmc_core.data.splits import PUBLISHED, SplitProtocol
from avmc_core.errors import InputError
from avmc_core.files.atomic import give_usual_mode, new_file, sync
from avmc_core.files.sealed import SEAL, read_sealed
from avmc_core.models import registry
from avmc_core.runs.execution import encoder_identity, together_on_gpu
from avmc_core.runs.surroundings import surroundings
from avmc_core.settings import as_dict, digest, file_digest

if TYPE_CHECKING:
    from avmc_core.data.store import Store
    from avmc_core.models.base import Capabilities

# the files of a finished run
FILES = RECORD, PREDICTIONS, WEIGHTS = (
    "record.json",
    "predictions.safetensors",
    "model.safetensors",
)


@dataclass(frozen=True)
class Run:
    """One model, its settings and a seed; ``changes`` are relative to the model's published
    settings."""

    model: str
    seed: int
    changes: tuple[tuple[str, Any], ...] = ()
    label: str = ""  # how tables name it, where that differs from the model
    protocol: SplitProtocol = PUBLISHED
    init: str = ""  # a model package whose weights it starts from; "" for fresh ones

    def __post_init__(self):
        object.__setattr__(self, "changes", tuple(sorted(dict(self.changes).items())))

    @property
    def name(self) -> str:
        return self.label or self.model

    @property
    def settings(self) -> Any:
        """The complete settings. Raises InputError for an unknown model or setting."""
        return registry.settings_of(self.model, dict(self.changes))

    @property
    def capabilities(self) -> Capabilities:
        """What the model needs with these settings."""
        return registry.capabilities(self.model, self.settings)

    @property
    def modules(self) -> list[str]:
        """The modules of ours that compute it."""
        return [
            "avmc_core.runs.execution",
            registry.entry(self.model).module,
            *(["avmc_core.runs.warm_start"] if self.init else []),
        ]

    def key(self, store: Store, device: str = "cpu", threads: int = 1) -> str:
        """SHA-256 (hex, 32 digits) of all that the result depends on."""
        settings = self.settings
        depends = {
            "model": self.model,
            "settings": as_dict(settings),
            "seed": self.seed,
            "protocol": as_dict(self.protocol),
            "encoder": encoder_identity(self.capabilities, store),
            **surroundings(self.modules, store, device, threads),
        }
        if device == "cuda":
            build = registry.builder(self.model)
            depends["gpu"]["together"] = together_on_gpu(build, settings, store)
        if self.init:
            depends["init"] = package_digest(self.init)
        return digest(depends)[:32]


@dataclass(frozen=True)
class Record:
    """A finished run, whose predictions lie in its ``folder``; ``status`` is "done" or "failed"
    with a ``reason``. Its scores follow from the predictions: ``scores.scores``."""

    key: str
    model: str
    seed: int
    settings: dict
    # digest, kind ("real" or "simulated"), protocol; init and encoder: digests of what it started
    # from, or ""
    data: dict
    code: dict  # package version, commit, digest of the modules
    environment: dict
    status: str
    reason: str
    epochs: int
    best_epoch: int
    seconds: float
    parameters: int
    history: list
    folder: Path = dataclasses.field(default=Path(), compare=False)

    @property
    def simulated(self) -> bool:
        return self.data["kind"] == "simulated"

    def predictions(self, split: str) -> dict[str, np.ndarray]:
        """Predictions (N,) in label units by task, in the order of the clips of the split. Raises
        InputError when the run failed, has no such split, or its file is damaged."""
        path = self.folder / PREDICTIONS
        if self.status != "done":
            raise InputError(
                self.folder,
                "no predictions",
                f"a run that is done, not {self.status} ({self.reason})",
            )
        stored = read_sealed(path)[0]
        by_task = {n.split(".")[1]: p for n, p in stored.items() if n.split(".")[0] == split}
        if not by_task:
            names = sorted({n.split(".")[0] for n in stored})
            raise InputError(path, f"no split {split!r}", f"one of {', '.join(names)}")
        return by_task


class RunStore:
    """Finished runs under ``root``, shared by any number of processes."""

    def __init__(self, root: str | Path):
        self.root = Path(root)

    def get(self, key: str) -> Record | None:
        """The finished run with this key, or None. Raises InputError for a record that is damaged
        or belongs to another run."""
        record = _read(self.root / key / RECORD)
        if record is not None and record.key != key:
            raise InputError(record.folder, f"the record of run {record.key}", f"that of {key}")
        return record

    def __iter__(self) -> Iterator[Record]:
        for path in sorted(self.root.glob(f"*/{RECORD}")):
            if (record := self.get(path.parent.name)) is not None:
                yield record

    def begun(self, key: str) -> bool:
        """Whether a run that is not finished has saved progress, from which it would go on."""
        folder = self.root / ".work" / key
        return folder.is_dir() and any(folder.iterdir())

    @contextmanager
    def claim(self, key: str) -> Iterator[Path | None]:
        """The working folder of a run, held by this process alone; None if another process holds
        it.

        What an interrupted process left in the folder is still there.
        """
        work = self.root / ".work"
        work.mkdir(parents=True, exist_ok=True)
        with open(work / f"{key}.lock", "w") as lock:
            try:
                flock(lock, LOCK_EX | LOCK_NB)
            except BlockingIOError:
                yield None
                return
            try:
                folder = work / key
                folder.mkdir(exist_ok=True)
                yield folder
            finally:
                flock(lock, LOCK_UN)

    def publish(self, folder: Path, record: Record) -> Record:
        """Writes the record into a claimed working folder, which marks the run as finished, and
        moves the folder to its place."""
        fields = {name: value for name, value in vars(record).items() if name != "folder"}
        for path in folder.glob("*.safetensors"):
            give_usual_mode(path)
            sync(path)
        with new_file(folder / RECORD) as temporary:
            text = json.dumps({**fields, SEAL: digest(fields)}, indent=1, sort_keys=True)
            temporary.write_text(text, encoding="utf-8")
        return self.recover(folder)

    def recover(self, folder: Path) -> Record | None:
        """The run in a claimed working folder if it is finished, moved to its place; else None."""
        record = _read(folder / RECORD)
        if record is None:
            return None
        for path in folder.iterdir():
            if path.name not in FILES:  # what the trainer would have gone on from
                path.unlink()
        target = self.root / record.key
        if target.exists():  # without its record, or it would have been found
            shutil.rmtree(target)
        os.replace(folder, target)
        sync(self.root)
        return self.get(record.key)


def _read(path: Path) -> Record | None:
    """A record; None if there is none, or one of the versions before seals. Scores that an earlier
    version kept in it are passed over. Raises InputError for a damaged one."""
    try:
        if not path.is_file():
            return None
        fields = json.loads(path.read_text(encoding="utf-8"))
        if (seal := fields.pop(SEAL, None)) is None:
            return None
        if seal != digest(fields):
            raise ValueError("its content is not what its seal says")
        fields.pop("scores", None)
        return Record(**fields, folder=path.parent)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        expected = "a record.json as it was written; without its folder the run is computed again"
        raise InputError(path, f"an unreadable record: {error}", expected) from error


def package_digest(package: str | Path) -> str:
    """SHA-256 (hex) of a package's file: part of the key of every run that starts from it. Raises
    InputError if there is none."""
    try:
        return file_digest(Path(package))
    except OSError as error:
        raise InputError(
            package,
            f"a file that cannot be read ({error.strerror})",
            "a model package of avmc export",
        ) from error
