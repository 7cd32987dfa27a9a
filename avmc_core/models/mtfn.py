"""MTFN: TFN with a head for each modality (Yu et al., ACL 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from avmc_core.models import fixes, late_fusion
from avmc_core.models.base import Sizes, Training, Weights, adam, group
from avmc_core.models.late_fusion import MultiTaskModel
from avmc_core.models.tfn import TensorFusion

MENDABLE = (*late_fusion.MENDABLE, "D26")


@dataclass(frozen=True)
class MTFNSettings:
    """The reference's values for this dataset (MMSA, config_regression.json, mtfn). Its
    ``weight_decay`` of 0.01 for the heads is configured but never handed to the optimiser (D27);
    therefore there is no field of that name."""

    text_hidden: int = 64
    audio_hidden: int = 16
    vision_hidden: int = 64
    text_out: int = 32
    fusion_post: int = 64
    text_post: int = 16
    audio_post: int = 5
    vision_post: int = 64
    audio_dropout: float = 0.3
    vision_dropout: float = 0.3
    text_post_dropout: float = 0.5
    audio_post_dropout: float = 0.5
    vision_post_dropout: float = 0.5
    fusion_dropout: float = 0.5
    weights: Weights = Weights(M=1.0, T=0.4, A=0.4, V=0.8)
    lr: float = 5e-4  # Adam
    decay_text: float = 1e-5
    decay_audio: float = 1e-4
    decay_vision: float = 1e-4
    mended: tuple[str, ...] = ()
    training: Training = Training(batch_size=32)

    def __post_init__(self):
        fixes.check_with_fixes(self, MENDABLE)


SETTINGS = MTFNSettings()


class MTFN(MultiTaskModel):
    """Also mendable: D26, M is not squashed (T, A and V never are)."""

    def __init__(self, settings: MTFNSettings, sizes: Sizes):
        super().__init__(settings, sizes, settings.text_out, TensorFusion(settings))

    @property
    def stackable(self) -> bool:
        """Not tried: a step is large, so that seeds would have little overhead to share."""
        return False

    def optimizers(self) -> list[torch.optim.Optimizer]:
        heads = group(self.settings.lr, 0.0, self.heads, self.fusion)
        return [adam(*self.encoder_groups(), heads)]
