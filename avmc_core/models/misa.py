"""MISA: separates, by its losses, what the modalities share from what is specific to each (Hazarika
et al., ACM MM 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss, pad, relu

from avmc_core import schema
from avmc_core.batch import Batch, Inputs, on_host
from avmc_core.errors import InputError
from avmc_core.kernels.lengths import valid_steps
from avmc_core.models import fixes
from avmc_core.models.base import Model, Sizes, Training, adam, group
from avmc_core.models.bert_text import Text, capabilities
from avmc_core.models.bilstm import StackedBiLSTM

if TYPE_CHECKING:
    from transformers import BertModel

MENDABLE = (
    # audio and vision are read to their own ends, not for as many frames as the text has tokens
    "D24",
    "D27",  # the configured weight decay is used
)


@dataclass(frozen=True)
class MISASettings:
    """The reference's values for this dataset (MMSA, config_regression.json, misa, simsv2)."""

    text: str = "finetune"  # or "frozen": the stored states
    hidden: int = 64
    dropout: float = 0.5  # between the layers of the regressor
    difference_weight: float = 0.5
    similarity_weight: float = 1.0
    reconstruction_weight: float = 0.5
    similarity: str = "moments"  # of the shared parts, by their moments or by an "adversary"
    reversal: float = 0.5  # reverse_grad_weight, of the adversary's gradient
    lr: float = 1e-4
    decay: float = 5e-5  # unused unless D27 is mended
    mended: tuple[str, ...] = ()
    training: Training = Training(
        batch_size=16, accumulate=2, drop_partial_group=True, clip_value=0.8
    )

    def __post_init__(self):
        fixes.check_with_fixes(self, MENDABLE)
        if self.similarity not in ("moments", "adversary"):
            raise InputError(
                "MISASettings.similarity", repr(self.similarity), "moments or adversary"
            )


SETTINGS = MISASettings()
MOMENTS = 5  # the highest order of the moments that are compared
TOLD_APART = ("text", "vision", "audio")  # by the adversary, in the order of its outputs


class Projection(nn.Module):
    """LN(relu(Lin(x))): (B, D) to (B, h)."""

    def __init__(self, size: int, hidden: int):
        super().__init__()
        self.linear = nn.Linear(size, hidden)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(relu(self.linear(x)))


class MISA(Model):
    """Inputs: all text states (their mean is the sentence), frames of audio and vision.

    The reference also builds a layer norm for text and a discriminator of shared and private parts;
    neither is in any loss, so they are left out here. Its trainer lacks the loss of the adversary
    that its configuration offers in place of the moments; here it is that of the paper's own code.
    """

    capabilities = staticmethod(capabilities)

    def __init__(self, settings: MISASettings, sizes: Sizes, encoder: BertModel | None = None):
        super().__init__()
        self.settings, h = settings, settings.hidden
        self.text = Text(settings.text, "states", sizes.text, encoder)
        self.inputs = Inputs(text=self.text.input)
        self.audio_encoder = StackedBiLSTM(sizes.audio, sizes.audio)
        self.vision_encoder = StackedBiLSTM(sizes.vision, sizes.vision)
        widths = {"text": sizes.text, "audio": 4 * sizes.audio, "vision": 4 * sizes.vision}
        self.project = nn.ModuleDict({m: Projection(width, h) for m, width in widths.items()})
        self.private = nn.ModuleDict({m: nn.Linear(h, h) for m in schema.MODALITIES})
        self.shared = nn.Linear(h, h)
        self.reconstruct = nn.ModuleDict({m: nn.Linear(h, h) for m in schema.MODALITIES})
        self.transformer = nn.TransformerEncoderLayer(
            h, nhead=2, dim_feedforward=2048, dropout=0.1, batch_first=True
        )
        if settings.similarity == "adversary":
            self.adversary_1 = nn.Linear(h, h)
            self.adversary_2 = nn.Linear(h, len(TOLD_APART))
        self.regress_1 = nn.Linear(6 * h, 3 * h)
        self.drop = nn.Dropout(settings.dropout)
        self.regress_2 = nn.Linear(3 * h, 1)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """``M`` and, per modality m, ``projected_m``, ``private_m``, ``shared_m``,
        ``reconstructed_m``, each (B, h)."""
        output = {}
        for m, x in self._utterances(batch).items():
            projected = self.project[m](x)
            private = torch.sigmoid(self.private[m](projected))
            shared = torch.sigmoid(self.shared(projected))
            output |= {f"projected_{m}": projected, f"private_{m}": private, f"shared_{m}": shared}
            output[f"reconstructed_{m}"] = self.reconstruct[m](private + shared)
        order = ("text", "vision", "audio")
        # (B, 6, h)
        tokens = torch.stack(
            [output[f"{part}_{m}"] for part in ("private", "shared") for m in order], 1
        )
        fused = self.regress_1(self.transformer(tokens).flatten(1))
        output["M"] = self.regress_2(relu(self.drop(fused))).squeeze(-1)
        return output

    def _utterances(self, batch: Batch) -> dict[str, Tensor]:
        """One vector for each clip and modality."""
        states = self.text(batch)  # (B, T, D)
        keep = valid_steps(batch.text_lengths, states.shape[1])[..., None]
        utterances = {"text": (states * keep).sum(1) / batch.text_lengths[:, None]}
        for m, encoder in (("audio", self.audio_encoder), ("vision", self.vision_encoder)):
            x, lengths = getattr(batch, m), getattr(batch, f"{m}_lengths")
            if "D24" not in self.settings.mended:
                lengths = batch.text_lengths
                # negative: what no clip reads is cut off
                x = pad(x, (0, 0, 0, int(on_host(lengths).max()) - x.shape[1]))
            utterances[m] = encoder(x, lengths)
        return utterances

    def loss(self, batch: Batch, stage: str) -> dict[str, Tensor]:
        """The squared error of M and the three losses that shape the representations, weighted."""
        output, s = self(batch), self.settings
        projected, private, shared, reconstructed = (
            {m: output[f"{part}_{m}"] for m in schema.MODALITIES}
            for part in ("projected", "private", "shared", "reconstructed")
        )
        similarity = "cmd" if s.similarity == "moments" else "domain"
        parts = {
            "mse": mse_loss(output["M"], batch.label("M")),
            "diff": sum(difference(private[m], shared[m]) for m in schema.MODALITIES)
            + sum(difference(x, y) for x, y in combinations(private.values(), 2)),
            similarity: self._similarity(shared),
            "recon": sum(mse_loss(reconstructed[m], projected[m]) for m in schema.MODALITIES) / 3,
        }
        weights = {
            "diff": s.difference_weight,
            similarity: s.similarity_weight,
            "recon": s.reconstruction_weight,
        }
        return {
            "total": parts["mse"] + sum(weight * parts[name] for name, weight in weights.items()),
            **parts,
        }

    def _similarity(self, shared: dict[str, Tensor]) -> Tensor:
        """How different the shared parts (B, h) of the modalities are: CMD, averaged over the
        pairs; or, for the adversary, the cross-entropy with which it tells them apart, whose
        gradient is reversed on its way to them."""
        if self.settings.similarity == "moments":
            pairs = combinations(shared.values(), 2)
            return sum(moment_discrepancy(x, y) for x, y in pairs) / 3
        x = torch.cat([shared[m] for m in TOLD_APART])
        x = x.detach() + self.settings.reversal * (x.detach() - x)
        scores = self.adversary_2(self.drop(relu(self.adversary_1(x))))
        kinds = torch.arange(len(TOLD_APART), device=x.device)
        return cross_entropy(scores, kinds.repeat_interleave(len(x) // len(TOLD_APART)))

    def validation_loss(self, output: dict[str, Tensor], batch: Batch) -> Tensor:
        """Squared errors of M, (B,); the other losses do not decide."""
        return (output["M"] - batch.label("M")).square()

    def optimizers(self) -> list[torch.optim.Optimizer]:
        decay = self.settings.decay if "D27" in self.settings.mended else 0.0
        return [adam(group(self.settings.lr, decay, self))]


def difference(x: Tensor, y: Tensor) -> Tensor:
    """Mean squared entry of X^T Y (h, h): 0 if every feature of x (B, h) is orthogonal, over the
    batch, to every one of y.

    Features are centred, then each clip is divided by its norm; the norms are constants to the
    gradient.
    """
    x, y = x - x.mean(0), y - y.mean(0)
    x, y = (z / (z.norm(dim=1, keepdim=True).detach() + 1e-6) for z in (x, y))
    return (x.T @ y).square().mean()


def moment_discrepancy(x: Tensor, y: Tensor) -> Tensor:
    """CMD: the distances between the batch means of x and y (B, h) and between their central
    moments of order 2 to ``MOMENTS``, added."""
    centred_x, centred_y = x - x.mean(0), y - y.mean(0)
    distance = (x.mean(0) - y.mean(0)).norm()
    for order in range(2, MOMENTS + 1):
        distance = distance + ((centred_x**order).mean(0) - (centred_y**order).mean(0)).norm()
    return distance
