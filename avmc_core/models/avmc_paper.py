"""AV-MC as the paper prints it: Equations 5 to 14, at the released sizes (D31)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from avmc_core import schema
from avmc_core.batch import Batch, Inputs
from avmc_core.kernels.dense import BatchNorm, chain
from avmc_core.kernels.dropout import Dropout
from avmc_core.kernels.lengths import frames_of
from avmc_core.kernels.lstm import LSTM
from avmc_core.models.avmc import AVMC, AVMCSettings
from avmc_core.models.base import Sizes

if TYPE_CHECKING:
    from transformers import BertModel


class BiLSTMEncoder(nn.Module):
    """S_k of Equation 5 for audio and vision: two stacked BiLSTMs, then one feed-forward layer: (B,
    T, D) to (B, h).

    The paper does not say how the outputs become one vector: the second layer's final states of
    both directions (D51).
    """

    def __init__(self, size: int, hidden: int, dropout: float):
        super().__init__()
        self.rnn_1 = LSTM(size, hidden, bidirectional=True)
        self.rnn_2 = LSTM(2 * hidden, hidden, bidirectional=True)
        self.drop = Dropout(dropout)
        self.linear = nn.Linear(2 * hidden, hidden)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        # (F, 2h), padding left out
        outputs, _ = self.rnn_1.over_frames(frames_of(x, lengths), lengths)
        _, final = self.rnn_2.over_frames(outputs, lengths)  # (B, 2h)
        return chain(final, [self.linear], [True], self.drop)[0]


class TextEncoder(nn.Module):
    """S_t of Equation 5: one feed-forward layer with its activation on [CLS] (Equation 6): (B, D)
    to (B, h)."""

    def __init__(self, size: int, hidden: int, dropout: float):
        super().__init__()
        self.drop = Dropout(dropout)
        self.linear = nn.Linear(size, hidden)

    def forward(self, x: Tensor) -> Tensor:
        return chain(x, [self.linear], [True], self.drop)[0]


class Classifier(nn.Module):
    """Clf_k of Equation 8: batch norm and three feed-forward layers, the last one linear (D30): (B,
    h) to (B,).

    The released heads have no batch norm (D03)."""

    def __init__(self, size: int, hidden: int, dropout: float):
        super().__init__()
        self.norm = BatchNorm(size)
        self.drop = Dropout(dropout)
        self.layer_1 = nn.Linear(size, hidden)
        self.layer_2 = nn.Linear(hidden, hidden)
        self.layer_3 = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        layers = [self.layer_1, self.layer_2, self.layer_3]
        return chain(self.norm(x), layers, [True, True, False], self.drop)[-1].squeeze(-1)

    predict = forward

    def hidden(self, x: Tensor) -> Tensor:
        """The first hidden layer: (B, h) to (B, hidden)."""
        return chain(self.norm(x), [self.layer_1], [True], self.drop)[0]

    def from_hidden(self, first: Tensor) -> Tensor:
        """The prediction (B,) from the first hidden layer (B, hidden)."""
        return chain(first, [self.layer_2, self.layer_3], [True, False])[-1].squeeze(-1)


class AVMCPaper(AVMC):
    """AV-MC with Equations 5 to 8 as printed. Inputs: [CLS] of the text (B, D), frames of audio and
    vision (B, T, D)."""

    inputs = Inputs(text="cls", audio="frames", vision="frames")

    def __init__(self, settings: AVMCSettings, sizes: Sizes, encoder: BertModel | None = None):
        super().__init__(settings, sizes, encoder)
        s = settings
        self.text_encoder = TextEncoder(sizes.text, s.text_hidden, s.dropout)
        self.audio_encoder = BiLSTMEncoder(sizes.audio, s.audio_hidden, s.dropout)
        self.vision_encoder = BiLSTMEncoder(sizes.vision, s.vision_hidden, s.dropout)
        self.heads = nn.ModuleDict(
            {
                "text": Classifier(s.text_hidden, s.text_post, s.post_dropout),
                "audio": Classifier(s.audio_hidden, s.audio_post, s.post_dropout),
                "vision": Classifier(s.vision_hidden, s.vision_post, s.post_dropout),
                "fusion": Classifier(
                    s.text_hidden + s.audio_hidden + s.vision_hidden, s.fusion_post, s.post_dropout
                ),
            }
        )

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        output = {
            "Feature_t": self.text_encoder(self.text(batch)),
            "Feature_a": self.audio_encoder(batch.audio, batch.audio_lengths),
            "Feature_v": self.vision_encoder(batch.vision, batch.vision_lengths),
        }
        # Equation 7
        output["Feature_f"] = torch.cat([output[f"Feature_{m[0]}"] for m in schema.MODALITIES], -1)
        for task, modality in schema.MODALITY_OF_TASK.items():
            output[task] = self.heads[modality](output[f"Feature_{modality[0]}"])
        output["M"] = self.heads["fusion"](output["Feature_f"])
        return output
