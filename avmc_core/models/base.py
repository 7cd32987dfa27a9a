"""The interface between the trainer and a model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from avmc_core import schema
from avmc_core.batch import Batch, Inputs
from avmc_core.kernels.adam import Adam
from avmc_core.settings import check_settings


@dataclass(frozen=True)
class Sizes:
    """Sizes that the data dictate: feature widths D, caps T, number of labelled training clips, and
    the largest label. The defaults are those of CH-SIMS v2.0."""

    text: int = schema.DIMS["text"]
    audio: int = schema.DIMS["audio"]
    vision: int = schema.DIMS["vision"]
    text_steps: int = schema.STEPS["text"]
    audio_steps: int = schema.STEPS["audio"]
    vision_steps: int = schema.STEPS["vision"]
    train_clips: int = 0
    limit: float = 1.0  # labels run from -limit to limit


@dataclass(frozen=True)
class Training:
    """The loop's settings; defaults are the reference's for all models."""

    batch_size: int = 32
    patience: int = 8  # stop after so many epochs without a better validation loss (D10)
    max_epochs: int = 0  # 0: no limit, as in the reference
    accumulate: int = 1  # batches whose gradients are summed before a step
    drop_partial_group: bool = False  # leave an epoch's last incomplete group without a step (D29)
    clip_value: float = 0.0  # after every backward pass, clamp each entry of the gradient; 0: off
    clip_norm: float = 0.0  # before a step, scale all gradients to this joint norm at most; 0: off
    # "clips": mean over clips. "batches": mean over batches in the order of the store, rounded
    # (D11). "shuffled_batches": the same with batches that are drawn again in each epoch, as the
    # reference runs (D17).
    validation: str = "clips"

    def __post_init__(self):
        check_settings(self, validation=("clips", "batches", "shuffled_batches"))


@dataclass(frozen=True)
class Weights:
    """alpha_k of Equation 10: how much each of the four regression losses counts; the sum is not
    normalised."""

    M: float
    T: float
    A: float
    V: float

    def __post_init__(self):
        check_settings(self)


@dataclass(frozen=True)
class Pass:
    """One pass over a split within an epoch."""

    split: str = "train"
    stage: str = "train"  # handed to Model.loss
    optimizer: int = 0  # which of Model.optimizers() takes the step


@dataclass(frozen=True)
class Capabilities:
    """What a model needs and does with certain settings, as far as it must be known before the
    model is built."""

    reads: tuple[str, ...] = schema.MODALITIES  # the modalities that it is given
    tasks: tuple[str, ...] = ("M",)  # the annotations that it learns from
    text_encoder: bool = False  # it runs a text encoder of its own in training
    tokens: bool = False  # it predicts from tokens, not from the stored states of the text
    pooler: bool = False  # of the text encoder it uses the pretrained pooler, too
    unlabelled: bool = False  # it is trained on unlabelled clips as well
    trained: bool = True  # by gradients; or else it has ``fit_predict``


class Fitted:
    """A model that is fitted at once and not trained by gradients: sub-classes are built with
    ``(settings, sizes)`` and have ``fit_predict(splits)``, which takes names of splits to
    ``store.Split`` and returns, for each, tasks to predictions (N,)."""

    def __init__(self, settings: object, sizes: object):
        self.settings = settings

    @staticmethod
    def capabilities(settings: object) -> Capabilities:
        return Capabilities(trained=False)


class Model(nn.Module):
    """A network with its losses and optimisers.

    Sub-classes set ``inputs``, take ``(settings, sizes)``, and implement ``forward``; the rest has
    defaults that fit a single-task regressor.
    """

    inputs = Inputs()
    settings: object  # a frozen dataclass with a field ``training: Training``

    @staticmethod
    def capabilities(settings: object) -> Capabilities:
        """What the model needs with these settings."""
        return Capabilities()

    @property
    def stackable(self) -> bool:
        """Whether seeds can be trained side by side in one network (``together``): forward and
        losses take weights, and clips, with a leading axis of seeds, draw through ``draws`` alone,
        and keep nothing outside parameters and buffers."""
        return False

    @property
    def recordable(self) -> bool:
        """Whether a step of a ``stackable`` model on batches of one shape can be recorded on a GPU
        and repeated without the host (``recorded_step``): the host draws nothing but what
        ``draws(clips, device)`` gives, which ``loss`` then takes, and does nothing that depends on
        a batch's numbers."""
        return False

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that the losses train; outputs for other tasks are meaningless."""
        return schema.TASKS

    @property
    def training_settings(self) -> Training:
        return self.settings.training

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Predictions ``M`` and, if the model has them, ``T``, ``A``, ``V``, each (B,);
        representations ``Feature_t``, ``Feature_a``, ``Feature_v``, ``Feature_f``, each (B, D)."""
        raise TypeError(f"{type(self).__name__} defines no forward")

    def loss(self, batch: Batch, stage: str) -> dict[str, Tensor]:
        """Scalars; the trainer minimises ``total``, the others are logged."""
        return {"total": l1(self(batch)["M"], batch.label("M"))}

    def validation_loss(self, output: dict[str, Tensor], batch: Batch) -> Tensor:
        """(B,) loss of each clip; its mean over the validation split decides on early stopping."""
        return (output["M"] - batch.label("M")).abs()

    def optimizers(self) -> list[torch.optim.Optimizer]:
        raise TypeError(f"{type(self).__name__} defines no optimizers")

    def passes(self, epoch: int) -> tuple[Pass, ...]:
        """The passes of one epoch, counted from 1."""
        return (Pass(),)

    def begin_pass(self, single: Pass, epoch: int) -> None:
        """Called before each pass, for what lasts no longer than a pass."""

    def after_backward(self, batch: Batch, epoch: int) -> None:
        """Called after each backward pass, before a step."""


def l1(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error over the batch (Equation 9), the last axis."""
    return (prediction - target).abs().mean(-1)


def adam(*groups: dict) -> torch.optim.Adam:
    """Adam with the reference's constants; weight decay is the L2 term added to the gradient.
    Groups: params, lr, weight_decay."""
    return Adam(list(groups))


def group(lr: float, decay: float, *modules: nn.Module) -> dict:
    """One optimiser group with all parameters of ``modules``."""
    return {
        "params": [p for module in modules for p in module.parameters()],
        "lr": lr,
        "weight_decay": decay,
    }
