"""The unimodal LSTM on a speech network's layers, whose weights are learned with it.

For features that hold the states of every layer in each step, layer after layer, as ``avmc extract
--wav2vec-layers`` keeps them. The paper names wav2vec 2.0 in Table 3 and not how its layers became
one; a softmax over learned numbers is the usual way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from avmc_core.batch import Batch
from avmc_core.errors import InputError
from avmc_core.models.base import Sizes
from avmc_core.models.unimodal_lstm import UnimodalLSTM, UnimodalLSTMSettings
from avmc_core.settings import check_settings


@dataclass(frozen=True)
class LayeredLSTMSettings(UnimodalLSTMSettings):
    """The settings of the unimodal LSTM, for sound; ``layers`` L: how many states a step holds."""

    modality: str = "audio"
    layers: int = 1

    def __post_init__(self):
        super().__post_init__()
        check_settings(self, modality=("audio",))


SETTINGS = LayeredLSTMSettings()


class LayeredLSTM(UnimodalLSTM):
    """A weighted mean of the layers, then what the unimodal LSTM does. All layers begin with the
    same weight, and weight decay draws them back there. Raises InputError when the features do not
    divide into so many layers."""

    def __init__(self, settings: LayeredLSTMSettings, sizes: Sizes):
        if sizes.audio % settings.layers:
            width = f"{sizes.audio} acoustic columns"
            raise InputError(
                "LayeredLSTMSettings.layers", width, f"a multiple of {settings.layers}"
            )
        super().__init__(settings, replace(sizes, audio=sizes.audio // settings.layers))
        self.layers = nn.Parameter(torch.zeros(settings.layers))

    @property
    def stackable(self) -> bool:
        """Not written for several sets of the layers' weights."""
        return False

    @property
    def weights(self) -> Tensor:
        """(L,) of the layers, the input of the first one included; their sum is 1."""
        return self.layers.softmax(dim=0)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """As the unimodal LSTM's, from acoustic steps (B, T, L * D)."""
        states = batch.audio.unflatten(-1, (len(self.layers), -1))  # (B, T, L, D)
        return super().forward(
            replace(batch, audio=torch.einsum("btld,l->btd", states, self.weights))
        )
