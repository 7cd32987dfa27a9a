"""AV-MC as the public semi-supervised code runs it (D02): stacked BiLSTMs and consistency of mixed representations."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from avmc_core import schema
from avmc_core.batches import Batch, Inputs
from avmc_core.mixup import Draw
from avmc_core.models.avmc import AVMC, AVMCSettings, squash
from avmc_core.models.base import Sizes
from avmc_core.models.layers import Head
from avmc_core.recurrent import LSTM, frames_of


class StackedBiLSTM(nn.Module):
    """Linear, dropout, BiLSTM, layer norm, BiLSTM: (B, T, D) to the final states of both layers and directions (B, 4h)."""

    def __init__(self, size: int, hidden: int, dropout: float):
        super().__init__()
        self.linear = nn.Linear(size, hidden)
        self.drop = nn.Dropout(dropout)
        self.rnn_1 = LSTM(hidden, hidden, bidirectional=True)
        self.norm = nn.LayerNorm(2 * hidden)
        self.rnn_2 = LSTM(2 * hidden, hidden, bidirectional=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        frames = frames_of(x, lengths)  # (F, D), padding left out
        outputs, first = self.rnn_1.over_frames(self.drop(self.linear(frames)), lengths)  # (F, 2h), (B, 2h)
        _, second = self.rnn_2.over_frames(self.norm(outputs), lengths)
        # forward states of both layers, then backward ones
        return torch.stack((first, second), 1).unflatten(2, (2, -1)).transpose(1, 2).flatten(1)


class AVMCSemi(AVMC):
    """Inputs: [CLS] of the text, frames of audio and vision."""

    inputs = Inputs(text="cls", audio="frames", vision="frames")

    def __init__(self, settings: AVMCSettings, sizes: Sizes):
        super().__init__(settings)
        s = settings
        self.text_encoder = nn.Linear(sizes.text, s.text_hidden)  # no activation (D06)
        self.audio_encoder = StackedBiLSTM(sizes.audio, s.audio_hidden, s.dropout)
        self.vision_encoder = StackedBiLSTM(sizes.vision, s.vision_hidden, s.dropout)
        self.heads = nn.ModuleDict(
            {
                "text": Head(s.text_hidden, s.text_post, s.post_dropout),
                "audio": Head(4 * s.audio_hidden, s.audio_post, s.post_dropout),
                "vision": Head(4 * s.vision_hidden, s.vision_post, s.post_dropout),
            }
        )
        # D04: three linear layers without a nonlinearity between, on the heads' first hidden layers
        self.fusion_drop = nn.Dropout(s.post_dropout)
        self.fusion_1 = nn.Linear(s.text_post + s.audio_post + s.vision_post, s.fusion_post)
        self.fusion_2 = nn.Linear(s.fusion_post, s.fusion_post)
        self.fusion_3 = nn.Linear(s.fusion_post, 1)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        output = {
            "Feature_t": self.text_encoder(batch.text),
            "Feature_a": self.audio_encoder(batch.audio, batch.audio_lengths),
            "Feature_v": self.vision_encoder(batch.vision, batch.vision_lengths),
        }
        hidden = []
        for task, modality in schema.MODALITY_OF_TASK.items():
            output[task], first, _ = self.heads[modality](output[f"Feature_{modality[0]}"])
            hidden.append(first)
        fused = self.fusion_2(self.fusion_1(self.fusion_drop(torch.cat(hidden, -1))))
        output["M"] = squash(self.fusion_3(fused).squeeze(-1), 3.0)  # D05
        output["Feature_f"] = fused
        return output

    def loss(self, batch: Batch, stage: str, draws: dict[str, Draw] | None = None) -> dict[str, Tensor]:
        """As in Algorithm 1, but a batch without any labelled clip loses its consistency loss as well (D18)."""
        parts = super().loss(batch, stage, draws)
        return parts if batch.mask.any() else {name: value * 0.0 for name, value in parts.items()}
