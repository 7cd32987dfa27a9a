"""Which models can be trained side by side with other seeds (``together``), here and on a GPU."""

from __future__ import annotations

from collections.abc import Callable

import torch

from avmc_core.kernels import compiled, dropout, gpu, launched
from avmc_core.kernels.lstm import LSTM
from avmc_core.models.base import Model


def stackable(build: Callable[[], Model], device: str = "cpu") -> bool:
    """Whether what ``build`` makes can be trained side by side with other seeds here: on a CPU by
    the compiled layers, with the same bytes as alone; on a GPU by what Triton launches."""
    if device == "cpu":
        return compiled.kernels() is not None and _suited(_built(build))
    return (
        torch.cuda.is_available()
        and stackable_on_gpu(build)
        and dropout.launches()
        and all(launched.possible(hidden) for hidden in _hidden(_built(build)))
    )


def stackable_on_gpu(build: Callable[[], Model]) -> bool:
    """Whether what ``build`` makes is trained side by side on a GPU, also a single seed, as far as
    a machine without one can tell; part of a run's key. Where Triton is installed and yet does not
    run, seeds are trained one by one under this key, and a warning says so."""
    model = _built(build)
    return (
        bool(gpu.triton_version())
        and _suited(model)
        and all(hidden <= launched.LARGEST for hidden in _hidden(model))
    )


def _built(build: Callable[[], Model]) -> Model:
    with torch.random.fork_rng(devices=[]):
        return build()


def _suited(model: Model) -> bool:
    # seeds share neither the norm of their gradients nor shuffled batches of validation
    settings = model.training_settings
    return model.stackable and settings.clip_norm == 0 and settings.validation != "shuffled_batches"


def _hidden(model: Model) -> set[int]:
    return {module.hidden_size for module in model.modules() if isinstance(module, LSTM)}
