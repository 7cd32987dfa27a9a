"""Making a model package of finished runs, and its model card."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch

from avmc_core import schema, settings
from avmc_core.data.metric_conventions import ALL, of_limit
from avmc_core.data.splits import PUBLISHED
from avmc_core.data.store import Store
from avmc_core.errors import InputError, counted
from avmc_core.files.atomic import new_file
from avmc_core.files.sealed import read_sealed, write_sealed
from avmc_core.metrics import format_metric
from avmc_core.models import registry
from avmc_core.models.base import Sizes
from avmc_core.runs.packages import FORMAT, Package
from avmc_core.runs.scores import scores
from avmc_core.runs.store import WEIGHTS, Record, RunStore

CARD = ("Acc2", "F1", "Corr", "MAE")  # metrics that a model card shows
LICENCES = (
    "Code of this companion: MIT.",
    "Acoustic features come from openSMILE, which is licensed for research and non-commercial use.",
    "Visual features come from OpenFace (academic use), or from a landmark model trained on "
    "data for non-commercial use.",
)
WEIGHTS_FROM = {  # whether the training data were simulated
    True: "Weights: made from data that this companion's code generates; no clip of CH-SIMS v2.0 "
    "is behind them.",
    False: "Weights: made from the training data named above; CH-SIMS v2.0 is under its authors' "
    "conditions.",
}


def collect(key: str, runs: RunStore, store: Store) -> Package:
    """The package of a finished run, named by its key or the key's beginning, and of its other
    seeds.

    ``store`` is what the run was trained on. Raises InputError for an unknown or ambiguous key,
    another store, a run without weights, a model that does not predict M or that has a text encoder
    of its own (without which its weights are useless), and a run with a protocol other than the
    published one.
    """
    records = [record for record in runs if record.key.startswith(key)]
    if len(records) != 1:
        raise InputError(
            runs.root,
            f"{len(records)} runs whose key begins with {key!r}, and no package of that name",
            "one run, as avmc status lists them, or the file that avmc export wrote",
        )
    (chosen,) = records
    if chosen.data["digest"] != store.digest:
        digest = f"digest {store.digest[:12]}"
        right = f"the store that it was trained on, of digest {chosen.data['digest'][:12]}"
        raise InputError(
            store.path,
            f"{digest}, not the data of run {chosen.key[:12]}",
            "a simulated corpus of this version" if chosen.simulated else f"{right}: give --store",
        )
    if chosen.status != "done" or not (chosen.folder / WEIGHTS).exists():
        raise InputError(chosen.folder, "no weights", "a finished run of a model that is trained")
    able = registry.capabilities(chosen.model, registry.settings_of(chosen.model, chosen.settings))
    if able.text_encoder:
        encoder = f"text = {chosen.settings['text']!r}: a text encoder inside the model"
        raise InputError(chosen.model, encoder, "one that reads frozen text features")
    if "M" not in (tasks := chosen.predictions("test")):
        raise InputError(
            chosen.model, f"predictions of {', '.join(tasks)}", "a model that predicts M"
        )
    published = settings.as_dict(PUBLISHED)
    if other := {
        name: value for name, value in chosen.data["protocol"].items() if value != published[name]
    }:
        difference = "a run with " + ", ".join(
            f"{name} = {value!r}" for name, value in other.items()
        )
        raise InputError(
            chosen.model,
            difference,
            "one on all clips of the published splits, with the released features",
        )
    ensemble = sorted(
        (record for record in runs if _siblings(chosen, record)), key=lambda record: record.seed
    )
    sizes = read_sealed(chosen.folder / WEIGHTS)[1]["sizes"]
    facts = {
        "format": FORMAT,
        "model": chosen.model,
        "settings": chosen.settings,
        "sizes": sizes,
        "seeds": [record.seed for record in ensemble],
        "data": {
            **chosen.data,
            "trained_on": _trained_on(chosen, Sizes(**sizes), store),
            "approximation": store.manifest["source"]
            .get("extraction", {})
            .get("approximation", ""),
        },
        "code": chosen.code,
        "environment": chosen.environment,
        "scores": {
            str(record.seed): {name: scores(record, store, name) for name in schema.SPLITS}
            for record in ensemble
        },
        "licences": (*LICENCES, WEIGHTS_FROM[store.simulated]),
    }
    weights = {record.seed: read_sealed(record.folder / WEIGHTS)[0] for record in ensemble}
    return Package(facts, weights, _statistics(store))


def _trained_on(record: Record, sizes: Sizes, store: Store) -> dict[str, int]:
    """How many labelled and unlabelled clips a model is trained on, by the splits that it passes
    through."""
    with torch.device("meta"):
        model = registry.builder(record.model)(
            registry.settings_of(record.model, record.settings), sizes
        )
    mixed = schema.TRAIN_MIX in {single.split for single in model.passes(1)}
    return {
        "labelled": len(store.split("train")),
        "unlabelled": len(store.split(schema.UNLABELLED)) if mixed else 0,
    }


def _siblings(a: Record, b: Record) -> bool:
    """Whether two runs differ only in their seeds and in the time and memory that they took."""

    def same(record: Record) -> tuple:
        where = {name: value for name, value in record.environment.items() if name != "peak_bytes"}
        return record.model, record.settings, record.data, where, record.code["digest"]

    return b.status == "done" and same(a) == same(b)


def _statistics(store: Store) -> dict[str, np.ndarray]:
    train = store.split("train")
    means = {name: getattr(train, name).mean() for name in schema.MODALITIES}
    statistics = {
        name: np.stack([mean.mean(axis=0), mean.std(axis=0)]) for name, mean in means.items()
    }
    return statistics | {"first": train.text.first().mean(axis=0)}


def write_package(package: Package, path: str | Path) -> Path:
    """Writes a package, atomically and sealed. The model card is among the facts too, under
    ``card``.

    Raises InputError when something other than a package is at ``path``.
    """
    path = Path(path)
    if os.path.lexists(path) and not _is_package(path):
        raise InputError(
            path,
            "something other than a model package",
            "a new file, or a package, which is replaced",
        )
    tensors = {f"statistics.{name}": array for name, array in package.statistics.items()}
    for seed, weights in package.weights.items():
        tensors |= {f"seed.{seed}.{name}": array for name, array in weights.items()}
    with new_file(path) as temporary:
        write_sealed(temporary, tensors, {**package.facts, "card": model_card(package)})
    return path


def _is_package(path: Path) -> bool:
    try:
        return {"format", "model", "seeds", "card"} <= read_sealed(path)[1].keys()
    except InputError:
        return False


def model_card(package: Package) -> str:
    """The model card of a package, as Markdown."""
    facts, data = package.facts, package.facts["data"]
    kind = (
        "the simulated corpus, not CH-SIMS"
        if package.simulated
        else "imported or extracted features"
    )
    speech = (
        "no speech of any person"
        if package.simulated
        else "what a few annotators thought of recorded clips"
    )
    clips = " and ".join(f"{count} {what}" for what, count in data["trained_on"].items() if count)
    limit = package.sizes.limit
    clip = "a Mandarin clip" if limit == min(schema.LIMITS) else "a clip"
    shown = CARD if limit == min(schema.LIMITS) else tuple(of_limit(limit).metrics)
    lines = [
        f"# {facts['model']}",
        "",
        f"Predicts the sentiment of {clip}, from {-limit:g} to {limit:g}. "
        f"Ensemble of {counted(len(facts['seeds']), 'seed')} "
        f"({', '.join(map(str, facts['seeds']))}).",
        "",
        f"- Trained on {kind}: {clips} clips, digest {data['digest'][:12]}",
        *(
            [f"- Started from the weights of another package, SHA-256 {data['init'][:12]}"]
            if data["init"]
            else []
        ),
        *([f"- {data['approximation']}"] if data["approximation"] else []),
        f"- Code: version {facts['code']['version']}, commit "
        f"{facts['code']['commit'] or 'unknown'}",
        f"- Settings: digest {settings.digest(facts['settings'])[:12]}, listed in the file's "
        "metadata",
        "",
        f"| seed | split | {' | '.join(shown)} |",
        f"| --- | --- |{' --- |' * len(shown)}",
    ]
    for seed, splits in facts["scores"].items():
        for split in ("valid", "test"):
            cells = " | ".join(format_metric(name, splits[split]["M"][name], ALL) for name in shown)
            lines.append(f"| {seed} | {split} | {cells} |")
    lines += [
        "",
        f"Not for decisions about people: trained on {speech}, and no check of fairness was made.",
        "",
        *(f"- {line}" for line in facts["licences"]),
    ]
    return "\n".join(lines) + "\n"
