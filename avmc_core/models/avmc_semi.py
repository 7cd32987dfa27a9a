"""AV-MC as the public semi-supervised code runs it (D02): stacked BiLSTMs and consistency of mixed
representations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from avmc_core import schema
from avmc_core.batch import Batch, Inputs
from avmc_core.kernels.dense import Linear
from avmc_core.kernels.dropout import Dropout
from avmc_core.kernels.frames import linear_of_frames
from avmc_core.kernels.lengths import frames_of, frames_of_sets
from avmc_core.mixup import Draw
from avmc_core.models.avmc import AVMC, AVMCSettings, LinearFusion
from avmc_core.models.base import Sizes
from avmc_core.models.bilstm import StackedBiLSTM
from avmc_core.models.layers import Head

if TYPE_CHECKING:
    from transformers import BertModel


class ProjectedBiLSTM(StackedBiLSTM):
    """A linear layer and dropout on each frame before the stacked BiLSTM: (B, T, D) to (B, 4h)."""

    def __init__(self, size: int, hidden: int, dropout: float):
        super().__init__(hidden, hidden)
        self.linear = nn.Linear(size, hidden)
        self.drop = Dropout(dropout)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        rows = frames_of_sets(lengths)
        frames = linear_of_frames(frames_of(x, lengths), self.linear.weight, self.linear.bias, rows)
        return self.over_frames(self.drop(frames, rows), lengths)


class AVMCSemi(AVMC):
    """Inputs: [CLS] of the text, frames of audio and vision."""

    inputs = Inputs(text="cls", audio="frames", vision="frames")

    def __init__(self, settings: AVMCSettings, sizes: Sizes, encoder: BertModel | None = None):
        super().__init__(settings, sizes, encoder)
        s = settings
        self.text_encoder = Linear(sizes.text, s.text_hidden)  # no activation (D06)
        self.audio_encoder = ProjectedBiLSTM(sizes.audio, s.audio_hidden, s.dropout)
        self.vision_encoder = ProjectedBiLSTM(sizes.vision, s.vision_hidden, s.dropout)
        self.heads = nn.ModuleDict(
            {
                "text": Head(s.text_hidden, s.text_post, s.post_dropout),
                "audio": Head(4 * s.audio_hidden, s.audio_post, s.post_dropout),
                "vision": Head(4 * s.vision_hidden, s.vision_post, s.post_dropout),
            }
        )
        # over the heads' first hidden layers
        self.fusion = LinearFusion(
            s.text_post + s.audio_post + s.vision_post, s.fusion_post, s.post_dropout, limit=3.0
        )

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        output = {
            "Feature_t": self.text_encoder(self.text(batch)),
            "Feature_a": self.audio_encoder(batch.audio, batch.audio_lengths),
            "Feature_v": self.vision_encoder(batch.vision, batch.vision_lengths),
        }
        hidden = []
        for task, modality in schema.MODALITY_OF_TASK.items():
            output[task], first, _ = self.heads[modality](output[f"Feature_{modality[0]}"])
            hidden.append(first)
        output["M"], output["Feature_f"] = self.fusion(hidden)
        return output

    def loss(
        self, batch: Batch, stage: str, draws: dict[str, Draw] | None = None
    ) -> dict[str, Tensor]:
        """The losses of Algorithm 1, except that a batch without any labelled clip has no
        consistency loss either (D18)."""
        parts = super().loss(batch, stage, draws)
        some = batch.mask.any(-1)
        return {name: value * some for name, value in parts.items()}
