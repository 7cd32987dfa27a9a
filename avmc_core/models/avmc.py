"""AV-MC (Section 4): settings, losses and schedule shared by its three networks.

``variant="paper"`` is Equations 1 to 14 and Algorithm 1 as printed (``avmc_paper``).
``variant="released"`` is what the public code does; it holds two unrelated networks, one for
supervised (``avmc_supervised``, D01) and one for semi-supervised training (``avmc_semi``, D02).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from avmc_core import schema
from avmc_core.batch import Batch, on_host, with_host
from avmc_core.kernels.dense import chain, sigmoid
from avmc_core.kernels.dropout import Dropout
from avmc_core.mixup import Draw, MixupSettings, draw
from avmc_core.models.base import Capabilities, Model, Pass, Sizes, Training, Weights, adam
from avmc_core.models.bert_text import Text, capabilities
from avmc_core.settings import check_settings

if TYPE_CHECKING:
    from transformers import BertModel


@dataclass(frozen=True)
class AVMCSettings:
    """Sizes and optimisation. The paper prints neither: the released values serve both variants
    (D31)."""

    variant: str = "released"  # or "paper"
    semi: bool = False  # use the unlabelled clips
    # or "frozen_dropout": the frozen encoder drops out in training, as released (D16)
    text: str = "frozen"
    text_hidden: int = 64
    audio_hidden: int = 16
    vision_hidden: int = 16
    text_post: int = 32  # width of each classifier's hidden layers
    audio_post: int = 32
    vision_post: int = 64
    fusion_post: int = 16
    dropout: float = 0.1  # encoders
    post_dropout: float = 0.3  # classifiers
    weights: Weights = Weights(M=1.0, T=0.2, A=0.8, V=0.4)
    # beta_k of Equation 14; NaN: the task's own weight, as released (D09)
    mix_weight_audio: float = math.nan
    mix_weight_vision: float = math.nan
    # if off, only M is supervised, and there are no unimodal heads that could be consistent
    unimodal_tasks: bool = True
    mix_audio: bool = True
    mix_vision: bool = True
    mixup: MixupSettings = MixupSettings()
    lr: float = 5e-4  # Adam
    lr_audio: float = 5e-4
    lr_vision: float = 1e-3
    decay: float = 5e-4
    decay_audio: float = 0.0
    decay_vision: float = 0.0
    training: Training = Training(batch_size=32)

    def __post_init__(self):
        check_settings(self, variant=("paper", "released"), text=("frozen", "frozen_dropout"))


SUPERVISED = AVMCSettings()
SEMI = AVMCSettings(
    semi=True,
    audio_hidden=32,
    vision_hidden=32,
    text_post=16,
    audio_post=8,
    fusion_post=32,
    post_dropout=0.4,
    weights=Weights(M=0.8, T=0.6, A=0.2, V=0.8),
    lr_audio=1e-3,
    decay=1e-5,
    decay_vision=1e-5,
    training=Training(batch_size=64),
)


class AVMC(Model):
    """Losses and schedule that the three networks share. A network names its encoders
    ``audio_encoder``, ``vision_encoder``."""

    def __init__(self, settings: AVMCSettings, sizes: Sizes, encoder: BertModel | None = None):
        super().__init__()
        self.settings = settings
        self.text = Text(settings.text, "cls", sizes.text, encoder)

    @staticmethod
    def capabilities(settings: AVMCSettings) -> Capabilities:
        """What the model needs: unlabelled clips if it is semi-supervised."""
        tasks = schema.TASKS if settings.unimodal_tasks else ("M",)
        return replace(capabilities(settings), tasks=tasks, unlabelled=settings.semi)

    @property
    def stackable(self) -> bool:
        return self.settings.text == "frozen"

    @property
    def tasks(self) -> tuple[str, ...]:
        return schema.TASKS if self.settings.unimodal_tasks else ("M",)

    @property
    def task_weights(self) -> dict[str, float]:
        """alpha_k of the tasks in use."""
        return {task: getattr(self.settings.weights, task) for task in self.tasks}

    @property
    def mixed_modalities(self) -> dict[str, tuple[str, float]]:
        """Modality to (its task, beta_k) for each modality that is mixed."""
        s = self.settings
        if not s.unimodal_tasks:
            return {}
        switches = {
            "audio": ("A", s.mix_audio, s.mix_weight_audio, s.weights.A),
            "vision": ("V", s.mix_vision, s.mix_weight_vision, s.weights.V),
        }
        return {
            modality: (task, own if math.isnan(weight) else weight)
            for modality, (task, on, weight, own) in switches.items()
            if on
        }

    def draws(self, clips: int, device: torch.device | str = "cpu") -> dict[str, Draw]:
        """Fresh partners and lambdas, one draw for each mixed modality."""
        return {
            modality: draw(clips, self.settings.mixup, device) for modality in self.mixed_modalities
        }

    def regression(
        self,
        output: dict[str, Tensor],
        labels: Tensor,
        mask: Tensor,
        clip_weight: Tensor | None = None,
    ) -> Tensor:
        """Equations 9 and 10: the weighted L1 losses over the labelled rows of labels (B, 4); 0 if
        there is none."""
        tasks = [schema.TASKS.index(task) for task in self.task_weights]
        weights = constant(tuple(self.task_weights.values()), labels.dtype, labels.device)
        predicted = torch.stack([output[task] for task in self.task_weights], -2)  # (tasks, B)
        if len(tasks) < len(schema.TASKS):
            labels = torch.stack([labels[..., task] for task in tasks], -1)
        errors = (predicted - labels.transpose(-1, -2)).abs()
        if clip_weight is not None:
            errors = clip_weight[..., None, :] * errors
        labelled = mask.sum(-1, keepdim=True).clamp(min=1)
        sums = errors.masked_fill(~mask[..., None, :], 0.0).sum(-1) / labelled
        return (weights * sums).sum(-1)

    def consistency(
        self, batch: Batch, output: dict[str, Tensor], draws: dict[str, Draw]
    ) -> dict[str, Tensor]:
        """Equations 11 to 13: the prediction for a mixture against the mixture of the two
        predictions."""
        losses = {}
        for modality, (task, _) in self.mixed_modalities.items():
            target = draws[modality].mix(output[task])
            if self.settings.mixup.detach_targets:
                target = target.detach()
            losses[modality] = (
                (self.of_mixture(modality, batch, output, draws[modality]) - target).abs().mean(-1)
            )
        return losses

    def of_mixture(
        self, modality: str, batch: Batch, output: dict[str, Tensor], draw: Draw
    ) -> Tensor:
        """Clf_k of a mixture, (B,): of mixed frames, mixed representations, or mixed hidden layers.

        Mixed frames are as long as the longer clip; the shorter one ends in zeros.
        """
        encoder, head, level = (
            getattr(self, f"{modality}_encoder"),
            self.heads[modality],
            self.settings.mixup.level,
        )
        if level == "input":
            frames = draw.mix(getattr(batch, modality))
            lengths = mixed_lengths(getattr(batch, f"{modality}_lengths"), draw)
            return self.classify(modality, encoder(frames, lengths))
        representation = output[f"Feature_{modality[0]}"]
        if level == "hidden":
            return head.from_hidden(draw.mix(head.hidden(representation)))
        return self.classify(modality, draw.mix(representation))

    def classify(self, modality: str, representation: Tensor) -> Tensor:
        """Clf_k of a representation (B, h): (B,)."""
        return self.heads[modality].predict(representation)

    def loss(
        self, batch: Batch, stage: str, draws: dict[str, Draw] | None = None
    ) -> dict[str, Tensor]:
        """``regression`` alone in stage "regression" (Algorithm 1, lines 18 to 25), else with the
        consistency losses."""
        output = self(batch)
        parts = {"regression": self.regression(output, batch.labels, batch.mask)}
        total = parts["regression"]
        if stage != "regression":
            draws = draws or self.draws(batch.mask.shape[-1], batch.mask.device)
            for modality, value in self.consistency(batch, output, draws).items():
                parts[f"consistency_{modality}"] = value
                total = total + self.mixed_modalities[modality][1] * value
        return {"total": total, **parts}

    def validation_loss(self, output: dict[str, Tensor], batch: Batch) -> Tensor:
        """The weighted sum of Equation 10 for each clip: (B,)."""
        return sum(
            weight * (output[task] - batch.label(task)).abs()
            for task, weight in self.task_weights.items()
        )

    def passes(self, epoch: int) -> tuple[Pass, ...]:
        """The passes of one epoch, as in Algorithm 1. Without unlabelled clips its two passes would
        see the same rows, so that only the first is made (D50). The released semi-supervised code
        makes both; that of the supervised model makes one (D10)."""
        if self.settings.semi:
            return (Pass(schema.TRAIN_MIX, "mixup"), Pass("train", "regression"))
        return (Pass("train", "mixup"),)

    def optimizers(self) -> list[torch.optim.Optimizer]:
        s = self.settings
        own = {"audio": (s.lr_audio, s.decay_audio), "vision": (s.lr_vision, s.decay_vision)}
        encoders = {name: list(getattr(self, f"{name}_encoder").parameters()) for name in own}
        taken = {id(p) for parameters in encoders.values() for p in parameters}
        rest = [p for p in self.parameters() if id(p) not in taken]
        groups = [
            {"params": encoders[name], "lr": lr, "weight_decay": decay}
            for name, (lr, decay) in own.items()
        ]
        return [adam(*groups, {"params": rest, "lr": s.lr, "weight_decay": s.decay})]


@cache
def constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """These numbers on a device, (n,), moved there once: a step that moved them each time
    would wait for the device. Not to be changed in place."""
    return torch.tensor(values, dtype=dtype, device=device)


def mixed_lengths(lengths: Tensor, draw: Draw) -> Tensor:
    """The longer of each clip and its partner, also known on the host where that is."""
    host = on_host(lengths)
    if host is lengths:
        return torch.maximum(lengths, draw.partners(lengths))
    drawn = replace(draw, partner=on_host(draw.partner))
    longer = [torch.maximum(n, d.partners(n)) for n, d in ((lengths, draw), (host, drawn))]
    return with_host(*longer)


class LinearFusion(nn.Module):
    """The released fusion: dropout, then three linear layers without a nonlinearity between (D04),
    then a sigmoid (D05).

    Hidden layers of the heads, (B, h) each, to M (B,) in (-limit, limit), with the second layer's
    output (B, h).
    """

    def __init__(self, size: int, hidden: int, dropout: float, limit: float):
        super().__init__()
        self.drop = Dropout(dropout)
        self.layer_1 = nn.Linear(size, hidden)
        self.layer_2 = nn.Linear(hidden, hidden)
        self.layer_3 = nn.Linear(hidden, 1)
        self.limit = limit

    def forward(self, hidden: list[Tensor]) -> tuple[Tensor, Tensor]:
        layers = [self.layer_1, self.layer_2, self.layer_3]
        _, fused, last = chain(torch.cat(hidden, -1), layers, [False] * 3, self.drop)
        return 2 * self.limit * sigmoid(last.squeeze(-1)) - self.limit, fused
