"""A search over settings that chooses on the validation split and cannot see the test split (D12).

The search is given a store without a test split: any request for it is an error. The search leaves
the record of a finished search, and only such a record gives access to test scores
(``runs_of_trials``). A trial depends on its rank alone, so a search that was killed and started
again ends like one that was not. Two processes do not share one search: the second waits for the
first and has its result.
"""

from __future__ import annotations

import dataclasses
import json
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from tqdm import tqdm

from avmc_core import schema
from avmc_core.data.store import Store
from avmc_core.errors import InputError
from avmc_core.files.atomic import new_file
from avmc_core.home import home
from avmc_core.models import registry
from avmc_core.models.base import Capabilities
from avmc_core.runs.execution import (
    StoreData,
    deterministic,
    encoder_for,
    encoder_identity,
    network,
)
from avmc_core.runs.store import Run
from avmc_core.runs.surroundings import surroundings
from avmc_core.runs.training import TrainingFailed, predict, train
from avmc_core.settings import digest

LEARNING_RATES = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3)
DROPOUTS = (0.0, 0.1, 0.2, 0.3, 0.4)
WEIGHTS = (0.2, 0.4, 0.6, 0.8, 1.0)
AVMC_SPACE: dict[str, tuple[Any, ...]] = {
    "lr": LEARNING_RATES,
    "lr_audio": LEARNING_RATES,
    "lr_vision": LEARNING_RATES,
    "dropout": DROPOUTS,
    "post_dropout": DROPOUTS,
    **{f"weights.{task}": WEIGHTS for task in schema.TASKS},
}
# trials, seeds
SIZE: dict[str, tuple[int, tuple[int, ...]]] = {
    "ci": (8, (1111, 1112)),
    "full": (50, (1111, 1112, 1113)),
}
SPACES: dict[str, dict[str, tuple[Any, ...]]] = {"AV-MC": AVMC_SPACE, "AV-MC(Semi)": AVMC_SPACE}


@dataclass(frozen=True)
class Search:
    """A random search, as in the released tuning mode: ``trials`` draws from ``space``, each
    trained with every seed."""

    model: str
    space: tuple[tuple[str, tuple[Any, ...]], ...]
    trials: int = 50
    seeds: tuple[int, ...] = (1111, 1112, 1113)
    changes: tuple[tuple[str, Any], ...] = ()  # of every trial

    def key(self, store: Store) -> str:
        """Digest of all that the outcome depends on."""
        encoders = {encoder_identity(able, store) for able in self.capabilities()}
        modules = ["avmc_core.runs.tuning", registry.entry(self.model).module]
        here = surroundings(modules, store, "cpu", 1, ("optuna",))
        return digest([dataclasses.asdict(self), sorted(encoders), here])[:32]

    def capabilities(self) -> list[Capabilities]:
        """Those of the model with the settings of every trial, and with each value of the space."""
        tried = [{name: value} for name, values in self.space for value in values]
        return [
            registry.capabilities(self.model, registry.settings_of(self.model, changes))
            for changes in (dict(self.changes), *tried)
        ]


@dataclass(frozen=True)
class TuningResult:
    """A finished search. ``trials``: changes and validation MAE of each, in order; ``data``: digest
    of the store."""

    model: str
    changes: dict[str, Any]
    seeds: list[int]
    data: str
    trials: list[dict[str, Any]]

    @property
    def chosen(self) -> int:
        """The trial with the lowest validation MAE, the first of several."""
        return int(np.argmin([trial["validation"] for trial in self.trials]))


def without_test(store: Store) -> Store:
    """The store as a search may see it: ``split("test")`` raises InputError."""
    return dataclasses.replace(
        store, splits={name: s for name, s in store.splits.items() if name != "test"}
    )


def search(
    plan: Search, store: Store, root: Path | None = None, progress_bar: bool = False
) -> TuningResult:
    """Run, or continue, a search; its journal and its ``selection.json`` stay under ``root``
    (default: home/tuning).

    Raises InputError for a setting or value that the model does not have.
    """
    folder = (root or home() / "tuning") / plan.key(store)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        flock(lock, LOCK_EX)
        if (folder / "selection.json").exists():
            return read_tuning_result(folder / "selection.json")
        return _search(plan, store, folder, progress_bar)


def _search(plan: Search, store: Store, folder: Path, progress_bar: bool) -> TuningResult:
    """``search`` by the only process in ``folder``."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    study = optuna.create_study(storage=storage, study_name="search", load_if_exists=True)
    for left in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(left.number, state=TrialState.FAIL)  # killed on the way
    if any(able.text_encoder for able in plan.capabilities()):
        encoder_for(store)  # a damaged one is named before the first trial
    data = StoreData(without_test(store))
    space = {
        name: optuna.distributions.CategoricalDistribution(choices) for name, choices in plan.space
    }
    bar = tqdm(total=plan.trials, unit="trial", disable=not progress_bar)
    while (done := len(finished := study.get_trials(states=(TrialState.COMPLETE,)))) < plan.trials:
        bar.update(done - bar.n)
        study.sampler = optuna.samplers.RandomSampler(seed=done)
        trial = study.ask(space)
        changes = {**dict(plan.changes), **trial.params}
        study.tell(
            trial,
            float(np.mean([_validation(plan.model, changes, seed, data) for seed in plan.seeds])),
        )
    bar.close()
    trials = [{"changes": trial.params, "validation": trial.value} for trial in finished]
    if not any(math.isfinite(trial["validation"]) for trial in trials):
        raise InputError(
            f"search of {plan.model}", "no trial that could be trained", "a space with one that can"
        )
    result = TuningResult(plan.model, dict(plan.changes), list(plan.seeds), store.digest, trials)
    with new_file(folder / "selection.json") as temporary:
        temporary.write_text(json.dumps(dataclasses.asdict(result), indent=1), encoding="utf-8")
    return result


def read_tuning_result(path: str | Path) -> TuningResult:
    """The record of a finished search. Raises InputError for anything else, in particular for an
    unfinished search."""
    try:
        return TuningResult(**json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            path, f"{type(error).__name__}: {error}", "the record of a finished search"
        ) from error


def runs_of_trials(result: TuningResult, store: Store, *, every: bool = False) -> list[Run]:
    """The chosen settings as runs, which are scored on test like any other; with ``every``, those
    of all trials.

    Raises InputError for a search that was made on other data.
    """
    if result.data != store.digest:
        raise InputError(
            "search", f"made on data {result.data[:12]}", f"{store.digest[:12]}, the store at hand"
        )
    numbers = range(len(result.trials)) if every else [result.chosen]
    return [
        Run(
            result.model,
            seed,
            tuple((result.changes | result.trials[k]["changes"]).items()),
            f"trial {k}",
        )
        for k in numbers
        for seed in result.seeds
    ]


def _validation(model: str, changes: Mapping[str, Any], seed: int, data: StoreData) -> float:
    """Validation MAE of M after training with one seed; infinite when training fails."""
    build = network(registry.builder(model), registry.settings_of(model, changes), data.store)
    with tempfile.TemporaryDirectory() as folder, deterministic(1):
        try:
            trained, _ = train(build, data, seed, Path(folder))
        except TrainingFailed:
            return math.inf
        predictions = predict(trained, data("valid", trained.inputs))
    if "M" not in predictions:
        raise InputError(
            model, f"predictions of {', '.join(predictions)}", "M: trials are compared by its MAE"
        )
    # MAE as ``metrics`` has it, written out: a search must not be made again for every new metric
    label = data.split("valid").labels[:, schema.TASKS.index("M")].astype(np.float64)
    prediction = predictions["M"].astype(np.float64)
    if data.store.limit == min(schema.LIMITS):  # values to 3 are not cut (``metric_conventions``)
        prediction, label = np.clip(prediction, -1, 1), np.clip(label, -1, 1)
    return float(np.abs(prediction - label).mean())
