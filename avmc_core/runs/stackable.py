"""Which models' seeds can be trained side by side (``together``), here and on a GPU."""

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
    return torch.cuda.is_available() and stackable_on_gpu(build)


def stackable_on_gpu(build: Callable[[], Model]) -> bool:
    """Whether what ``build`` makes is trained side by side on a GPU, also a single seed; part of a
    run's key. On a machine with a GPU a trial launch decides. On others it is assumed that the
    installed Triton runs; a node where it does not then refuses the run's key."""
    model = _built(build)
    hidden = _hidden(model)
    if not gpu.triton_version() or not _suited(model) or max(hidden, default=0) > launched.LARGEST:
        return False
    if not torch.cuda.is_available():
        return True
    return dropout.launches() and all(map(launched.possible, hidden))


def _built(build: Callable[[], Model]) -> Model:
    with torch.random.fork_rng(devices=[]):
        return build()


def _suited(model: Model) -> bool:
    # seeds share neither the norm of their gradients nor shuffled batches of validation
    settings = model.training_settings
    return model.stackable and settings.clip_norm == 0 and settings.validation != "shuffled_batches"


def _hidden(model: Model) -> set[int]:
    return {module.hidden_size for module in model.modules() if isinstance(module, LSTM)}
