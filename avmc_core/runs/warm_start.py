"""Training that starts from the weights of a model package, to fine-tune a trained model on the
user's own data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from avmc_core.errors import InputError
from avmc_core.models import registry
from avmc_core.runs.execution import network
from avmc_core.runs.packages import read_package

if TYPE_CHECKING:
    from avmc_core.data.store import Store
    from avmc_core.runs.store import Run


def model_of(package: str | Path) -> str:
    """The model that a package holds. Raises InputError for a file that is not a package."""
    return read_package(package).facts["model"]


def started(build: Callable[..., nn.Module], run: Run) -> Callable[..., nn.Module]:
    """``build`` with the weights of ``run.init`` put into what it builds: those of the run's own
    seed, else of the package's first.

    Building raises InputError when the weights are another model's, or do not fit its settings or
    the data's sizes.
    """
    package = read_package(run.init)
    if package.facts["model"] != run.model:
        raise InputError(run.init, f"weights of {package.facts['model']}", f"those of {run.model}")
    weights = package.weights.get(run.seed) or package.weights[package.facts["seeds"][0]]

    def built(*arguments) -> nn.Module:
        model = build(*arguments)
        wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
        given = {name: tensor.shape for name, tensor in weights.items()}
        if name := next(
            (n for n in sorted({*wanted, *given}) if wanted.get(n) != given.get(n)), None
        ):
            mismatch = (
                f"{name} {given.get(name, 'missing')}, trained on sizes {package.facts['sizes']}"
            )
            raise InputError(
                run.init,
                mismatch,
                f"{wanted.get(name, 'no such weights')}, as {run.name} has on this store",
            )
        if not next(model.parameters()).is_meta:
            model.load_state_dict(
                {name: torch.from_numpy(tensor.copy()) for name, tensor in weights.items()}
            )
        return model

    built.capabilities = build.capabilities
    return built


def check_warm_start(run: Run, store: Store) -> None:
    """Raises InputError, before anything is trained, when the package does not fit the run on this
    store."""
    build = started(registry.builder(run.model), run)
    with torch.device("meta"):
        network(build, run.settings, run.protocol.of(store, run.seed))()
