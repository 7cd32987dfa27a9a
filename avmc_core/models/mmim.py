"""MMIM: a regressor whose fusion keeps what the modalities have in common, by bounds on mutual
information (Han et al., EMNLP 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from avmc_core import schema
from avmc_core.batch import Batch, Inputs
from avmc_core.errors import InputError
from avmc_core.kernels.lstm import LSTM
from avmc_core.models import fixes
from avmc_core.models.base import Model, Pass, Sizes, Training, adam, group, l1
from avmc_core.models.bert_text import Text, capabilities, outside_bert

if TYPE_CHECKING:
    from transformers import BertModel

MENDABLE = (
    "D27",  # weights keep PyTorch's own start
    # the entropy maps are trained, by the optimizer of the pass in which they have gradients
    "D38",
)
ACTIVATIONS = ("ReLU", "Tanh", "Sigmoid", "GELU", "ELU", "LeakyReLU")
# Projections of the clips with a positive label (n+, w), and of those with a negative one (n-, w).
Signed = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class MMIMSettings:
    """The reference's values for the first version of the dataset (MMSA, config_regression.json,
    mmim, sims): there are none for this one (D28)."""

    text: str = "finetune"  # or "frozen": the stored states
    audio_hidden: int = 16  # of each direction of the LSTM
    vision_hidden: int = 16
    audio_out: int = 16
    vision_out: int = 16
    fusion: int = 128
    dropout: float = 0.1  # before the fusion
    contrast_weight: float = 0.1  # alpha
    bound_weight: float = 0.1  # beta, of the lower bound and of the entropy
    memory: int = 1  # batches that the entropy remembers
    bidirectional: bool = True  # the LSTMs
    # add_va: a bound of I(vision; audio) beside those with the text
    audio_vision_bound: bool = False
    bound_activation: str = "ReLU"  # inside the guesses, a module of torch.nn
    predict_layers: int = 1  # cpc_layers: of what predicts each modality from the fusion
    predict_activation: str = "Tanh"  # after the first of several layers
    lr: float = 1e-3  # Adam
    lr_bert: float = 5e-5
    lr_bound: float = 1e-3
    decay: float = 1e-4
    decay_bert: float = 1e-4
    decay_bound: float = 1e-4
    mended: tuple[str, ...] = ()
    training: Training = Training(batch_size=32, clip_norm=1.0)

    def __post_init__(self):
        fixes.check_with_fixes(self, MENDABLE)
        for name in ("bound_activation", "predict_activation"):
            if getattr(self, name) not in ACTIVATIONS:
                raise InputError(
                    f"MMIMSettings.{name}",
                    repr(getattr(self, name)),
                    f"one of {', '.join(ACTIVATIONS)}",
                )
        if self.predict_layers < 1:
            raise InputError("MMIMSettings.predict_layers", repr(self.predict_layers), "1 or more")


SETTINGS = MMIMSettings()


class SequenceEncoder(nn.Module):
    """LSTM of one or both directions and a linear map of its final states: (B, T, D) to (B, out).

    The reference can stack several layers, and then still reads the final states of the first: the
    others are never trained and have no effect, so that here there is only one.
    """

    def __init__(self, size: int, hidden: int, out: int, bidirectional: bool):
        super().__init__()
        self.rnn = LSTM(size, hidden, bidirectional=bidirectional)
        self.linear = nn.Linear((1 + bidirectional) * hidden, out)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        return self.linear(self.rnn(x, lengths)[1])


class LowerBound(nn.Module):
    """Barber and Agakov's bound on I(x; y): a Gaussian guess of y (B, n) from x (B, m), and a
    narrow view of y whose entropy is estimated."""

    def __init__(self, x: int, y: int, activation: str):
        super().__init__()
        act = getattr(nn, activation)
        self.mean = nn.Sequential(nn.Linear(x, y), act(), nn.Linear(y, y))
        self.log_variance = nn.Sequential(nn.Linear(x, y), act(), nn.Linear(y, y))
        self.entropy_map = nn.Linear(y, y // 4)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """The log-likelihood of the Gaussian guess without its log-variance term, as in the
        reference: a scalar."""
        return (-(self.mean(x) - y).square() / (2 * self.log_variance(x).exp())).sum(1).mean()

    def signed(self, y: Tensor, labels: Tensor) -> Signed:
        projected = torch.tanh(self.entropy_map(y))
        return projected[labels > 0], projected[labels < 0]


# Which mutual information each bound is of: of the second modality, guessed from the first.
BOUNDS = {
    "audio": ("text", "audio"),
    "vision": ("text", "vision"),
    "audio_vision": ("vision", "audio"),
}


class MMIM(Model):
    """Inputs: [CLS] of the text, frames of audio and vision.

    Two passes per epoch: "bound" trains the lower bounds (``BOUNDS``), "main" all the rest.
    ``memory`` and ``batches`` last for one pass: the projections of the latest batches, for the
    entropy, and the number of batches so far.
    """

    capabilities = staticmethod(capabilities)

    def __init__(self, settings: MMIMSettings, sizes: Sizes, encoder: BertModel | None = None):
        super().__init__()
        self.settings = s = settings
        self.text = Text(s.text, "cls", sizes.text, encoder)
        self.inputs = Inputs(text=self.text.input)
        self.audio_encoder = SequenceEncoder(
            sizes.audio, s.audio_hidden, s.audio_out, s.bidirectional
        )
        self.vision_encoder = SequenceEncoder(
            sizes.vision, s.vision_hidden, s.vision_out, s.bidirectional
        )
        widths = {"text": sizes.text, "audio": s.audio_out, "vision": s.vision_out}
        self.drop = nn.Dropout(s.dropout)
        self.fusion_1 = nn.Linear(sum(widths.values()), s.fusion)
        self.fusion_2 = nn.Linear(s.fusion, s.fusion)
        self.regress = nn.Linear(s.fusion, 1)
        self.predict = nn.ModuleDict({m: predictor(s, width) for m, width in widths.items()})
        self.bounds = nn.ModuleDict(
            {
                name: LowerBound(widths[x], widths[y], s.bound_activation)
                for name, (x, y) in BOUNDS.items()
                if name != "audio_vision" or s.audio_vision_bound
            }
        )
        if "D27" not in s.mended:
            for weight in outside_bert(self).values():
                if weight.dim() > 1:
                    nn.init.xavier_normal_(weight)
        self.memory: list[dict[str, Signed]] = []
        self.batches = 0

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        output = {
            "Feature_t": self.text(batch),
            "Feature_a": self.audio_encoder(batch.audio, batch.audio_lengths),
            "Feature_v": self.vision_encoder(batch.vision, batch.vision_lengths),
        }
        joined = torch.cat([output[f"Feature_{m[0]}"] for m in schema.MODALITIES], -1)
        output["Feature_f"] = torch.tanh(
            self.fusion_2(torch.tanh(self.fusion_1(self.drop(joined))))
        )
        output["M"] = self.regress(output["Feature_f"]).squeeze(-1)
        return output

    def loss(self, batch: Batch, stage: str) -> dict[str, Tensor]:
        """Stage "bound": minus the log-likelihoods of both guesses. Stage "main": L1(M), contrast,
        guesses and, from batch ``settings.memory`` + 1 on (counted from 0), entropy; remembers the
        batch."""
        output, s = self(batch), self.settings
        x = {m: output[f"Feature_{m[0]}"] for m in schema.MODALITIES}
        pairs = {name: tuple(x[m] for m in BOUNDS[name]) for name in self.bounds}
        likelihood = sum(bound(*pairs[name]) for name, bound in self.bounds.items())
        if stage == "bound":
            return {"total": -likelihood, "lld": likelihood}
        contrasts = sum(
            contrast(x[m], predict(output["Feature_f"])) for m, predict in self.predict.items()
        )
        labels = batch.label("M")
        signed = {name: bound.signed(pairs[name][1], labels) for name, bound in self.bounds.items()}
        spread = output["M"].new_zeros(())
        if self.batches > s.memory:
            spread = sum(entropy(new, [old[m] for old in self.memory]) for m, new in signed.items())
        self._remember(signed)
        error = l1(output["M"], labels)
        total = error + s.contrast_weight * contrasts - s.bound_weight * (likelihood + spread)
        return {"total": total, "l1": error, "nce": contrasts, "lld": likelihood, "H": spread}

    def _remember(self, signed: dict[str, Signed]) -> None:
        """Keep the latest ``settings.memory`` batches, without gradients."""
        detached = {
            m: (positive.detach(), negative.detach()) for m, (positive, negative) in signed.items()
        }
        self.memory = [*self.memory, detached][-self.settings.memory :]
        self.batches += 1

    def begin_pass(self, single: Pass, epoch: int) -> None:
        self.memory, self.batches = [], 0

    def passes(self, epoch: int) -> tuple[Pass, ...]:
        return (Pass(stage="bound", optimizer=0), Pass(stage="main", optimizer=1))

    def optimizers(self) -> list[torch.optim.Optimizer]:
        """One for the bounds, one for the rest. The entropy maps have gradients in pass "main"
        only, but belong to the first optimizer, which steps in pass "bound" only: they stay at
        their start (D38)."""
        s, moved = self.settings, "D38" in self.settings.mended
        bound, entropy_maps, main = [], [], []
        for name, parameter in outside_bert(self).items():
            if moved and "entropy_map" in name:
                entropy_maps.append(parameter)
            else:
                (bound if name.startswith("bounds.") else main).append(parameter)
        groups = [
            {"params": main, "lr": s.lr, "weight_decay": s.decay},
            group(s.lr_bert, s.decay_bert, self.text),
            {"params": entropy_maps, "lr": s.lr_bound, "weight_decay": s.decay_bound},
        ]
        return [
            adam({"params": bound, "lr": s.lr_bound, "weight_decay": s.decay_bound}),
            adam(*(own for own in groups if own["params"])),
        ]


def predictor(s: MMIMSettings, width: int) -> nn.Module:
    """What predicts a modality from the fusion, (B, fusion) to (B, width): a linear map, or several
    with one activation, after the first."""
    first, *others = (
        nn.Linear(width if number else s.fusion, width) for number in range(s.predict_layers)
    )
    return nn.Sequential(first, getattr(nn, s.predict_activation)(), *others) if others else first


def contrast(x: Tensor, predicted: Tensor) -> Tensor:
    """Contrastive predictive coding: how poorly each clip's x (B, D) is distinguished from the
    others' by its prediction (B, D)."""
    x, predicted = (z / z.norm(dim=1, keepdim=True) for z in (x, predicted))
    scores = x @ predicted.T  # (B, B): clip, prediction
    return (scores.logsumexp(1) - scores.diagonal()).mean()


def entropy(new: Signed, remembered: list[Signed]) -> Tensor:
    """A quarter of the log-determinants of the covariances of positive and of negative clips,
    remembered ones included.

    Not finite unless the clips of each sign outnumber the width: the reference has no guard.
    """
    total = new[0].new_zeros(())
    for sign in (0, 1):
        rows = torch.cat([*(old[sign] for old in remembered), new[sign]])  # (n, w)
        centred = rows - rows.mean(0)
        total = total + 0.25 * torch.logdet(centred.T @ centred / len(rows))
    return total
