"""LF_DNN: late fusion by concatenation (Williams et al., Challenge-HML 2018; in CH-SIMS, Yu et al.,
ACL 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from avmc_core.models import fixes, late_fusion
from avmc_core.models.base import Sizes, Training, adam, group
from avmc_core.models.late_fusion import AveragedModel
from avmc_core.models.layers import Head

MENDABLE = late_fusion.MENDABLE


@dataclass(frozen=True)
class LFDNNSettings:
    """The reference's values for this dataset (MMSA, config_regression.json, lf_dnn)."""

    text_hidden: int = 64
    audio_hidden: int = 32
    vision_hidden: int = 64
    text_out: int = 256
    fusion_post: int = 32
    audio_dropout: float = 0.4
    vision_dropout: float = 0.4
    fusion_dropout: float = 0.4
    lr: float = 5e-3  # Adam
    decay: float = 0.0
    mended: tuple[str, ...] = ()
    training: Training = Training(batch_size=128)

    def __post_init__(self):
        fixes.check_with_fixes(self, MENDABLE)


SETTINGS = LFDNNSettings()


class Concatenation(nn.Module):
    """[audio; vision; text] through a head."""

    def __init__(self, settings: Any):
        super().__init__()
        s = settings
        width = s.audio_hidden + s.vision_hidden + s.text_out
        self.head = Head(width, s.fusion_post, s.fusion_dropout)

    def forward(self, audio: Tensor, vision: Tensor, text: Tensor) -> dict[str, Tensor]:
        joined = torch.cat([audio, vision, text], -1)
        return {"M": self.head(joined)[0], "Feature_f": joined}


class LFDNN(AveragedModel):
    """The three encodings beside each other, and a head for M on them."""

    def __init__(self, settings: LFDNNSettings, sizes: Sizes):
        super().__init__(settings, sizes, settings.text_out, Concatenation(settings))

    def optimizers(self) -> list[torch.optim.Optimizer]:
        return [adam(group(self.settings.lr, self.settings.decay, self))]
