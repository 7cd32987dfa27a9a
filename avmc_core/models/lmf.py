"""LMF: TFN's outer product times a weight tensor of low rank, without ever forming either
(Liu et al., ACL 2018)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from avmc_core.kernels.dense import Linear, affine
from avmc_core.models import fixes, late_fusion
from avmc_core.models.base import Sizes, Training, adam, group
from avmc_core.models.late_fusion import AveragedModel

MENDABLE = (*late_fusion.MENDABLE, "D23")


@dataclass(frozen=True)
class LMFSettings:
    """The reference's values for this dataset (MMSA, config_regression.json, lmf). Its fusion
    dropout is never applied (D37)."""

    text_hidden: int = 64
    audio_hidden: int = 32
    vision_hidden: int = 64
    rank: int = 4
    audio_dropout: float = 0.3
    vision_dropout: float = 0.3
    lr: float = 2e-3  # Adam
    lr_factors: float = 5e-4
    decay: float = 1e-4
    mended: tuple[str, ...] = ()
    training: Training = Training(batch_size=32)

    def __post_init__(self):
        fixes.check_with_fixes(self, MENDABLE)


SETTINGS = LMFSettings()


class LowRankFusion(nn.Module):
    """q_i = (W_a[i] . [1; audio]) (W_v[i] . [1; vision]) (W_t[i] . [1; text]) for i below ``rank``;
    M = w . q + b; Feature_f = q.

    ``factors`` are the W, each (rank, width + 1); ``combine`` holds w and b.
    """

    def __init__(self, audio: int, vision: int, text: int, rank: int):
        super().__init__()
        widths = {"audio": audio, "vision": vision, "text": text}
        self.factors = nn.ParameterDict(
            {name: torch.empty(rank, width + 1) for name, width in widths.items()}
        )
        self.combine = Linear(rank, 1)
        for weight in (*self.factors.values(), self.combine.weight):
            nn.init.xavier_normal_(weight)
        nn.init.zeros_(self.combine.bias)

    def forward(self, audio: Tensor, vision: Tensor, text: Tensor) -> dict[str, Tensor]:
        first, second, third = (
            # the first column is that of the constant one
            affine(x, self.factors[name][..., 1:], self.factors[name][..., 0])
            for name, x in (("audio", audio), ("vision", vision), ("text", text))
        )
        products = first * second * third
        return {"M": self.combine(products).squeeze(-1), "Feature_f": products}


class LMF(AveragedModel):
    """As run, the fusion's w and b are in no optimiser and keep their random start. Also mendable:
    D23, they are trained."""

    def __init__(self, settings: LMFSettings, sizes: Sizes):
        s, text_out = settings, settings.text_hidden // 2
        fusion = LowRankFusion(s.audio_hidden, s.vision_hidden, text_out, s.rank)
        super().__init__(s, sizes, text_out, fusion)

    def optimizers(self) -> list[torch.optim.Optimizer]:
        s = self.settings
        trained = [self.text_encoder, self.audio_encoder, self.vision_encoder]
        if "D23" in s.mended:
            trained.append(self.fusion.combine)
        return [
            adam(group(s.lr_factors, s.decay, self.fusion.factors), group(s.lr, s.decay, *trained))
        ]
