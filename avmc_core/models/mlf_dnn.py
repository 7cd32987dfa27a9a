"""MLF_DNN: LF_DNN with a head for each modality (Yu et al., ACL 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from avmc_core.models import fixes, late_fusion
from avmc_core.models.base import Sizes, Training, Weights, adam, group
from avmc_core.models.late_fusion import MultiTaskModel
from avmc_core.models.lf_dnn import Concatenation

MENDABLE = late_fusion.MENDABLE


@dataclass(frozen=True)
class MLFDNNSettings:
    """The reference's values for this dataset (MMSA, config_regression.json, mlf_dnn)."""

    text_hidden: int = 128
    audio_hidden: int = 32
    vision_hidden: int = 128
    text_out: int = 32
    fusion_post: int = 64
    text_post: int = 32
    audio_post: int = 4
    vision_post: int = 64
    audio_dropout: float = 0.2
    vision_dropout: float = 0.2
    text_post_dropout: float = 0.3
    audio_post_dropout: float = 0.3
    vision_post_dropout: float = 0.3
    fusion_dropout: float = 0.3
    weights: Weights = Weights(M=0.8, T=1.0, A=0.6, V=0.8)
    lr: float = 5e-3  # Adam
    decay: float = 1e-4  # all four heads
    decay_text: float = 0.0
    decay_audio: float = 1e-5
    decay_vision: float = 1e-5
    mended: tuple[str, ...] = ()
    training: Training = Training(batch_size=64)

    def __post_init__(self):
        fixes.check_with_fixes(self, MENDABLE)


SETTINGS = MLFDNNSettings()


class MLFDNN(MultiTaskModel):
    """The three encodings beside each other, and a head for each of the four tasks."""

    def __init__(self, settings: MLFDNNSettings, sizes: Sizes):
        super().__init__(settings, sizes, settings.text_out, Concatenation(settings))

    def optimizers(self) -> list[torch.optim.Optimizer]:
        heads = group(self.settings.lr, self.settings.decay, self.heads, self.fusion)
        return [adam(*self.encoder_groups(), heads)]
