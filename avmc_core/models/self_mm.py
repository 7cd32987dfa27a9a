"""Self_MM: unimodal tasks whose labels the model generates from the multimodal ones (Yu et al.,
AAAI 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from avmc_core import schema
from avmc_core.batch import Batch, Inputs
from avmc_core.kernels.lstm import LSTM
from avmc_core.models import fixes
from avmc_core.models.base import Model, Sizes, Training, adam, group
from avmc_core.models.bert_text import Text, capabilities
from avmc_core.models.layers import Head

if TYPE_CHECKING:
    from transformers import BertModel

MENDABLE = ("D35",)  # generated labels stay within [-1, 1], as the annotated ones do
# what a label is generated from, and its task
SOURCES = {"fusion": "M", "text": "T", "audio": "A", "vision": "V"}


@dataclass(frozen=True)
class SelfMMSettings:
    """The reference's values for this dataset (MMSA, config_regression.json, self_mm, simsv2)."""

    text: str = "finetune"  # or "frozen": the stored states
    audio_hidden: int = 16
    vision_hidden: int = 64
    audio_out: int = 16
    vision_out: int = 32
    audio_dropout: float = 0.0  # after the LSTM
    vision_dropout: float = 0.0
    fusion_post: int = 128  # width of each head's hidden layers
    text_post: int = 64
    audio_post: int = 32
    vision_post: int = 32
    fusion_post_dropout: float = 0.0
    text_post_dropout: float = 0.0
    audio_post_dropout: float = 0.1
    vision_post_dropout: float = 0.0
    exclude_zero: bool = True  # clips labelled 0 are not among the positive ones of a centre
    label_bound: float = 3.0  # H: generated labels are clamped to [-H, H]; 1 where D35 is mended
    lr: float = 1e-3  # Adam; heads
    lr_audio: float = 1e-3
    lr_vision: float = 1e-3
    lr_bert: float = 5e-5
    decay: float = 1e-3
    decay_audio: float = 0.0
    decay_vision: float = 0.0
    decay_bert: float = 0.01  # not on biases and layer norms
    mended: tuple[str, ...] = ()
    training: Training = Training(batch_size=16, accumulate=4, drop_partial_group=True)

    def __post_init__(self):
        fixes.check_with_fixes(self, MENDABLE)


SETTINGS = SelfMMSettings()


class LSTMEncoder(nn.Module):
    """LSTM, dropout and a linear map of its final state: (B, T, D) to (B, out)."""

    def __init__(self, size: int, hidden: int, out: int, dropout: float):
        super().__init__()
        self.rnn = LSTM(size, hidden)
        self.drop = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden, out)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        return self.linear(self.drop(self.rnn(x, lengths)[1]))


class GeneratedLabels(nn.Module):
    """One label for each training clip (N) and source, in buffers, so that a checkpoint carries
    them.

    ``labels`` (4, N) in the order of ``SOURCES``; NaN until the clip is first seen, in the first
    epoch. The fusion's stay the annotated ones. Beside them, for each source, the clips' latest
    features (N, D) and their mean over the clips with a positive and over those with a negative
    label, (2, D).
    """

    def __init__(self, clips: int, widths: dict[str, int], bound: float, exclude_zero: bool = True):
        super().__init__()
        self.bound, self.exclude_zero = bound, exclude_zero
        self.register_buffer("labels", torch.full((len(SOURCES), clips), torch.nan))
        for source in SOURCES:
            self.register_buffer(f"features_{source}", torch.zeros(clips, widths[source]))
            self.register_buffer(f"centres_{source}", torch.zeros(2, widths[source]))

    def first_seen(self, rows: Tensor, annotated: Tensor) -> None:
        """Labels of the clips at ``rows`` (B,) that have none yet start as the annotated ones
        (B,)."""
        known = self.labels[:, rows]
        self.labels[:, rows] = torch.where(known.isnan(), annotated, known)

    def losses(self, rows: Tensor, predictions: dict[str, Tensor]) -> dict[str, Tensor]:
        """For each source the weighted L1 of predictions (B,): a unimodal label counts the more,
        the further it is from the multimodal one."""
        fusion = self.labels[0, rows]
        losses = {}
        for source, label in zip(SOURCES, self.labels[:, rows], strict=True):
            weight = 1.0 if source == "fusion" else (label - fusion).abs().tanh()
            losses[source] = (weight * (predictions[source] - label).abs()).mean()
        return losses

    @torch.no_grad()
    def update(self, rows: Tensor, features: dict[str, Tensor], epoch: int) -> None:
        """After a batch with features (B, D) of each source: new labels (not in epoch 1), then
        features, then centres."""
        if epoch > 1:
            self._generate(rows, features, epoch)
        for source, labels in zip(SOURCES, self.labels, strict=True):
            table = getattr(self, f"features_{source}")
            table[rows] = features[source]
            positive = labels > 0 if self.exclude_zero else labels >= 0
            signs = torch.stack((positive, labels < 0)).to(table.dtype)  # (2, N)
            getattr(self, f"centres_{source}").copy_(signs @ table / signs.sum(1, keepdim=True))

    def _generate(self, rows: Tensor, features: dict[str, Tensor], epoch: int) -> None:
        """Labels follow how much closer a clip's features are to the positive centre than the
        fusion's are."""
        closer = {}
        for source, x in features.items():
            positive, negative = (
                (x - centre).norm(dim=1) for centre in getattr(self, f"centres_{source}")
            )
            closer[source] = (negative - positive) / (positive + 1e-8)  # (B,)
        fusion = self.labels[0, rows]
        for number, source in enumerate(SOURCES):
            if source == "fusion":
                continue
            ratio = closer[source] / (closer["fusion"] + 1e-8)
            label = 0.5 * ratio * fusion + 0.5 * (fusion + closer[source] - closer["fusion"])
            label = label.clamp(-self.bound, self.bound)
            old = self.labels[number, rows]
            self.labels[number, rows] = (epoch - 1) / (epoch + 1) * old + 2 / (epoch + 1) * label


class SelfMM(Model):
    """Inputs: [CLS] of the text, frames of audio and vision. ``sizes.train_clips`` must be the rows
    of the training split."""

    capabilities = staticmethod(capabilities)

    def __init__(self, settings: SelfMMSettings, sizes: Sizes, encoder: BertModel | None = None):
        super().__init__()
        self.settings = s = settings
        self.text = Text(s.text, "cls", sizes.text, encoder)
        self.inputs = Inputs(text=self.text.input)
        self.audio_encoder = LSTMEncoder(sizes.audio, s.audio_hidden, s.audio_out, s.audio_dropout)
        self.vision_encoder = LSTMEncoder(
            sizes.vision, s.vision_hidden, s.vision_out, s.vision_dropout
        )
        self.heads = nn.ModuleDict(
            {
                "fusion": Head(
                    sizes.text + s.audio_out + s.vision_out, s.fusion_post, s.fusion_post_dropout
                ),
                "text": Head(sizes.text, s.text_post, s.text_post_dropout),
                "audio": Head(s.audio_out, s.audio_post, s.audio_post_dropout),
                "vision": Head(s.vision_out, s.vision_post, s.vision_post_dropout),
            }
        )
        widths = {source: getattr(s, f"{source}_post") for source in SOURCES}
        bound = sizes.limit if "D35" in s.mended else s.label_bound
        self.generated = GeneratedLabels(sizes.train_clips, widths, bound, s.exclude_zero)
        self.latest: dict[str, Tensor] = {}  # features of the batch under way

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        encoded = {
            "text": self.text(batch),
            "audio": self.audio_encoder(batch.audio, batch.audio_lengths),
            "vision": self.vision_encoder(batch.vision, batch.vision_lengths),
        }
        encoded["fusion"] = torch.cat([encoded[m] for m in schema.MODALITIES], -1)
        output = {}
        for source, task in SOURCES.items():
            output[task], output[f"Feature_{source[0]}"], _ = self.heads[source](encoded[source])
        return output

    def loss(self, batch: Batch, stage: str) -> dict[str, Tensor]:
        """The sum of the four weighted errors against the generated labels."""
        output = self(batch)
        self.latest = {source: output[f"Feature_{source[0]}"].detach() for source in SOURCES}
        self.generated.first_seen(batch.index, batch.label("M"))
        losses = self.generated.losses(
            batch.index, {source: output[task] for source, task in SOURCES.items()}
        )
        return {"total": sum(losses.values()), **losses}

    def after_backward(self, batch: Batch, epoch: int) -> None:
        self.generated.update(batch.index, self.latest, epoch)

    def optimizers(self) -> list[torch.optim.Optimizer]:
        s = self.settings
        groups = [
            group(s.lr_audio, s.decay_audio, self.audio_encoder),
            group(s.lr_vision, s.decay_vision, self.vision_encoder),
            group(s.lr, s.decay, self.heads),
        ]
        bert = dict(self.text.named_parameters())
        for undecayed in (False, True):
            chosen = [
                p for n, p in bert.items() if n.endswith(("bias", "LayerNorm.weight")) is undecayed
            ]
            decay = 0.0 if undecayed else s.decay_bert
            groups.append({"params": chosen, "lr": s.lr_bert, "weight_decay": decay})
        return [adam(*(own for own in groups if own["params"]))]
