"""TFN: the outer product of the three representations, each with a constant one in front."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from avmc_core.models import averaged, mending
from avmc_core.models.averaged import AveragedModel, group
from avmc_core.models.base import Sizes, Training, adam
from avmc_core.models.layers import Head

MENDABLE = (*averaged.MENDABLE, "D26")


@dataclass(frozen=True)
class TFNSettings:
    """MMSA, config_regression.json, section of this dataset, tfn."""

    text_hidden: int = 128
    audio_hidden: int = 32
    vision_hidden: int = 128
    text_out: int = 128
    fusion_post: int = 32
    audio_dropout: float = 0.3
    vision_dropout: float = 0.3
    fusion_dropout: float = 0.5
    rate: float = 2e-3  # Adam, without weight decay
    mended: tuple[str, ...] = ()
    training: Training = Training(batch_size=128)

    def __post_init__(self):
        mending.check(self, MENDABLE)


SETTINGS = TFNSettings()


class TensorFusion(nn.Module):
    """z with z[i, j, k] = [1; audio]_i [1; vision]_j [1; text]_k, flattened, through a head.

    ``squash``: M goes through a sigmoid onto (-3, 3), although labels lie in [-1, 1] (D26); the reference's behaviour.
    """

    def __init__(self, audio: int, vision: int, text: int, hidden: int, dropout: float, squash: bool):
        super().__init__()
        self.squash = squash
        self.head = Head((audio + 1) * (vision + 1) * (text + 1), hidden, dropout)

    def forward(self, audio: Tensor, vision: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        a, v, t = (with_one(x) for x in (audio, vision, text))
        product = (a[:, :, None] * v[:, None, :]).flatten(1)  # (B, (a + 1)(v + 1))
        product = (product[:, :, None] * t[:, None, :]).flatten(1)  # (B, (a + 1)(v + 1)(t + 1))
        prediction = self.head(product)[0]
        return 6 * torch.sigmoid(prediction) - 3 if self.squash else prediction, product


def with_one(x: Tensor) -> Tensor:
    """[1; x]: (B, D) to (B, D + 1)."""
    return torch.cat([torch.ones_like(x[:, :1]), x], -1)


class TFN(AveragedModel):
    """Mendable besides: D26, M is not squashed."""

    def __init__(self, settings: TFNSettings, sizes: Sizes):
        s = settings
        widths = s.audio_hidden, s.vision_hidden, s.text_out
        fusion = TensorFusion(*widths, s.fusion_post, s.fusion_dropout, "D26" not in s.mended)
        super().__init__(s, sizes, s.text_out, fusion)

    def optimizers(self) -> list[torch.optim.Optimizer]:
        return [adam(group(self.settings.rate, 0.0, self))]
