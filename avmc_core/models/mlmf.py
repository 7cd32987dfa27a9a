"""MLMF: LMF with a head for each modality (Yu et al., ACL 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from avmc_core.models import fixes, late_fusion
from avmc_core.models.base import Sizes, Training, Weights, adam, group
from avmc_core.models.late_fusion import MultiTaskModel
from avmc_core.models.lmf import LowRankFusion

MENDABLE = (*late_fusion.MENDABLE, "D23")


@dataclass(frozen=True)
class MLMFSettings:
    """The reference's values for this dataset (MMSA, config_regression.json, mlmf). Its fusion
    dropout is never applied (D37)."""

    text_hidden: int = 64
    audio_hidden: int = 16
    vision_hidden: int = 64
    rank: int = 6
    text_post: int = 16
    audio_post: int = 5
    vision_post: int = 16
    audio_dropout: float = 0.3
    vision_dropout: float = 0.3
    text_post_dropout: float = 0.4
    audio_post_dropout: float = 0.4
    vision_post_dropout: float = 0.4
    weights: Weights = Weights(M=0.4, T=0.0, A=0.4, V=1.0)  # T: D36
    lr: float = 5e-3  # Adam
    lr_factors: float = 5e-4
    decay: float = 1e-3  # heads and factors
    decay_text: float = 0.0
    decay_audio: float = 1e-5
    decay_vision: float = 1e-5
    mended: tuple[str, ...] = ()
    training: Training = Training(batch_size=64)

    def __post_init__(self):
        fixes.check_with_fixes(self, MENDABLE)


SETTINGS = MLMFSettings()


class MLMF(MultiTaskModel):
    """As run, the fusion's w and b have learning rate 0 and keep their random start. Also mendable:
    D23, they are trained."""

    def __init__(self, settings: MLMFSettings, sizes: Sizes):
        s, text_out = settings, settings.text_hidden // 2
        fusion = LowRankFusion(s.audio_hidden, s.vision_hidden, text_out, s.rank)
        super().__init__(s, sizes, text_out, fusion)

    def optimizers(self) -> list[torch.optim.Optimizer]:
        s = self.settings
        heads = [self.heads, *([self.fusion.combine] if "D23" in s.mended else [])]
        factors = group(s.lr_factors, s.decay, self.fusion.factors)
        return [adam(*self.encoder_groups(), group(s.lr, s.decay, *heads), factors)]
