"""Lists what the run store holds, which declared experiments use it, and what is no longer used."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import TYPE_CHECKING

from avmc_core.errors import InputError
from avmc_core.files.atomic import sync
from avmc_core.models.base import Training
from avmc_core.models.registry import MODELS, settings_of
from avmc_core.runs.declaration import PROFILE_CHANGES
from avmc_core.runs.experiments import EXPERIMENTS
from avmc_core.runs.store import Record, Run, RunStore
from avmc_core.settings import as_dict, digest

if TYPE_CHECKING:
    from avmc_core.data.store import Store

# model, digests of settings and protocol, to the declared rows: experiment, profile, run
Declared = Mapping[tuple[str, str, str], tuple[tuple[str, str, Run], ...]]

REMOVED = "removed-"  # what a removal that was interrupted leaves in the folder of unfinished work


@dataclass(frozen=True)
class Use:
    """How a finished run relates to the declared experiments.

    ``rows``: "experiment: row (profile)" for each row with the run's model, settings and protocol.
    ``current``: True when such a row would read this very record today, False when its data, code
    or libraries have changed since, None where that cannot be told, because the store that it was
    trained on is not available.
    """

    rows: tuple[str, ...]
    current: bool | None


@dataclass(frozen=True)
class Leftover:
    """Something under the home folder that nothing uses: its path, its size in bytes, and why it
    may be removed."""

    path: Path
    size: int
    why: str


def uses(records: Sequence[Record], stores: Sequence[Store]) -> dict[str, Use]:
    """Key of each record to the declared rows that it belongs to, on any of ``stores``."""
    declared = _declared()
    return {record.key: _use(record, stores, declared) for record in records}


def _use(record: Record, stores: Sequence[Store], declared: Declared) -> Use:
    rows = declared.get(
        (record.model, digest(record.settings), digest(record.data["protocol"])), ()
    )
    names = tuple(
        dict.fromkeys(f"{experiment}: {run.name} ({profile})" for experiment, profile, run in rows)
    )
    at_hand = [store for store in stores if store.digest == record.data["digest"]]
    if not rows or not at_hand or record.data.get("init"):
        return Use(names, None)
    device, threads = record.environment["device"], record.environment["threads"]
    run = rows[0][2]
    again = Run(run.model, record.seed, run.changes, run.label, run.protocol)
    return Use(names, again.key(at_hand[0], device, threads) == record.key)


def leftovers(
    home: Path, stores: Sequence[Store], kept: frozenset[str] = frozenset()
) -> list[Leftover]:
    """What ``remove`` may take from ``home``, the largest first.

    That is: runs of a model that is no longer registered; runs on one of ``stores``, or on a
    simulated corpus of another version, that no declared row would read today; records that are
    damaged; work that was interrupted and that no process holds; simulated corpora of other
    versions.

    Never: a run that a declared experiment or a finished search uses, with any seed; one whose key
    starts with a member of ``kept`` (the keys that results name); one on an imported store that is
    not among ``stores``; one that started from a model package.
    """
    runs, searched, declared = RunStore(home / "runs"), _searched(home), _declared()
    unused = [*_unfinished(runs), *_old_corpora(home, stores)]
    for folder in sorted(
        path for path in runs.root.glob("*") if path.is_dir() and path.name != ".work"
    ):
        if not any(folder.name.startswith(start) for start in kept) and (
            why := _why(folder, runs, stores, searched, declared)
        ):
            unused.append(Leftover(folder, _size(folder), why))
    return sorted(unused, key=lambda item: (-item.size, item.path))


def remove(leftover: Leftover, home: Path) -> bool:
    """Removes a leftover; returns False if a process holds it. A kill in between leaves all of it
    or another leftover, never half a run.

    Raises InputError for a place that is not inside ``home``.
    """
    path = leftover.path
    if home.resolve() not in path.resolve().parents or path.is_symlink():
        raise InputError(
            path, "a place outside the home folder, or a link", f"a file or folder under {home}"
        )
    work = home / "runs" / ".work"
    with _held(work, path.name.removesuffix(".lock")) as free:
        if not free:
            return False
        away = path
        if path.parent != work:
            away = work / f"{REMOVED}{path.name}"
            if away.exists():
                shutil.rmtree(away)
            os.replace(path, away)
            sync(work)
        shutil.rmtree(away) if away.is_dir() else away.unlink(missing_ok=True)
    return True


def differing(records: Sequence[Record]) -> dict[str, dict[str, object]]:
    """Key of a run to those of its settings, dotted, that differ from the published ones of its
    model; of a model that is not registered here, whose published ones nobody knows, all but those
    of the training that are every model's."""
    changes_of = {}
    for record in records:
        known = record.model in MODELS
        every = {"training": as_dict(Training())}
        published = as_dict(settings_of(record.model)) if known else every
        changes_of[record.key] = _changes(_flat(record.settings), _flat(published))
    return changes_of


def _changes(own: Mapping[str, object], published: Mapping[str, object]) -> dict[str, object]:
    """The settings that differ. One that is not given is NaN, which does not equal itself."""

    def same(one: object, other: object) -> bool:
        return one == other or (one != one and other != other)

    return {name: value for name, value in own.items() if not same(value, published.get(name))}


def _searched(home: Path) -> set[tuple[str, str]]:
    """Model and digest of the settings of every trial of a finished search."""
    trials = set()
    for path in sorted((home / "tuning").glob("*/selection.json")):
        with suppress(OSError, ValueError, TypeError, KeyError):
            kept = json.loads(path.read_text(encoding="utf-8"))
            model, shared = kept["model"], kept["changes"]
            for trial in kept["trials"]:
                with suppress(ValueError):  # settings that this version does not know
                    changes = {**shared, **trial["changes"]}
                    trials.add((model, digest(as_dict(settings_of(model, changes)))))
    return trials


def named_runs(home: Path) -> frozenset[str]:
    """The first digits of the keys of all runs that the results of notebooks rest on."""
    keys: set[str] = set()
    for path in sorted((home / "results").glob("*.json")):
        with suppress(OSError, ValueError, AttributeError, KeyError, TypeError):
            keys.update(json.loads(path.read_text(encoding="utf-8"))["provenance"].get("keys", {}))
    return frozenset(keys)


def _flat(settings: Mapping[str, object], before: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in settings.items():
        flat |= (
            _flat(value, f"{before}{name}.")
            if isinstance(value, Mapping)
            else {f"{before}{name}": value}
        )
    return flat


def _declared() -> Declared:
    declared: dict[tuple[str, str, str], tuple[tuple[str, str, Run], ...]] = {}
    for name, experiment in EXPERIMENTS.items():
        for profile in PROFILE_CHANGES:
            for row in experiment.rows:
                run = Run(row.model, 0, row.changes_at(profile), row.name, row.protocol)
                key = (run.model, digest(as_dict(run.settings)), digest(as_dict(run.protocol)))
                declared[key] = (*declared.get(key, ()), (name, profile, run))
    return declared


def _why(
    folder: Path,
    runs: RunStore,
    stores: Sequence[Store],
    searched: set[tuple[str, str]],
    declared: Declared,
) -> str:
    """Why the run in ``folder`` may be removed; "" if it may not."""
    try:
        record = runs.get(folder.name)
    except InputError as error:
        return f"damaged record: {error.found}"
    if record is None:
        return "no record that this version reads"
    if record.model not in MODELS:
        return f"model {record.model!r} is not registered"
    if record.data.get("init"):
        return ""
    at_hand = record.data["digest"] in {store.digest for store in stores}
    if not at_hand:
        return "made on a simulated corpus of another version" if record.simulated else ""
    use = _use(record, stores, declared)
    if use.current or (record.model, digest(record.settings)) in searched:
        return ""
    return (
        "made by other code or libraries"
        if use.rows
        else "no declared experiment has these settings"
    )


def _unfinished(runs: RunStore) -> Iterator[Leftover]:
    work = runs.root / ".work"
    for folder in sorted(path for path in work.glob("*") if path.is_dir()):
        with _held(work, folder.name) as free:
            if free:
                removal = folder.name.startswith(REMOVED)
                why = (
                    "an interrupted removal"
                    if removal
                    else "interrupted work, which avmc run would go on with"
                )
                yield Leftover(folder, _size(folder), why)


def _old_corpora(home: Path, stores: Sequence[Store]) -> Iterator[Leftover]:
    present = {store.path.resolve() for store in stores}
    for folder in sorted(home.glob("corpus-*")):
        if folder.is_dir() and folder.resolve() not in present:
            yield Leftover(
                folder, _size(folder), "a simulated corpus that no page of this version reads"
            )


class _held:
    """Locks a run, as ``RunStore.claim`` does; the value is True if the lock was free."""

    def __init__(self, work: Path, key: str):
        work.mkdir(parents=True, exist_ok=True)
        self.path = work / f"{key}.lock"

    def __enter__(self) -> bool:
        self.file = open(self.path, "w")
        try:
            flock(self.file, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def __exit__(self, *_) -> None:
        self.file.close()


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
