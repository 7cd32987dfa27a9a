"""Model packages: the trained networks of all seeds of a run in one safetensors file, with
everything needed to use them.

Besides the weights a package holds settings, sizes, the statistics of the training features (means
and standard deviations, no clip), metrics, where everything came from, licence notes, and a model
card made from these.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avmc_core import schema
from avmc_core.errors import InputError
from avmc_core.files.sealed import read_sealed
from avmc_core.models import registry
from avmc_core.models.base import Model, Sizes

FORMAT = 3  # 2: learning rates were called "rate"
EXPECTED = "a model package of avmc export"
SUFFIX = ".avmc.safetensors"


@dataclass(frozen=True)
class Package:
    """An ensemble: one network per seed."""

    facts: dict[str, Any]  # model, settings, sizes, seeds, data, code, environment, scores
    weights: dict[int, dict[str, np.ndarray]]  # by seed
    # per modality (2, D): mean and standard deviation of the training clips' means; "first" (D,):
    # the mean first state of the text
    statistics: dict[str, np.ndarray]

    @property
    def simulated(self) -> bool:
        return self.facts["data"]["kind"] == "simulated"

    @property
    def sizes(self) -> Sizes:
        return Sizes(**self.facts["sizes"])

    def networks(self) -> dict[int, Model]:
        """Seed to network, in evaluation mode. Raises InputError when the weights do not fit the
        settings."""
        name = self.facts["model"]
        networks = {}
        for seed, weights in self.weights.items():
            try:
                # nothing is allocated for settings that the weights do not bear out
                with torch.device("meta"):
                    shapes = {
                        key: tensor.shape for key, tensor in self._build().state_dict().items()
                    }
                if shapes != {key: tensor.shape for key, tensor in weights.items()}:
                    raise ValueError("tensors of other names or shapes")
                network = self._build()
                network.load_state_dict(
                    {key: torch.from_numpy(tensor.copy()) for key, tensor in weights.items()}
                )
            except (RuntimeError, TypeError, ValueError, OverflowError) as error:
                raise InputError(
                    f"weights of seed {seed}", str(error)[:200], f"those of {name}"
                ) from None
            networks[seed] = network.eval()
        return networks

    def _build(self) -> Model:
        name = self.facts["model"]
        return registry.builder(name)(
            registry.settings_of(name, self.facts["settings"]), self.sizes
        )


def read_package(path: str | Path) -> Package:
    """The model package in the file ``path``. Raises InputError for a file that is not a package of
    this format, or is damaged."""
    tensors, facts = read_sealed(Path(path), EXPECTED)
    try:
        facts.pop("card", None)
        if facts["format"] != FORMAT:
            raise ValueError(f"format {facts['format']}")
        statistics = {
            n.removeprefix("statistics."): t
            for n, t in tensors.items()
            if n.startswith("statistics.")
        }
        weights = {
            seed: {
                n.removeprefix(f"seed.{seed}."): t
                for n, t in tensors.items()
                if n.startswith(f"seed.{seed}.")
            }
            for seed in facts["seeds"]
        }
        if set(statistics) != {*schema.MODALITIES, "first"}:
            raise ValueError(f"statistics of {', '.join(statistics) or 'nothing'}")
        package = Package(facts, weights, statistics)
        registry.settings_of(facts["model"], facts["settings"])
        _ = package.sizes, package.simulated
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(path, f"{type(error).__name__}: {error}", EXPECTED) from None
    return package
