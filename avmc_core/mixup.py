"""Modality mixup (Section 4.1, Equations 1 to 4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from avmc_core import draws
from avmc_core.settings import check_settings

LEVELS = ("input", "representation", "hidden")


@dataclass(frozen=True)
class MixupSettings:
    """How partners and weights are drawn. The paper names no parameters; the released code draws
    one lambda from Beta(1, 1) for each batch and modality (D07)."""

    alpha: float = 1.0  # lambda ~ Beta(alpha, beta)
    beta: float = 1.0
    per_clip: bool = False  # one lambda for each clip instead of one for the batch
    # consistency targets without gradient, as in interpolation consistency training (D08)
    detach_targets: bool = False
    # mixed (D31): the frames ("input"), their encoding (Equation 11), the classifier's first layer
    level: str = "representation"

    def __post_init__(self):
        check_settings(self, level=LEVELS)


@dataclass(frozen=True)
class Draw:
    """One shuffle (Equation 1) and its lambda. With seeds side by side both have a leading axis of
    seeds, as have the tensors that are mixed."""

    partner: Tensor  # (B,) int64: row i is mixed with row partner[i]
    lam: Tensor  # (1,) or (B,): lambda

    def mix(self, x: Tensor) -> Tensor:
        """lambda x_i + (1 - lambda) x_partner(i) along the first axis, for inputs, representations,
        labels, predictions (Equations 2 and 3)."""
        lam = self.lam.to(x.dtype).view(*self.lam.shape, *[1] * (x.dim() - self.lam.dim()))
        return lam * x + (1 - lam) * self.partners(x)

    def partners(self, x: Tensor) -> Tensor:
        """The partner's row in place of each row of x."""
        if self.partner.dim() == 1:
            return x[self.partner]
        return x[torch.arange(len(x), device=x.device)[:, None], self.partner]


def draw(clips: int, settings: MixupSettings, device: torch.device | str = "cpu") -> Draw:
    """A random partner for each of ``clips`` clips, and lambda, with random numbers from
    ``draws``."""
    partner = draws.permutation(clips, device)
    lambdas = clips if settings.per_clip else 1
    return Draw(partner, draws.beta(settings.alpha, settings.beta, lambdas, device))
