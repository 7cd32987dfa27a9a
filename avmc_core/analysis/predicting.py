"""Predictions of finished runs on new clips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from avmc_core import schema
from avmc_core.batch import Inputs
from avmc_core.data.batches import SplitData
from avmc_core.data.store import Split, Store
from avmc_core.errors import InputError
from avmc_core.models import registry
from avmc_core.runs.execution import deterministic, sizes_of
from avmc_core.runs.grid import trained
from avmc_core.runs.kept import kept
from avmc_core.runs.store import Record, Run
from avmc_core.runs.surroundings import default_device
from avmc_core.runs.training import predict


def predictions_of(
    records: Mapping[Run, Record], store: Store, clips: Split, device: str | None = None
) -> dict[str, dict[str, np.ndarray]]:
    """Predictions by name and task: (R, N) for the R finished runs of that name and the N
    ``clips``. ``store`` is what they were trained on.

    Networks are loaded; models that are fitted are fitted again, which takes no time. Raises
    InputError for clips whose features do not fit the store's.
    """
    _check(store, clips)
    device = device or default_device()
    views: dict[tuple[Inputs, Any], SplitData] = {}
    by_name: dict[str, dict[str, list[np.ndarray]]] = {}
    for run, record in records.items():
        if record.status != "done":
            continue
        build = registry.builder(run.model)
        with deterministic(1, device):
            if not run.capabilities.trained:
                splits = {
                    "train": store.split("train"),
                    "valid": store.split("valid"),
                    "asked": clips,
                }
                predictions = build(run.settings, sizes_of(store)).fit_predict(splits)["asked"]
            else:
                model = trained(run, record, store).to(device)
                seed = run.seed if run.protocol.seeded else 0
                view = model.inputs, (run.protocol, seed) if run.protocol.standardised else None
                if view not in views:
                    seen = run.protocol.seen(clips, store, seed)
                    views[view] = SplitData(seen, model.inputs)
                predictions = predict(model, views[view], device)
        for task, values in predictions.items():
            by_name.setdefault(run.name, {}).setdefault(task, []).append(values)
    return {
        name: {task: np.stack(runs) for task, runs in predictions.items()}
        for name, predictions in by_name.items()
    }


def kept_predictions(
    records: Mapping[Run, Record], store: Store, clips: Split
) -> dict[str, dict[str, np.ndarray]]:
    """``predictions_of``, computed once for these runs and these clips, which are known by their
    ids: clips of ``store``, or clips made from them."""
    done = {run: record for run, record in records.items() if record.status == "done"}
    names = list(dict.fromkeys(run.name for run in done))
    depends = {
        "runs": [(names.index(run.name), record.key) for run, record in done.items()],
        "data": store.digest,
        "clips": clips.clips["id"].tolist(),
    }
    arrays = kept(
        "predictions",
        [__name__],
        depends,
        lambda: {
            f"{names.index(name)}.{task}": values
            for name, predictions in predictions_of(done, store, clips).items()
            for task, values in predictions.items()
        },
    )
    by_name: dict[str, dict[str, np.ndarray]] = {name: {} for name in names}
    for key, values in arrays.items():
        number, task = key.split(".")
        by_name[names[int(number)]][task] = values
    return by_name


def _check(store: Store, clips: Split) -> None:
    """Checks the feature widths, and the caps to which some models pad."""
    for name in schema.MODALITIES:
        ours, theirs = (getattr(split, name) for split in (clips, store.split("train")))
        sizes = [(ragged.steps, ragged.parts[0][0].shape[1]) for ragged in (ours, theirs)]
        if sizes[0] != sizes[1]:
            size, expected = (
                f"at most {steps} steps of {width} features" for steps, width in sizes
            )
            raise InputError(
                f"{name} of {clips.name}",
                size,
                f"{expected}, those of the store that was trained on",
            )
