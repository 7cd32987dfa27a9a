"""AV-MC as the public supervised code runs it (D01): averaged frames, input-level mixup, mixed
labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from avmc_core import schema
from avmc_core.batch import Batch, Inputs
from avmc_core.errors import InputError
from avmc_core.kernels.dense import Linear
from avmc_core.mixup import Draw
from avmc_core.models.avmc import AVMC, AVMCSettings, LinearFusion, constant
from avmc_core.models.base import Sizes
from avmc_core.models.layers import AveragedEncoder, Head

if TYPE_CHECKING:
    from transformers import BertModel


class AVMCSupervised(AVMC):
    """Inputs: [CLS] of the text, audio and vision averaged over their valid frames."""

    inputs = Inputs(text="cls", audio="mean", vision="mean")

    def __init__(self, settings: AVMCSettings, sizes: Sizes, encoder: BertModel | None = None):
        super().__init__(settings, sizes, encoder)
        s = settings
        if s.mixup.level != "representation":
            raise InputError(
                "MixupSettings.level",
                repr(s.mixup.level),
                "the default: the released network mixes inputs",
            )
        self.text_encoder = Linear(sizes.text, s.text_hidden)  # no activation (D06)
        self.audio_encoder = AveragedEncoder(sizes.audio, s.audio_hidden, s.dropout)
        self.vision_encoder = AveragedEncoder(sizes.vision, s.vision_hidden, s.dropout)
        self.heads = nn.ModuleDict(
            {
                "text": Head(s.text_hidden, s.text_post, s.post_dropout),
                "audio": Head(s.audio_hidden, s.audio_post, s.post_dropout),
                "vision": Head(s.vision_hidden, s.vision_post, s.post_dropout),
            }
        )
        # over the heads' second hidden layers
        self.fusion = LinearFusion(
            s.text_post + s.audio_post + s.vision_post,
            s.fusion_post,
            s.post_dropout,
            sizes.limit,  # 1 in the reference, the largest label of CH-SIMS
        )

    @property
    def recordable(self) -> bool:
        return self.stackable

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        return self._predict(self.text_encoder(self.text(batch)), batch.audio, batch.vision)

    def _predict(self, text: Tensor, audio: Tensor, vision: Tensor) -> dict[str, Tensor]:
        """From the encoded text and the other inputs, (B, D) each, or as many passes over the
        batch, (P, B, D)."""
        encoded = {
            "text": text,
            "audio": self.audio_encoder(audio),
            "vision": self.vision_encoder(vision),
        }
        output, hidden = {}, []
        for task, modality in schema.MODALITY_OF_TASK.items():
            output[task], _, second = self.heads[modality](encoded[modality])
            output[f"Feature_{modality[0]}"] = second
            hidden.append(second)
        output["M"], output["Feature_f"] = self.fusion(hidden)
        return output

    def loss(
        self, batch: Batch, stage: str, draws: dict[str, Draw] | None = None
    ) -> dict[str, Tensor]:
        """Regression, and again with one modality's inputs mixed, all four task weights each time
        (D09).

        M and the mixed modality's task are compared with both clips' labels, the two errors
        weighted by lambda and 1 - lambda: for an absolute error that is not the error against the
        mixed label of Equation 3 (D52). The passes go through the network as one, each with its own
        batch statistics and dropout.
        """
        mixed = self.mixed_modalities
        draws = draws or self.draws(batch.mask.shape[-1], batch.mask.device)
        inputs = {
            name: torch.stack(
                [x, *(draws[other].mix(x) if other == name else x for other in mixed)], -3
            )
            for name, x in (("audio", batch.audio), ("vision", batch.vision))
        }
        output = self._predict(self._text(batch, 1 + len(mixed)), **inputs)
        passes = [
            {task: output[task].select(-2, number) for task in self.task_weights}
            for number in range(1 + len(mixed))
        ]
        parts = {"regression": self.regression(passes[0], batch.labels, batch.mask)}
        for (modality, (task, _)), predictions in zip(mixed.items(), passes[1:], strict=True):
            draw = draws[modality]
            columns = tuple(t in ("M", task) for t in schema.TASKS)
            compared = constant(columns, torch.bool, batch.labels.device)
            partners = torch.where(compared, draw.partners(batch.labels), batch.labels)
            parts[f"mix_{modality}"] = self.regression(
                predictions, batch.labels, batch.mask, draw.lam
            ) + self.regression(predictions, partners, batch.mask, 1 - draw.lam)
        return {"total": sum(parts.values()), **parts}

    def _text(self, batch: Batch, passes: int) -> Tensor:
        """The encoded text of each pass, (P, B, h): the same, unless the text encoder drops out
        (D16)."""
        if self.text.draws:
            return torch.stack([self.text_encoder(self.text(batch)) for _ in range(passes)], -3)
        encoded = self.text_encoder(batch.text)
        return torch.stack([encoded] * passes, -3)
