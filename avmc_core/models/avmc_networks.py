"""The network that AV-MC's settings ask for."""

from __future__ import annotations

from avmc_core.models.avmc import AVMC, SEMI, SUPERVISED, AVMCSettings
from avmc_core.models.avmc_paper import AVMCPaper
from avmc_core.models.avmc_semi import AVMCSemi
from avmc_core.models.avmc_supervised import AVMCSupervised
from avmc_core.models.base import Sizes

__all__ = ["SEMI", "SUPERVISED", "build"]


def build(settings: AVMCSettings, sizes: Sizes) -> AVMC:
    """``paper``: one network for both ways of training. ``released``: two (D01, D02)."""
    if settings.variant == "paper":
        return AVMCPaper(settings, sizes)
    return AVMCSemi(settings, sizes) if settings.semi else AVMCSupervised(settings, sizes)
