"""TFN: the outer product of the three representations, each with a constant one in front
(Zadeh et al., EMNLP 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from avmc_core.kernels.dropout import Dropout
from avmc_core.kernels.outer import outer_linear
from avmc_core.models import fixes, late_fusion
from avmc_core.models.base import Sizes, Training, adam, group
from avmc_core.models.late_fusion import AveragedModel

MENDABLE = (*late_fusion.MENDABLE, "D26")


@dataclass(frozen=True)
class TFNSettings:
    """The reference's values for this dataset (MMSA, config_regression.json, tfn)."""

    text_hidden: int = 128
    audio_hidden: int = 32
    vision_hidden: int = 128
    text_out: int = 128
    fusion_post: int = 32
    audio_dropout: float = 0.3
    vision_dropout: float = 0.3
    fusion_dropout: float = 0.5
    lr: float = 2e-3  # Adam, without weight decay
    mended: tuple[str, ...] = ()
    training: Training = Training(batch_size=128)

    def __post_init__(self):
        fixes.check_with_fixes(self, MENDABLE)


SETTINGS = TFNSettings()


class TensorFusion(nn.Module):
    """z with z[i, j, k] = [1; audio]_i [1; vision]_j [1; text]_k, flattened, through dropout and a
    three-layer MLP to M.

    z has half a million entries per clip at the published sizes: the first layer takes it in
    portions (``kernels.outer``), and z itself is formed and returned as Feature_f only when
    ``keep_product`` is set. ``squash``: M goes through a sigmoid onto (-3, 3), although labels
    lie in [-1, 1] (D26), as in the reference.
    """

    def __init__(self, settings: Any):
        super().__init__()
        s, hidden = settings, settings.fusion_post
        self.squash, self.keep_product = "D26" not in s.mended, False
        self.drop = Dropout(s.fusion_dropout)
        size = (s.audio_hidden + 1) * (s.vision_hidden + 1) * (s.text_out + 1)
        self.layer_1 = nn.Linear(size, hidden)
        self.layer_2 = nn.Linear(hidden, hidden)
        self.layer_3 = nn.Linear(hidden, 1)

    def forward(self, audio: Tensor, vision: Tensor, text: Tensor) -> dict[str, Tensor]:
        a, v, t = (with_one(x) for x in (audio, vision, text))
        pairs = (v[:, :, None] * t[:, None, :]).flatten(1)  # (B, (v + 1)(t + 1))
        first = outer_linear(a, pairs, self.layer_1.weight, self.drop.p if self.training else 0.0)
        output = {
            "M": self.layer_3(relu(self.layer_2(relu(first + self.layer_1.bias)))).squeeze(-1)
        }
        if self.squash:
            output["M"] = 6 * torch.sigmoid(output["M"]) - 3
        if self.keep_product:
            # (B, (a + 1)(v + 1)(t + 1))
            output["Feature_f"] = (a[:, :, None] * pairs[:, None, :]).flatten(1)
        return output


def with_one(x: Tensor) -> Tensor:
    """[1; x]: (B, D) to (B, D + 1)."""
    return torch.cat([torch.ones_like(x[:, :1]), x], -1)


class TFN(AveragedModel):
    """Also mendable: D26, M is not squashed."""

    def __init__(self, settings: TFNSettings, sizes: Sizes):
        super().__init__(settings, sizes, settings.text_out, TensorFusion(settings))

    @property
    def stackable(self) -> bool:
        """Not tried: a step is large, so that seeds would have little overhead to share."""
        return False

    def optimizers(self) -> list[torch.optim.Optimizer]:
        return [adam(group(self.settings.lr, 0.0, self))]
