"""The network that AV-MC's settings ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from avmc_core.models.avmc import AVMC, SEMI, SUPERVISED, AVMCSettings
from avmc_core.models.avmc_paper import AVMCPaper
from avmc_core.models.avmc_semi import AVMCSemi
from avmc_core.models.avmc_supervised import AVMCSupervised
from avmc_core.models.base import Sizes

if TYPE_CHECKING:
    from transformers import BertModel

__all__ = ["SEMI", "SUPERVISED", "build"]


def build(settings: AVMCSettings, sizes: Sizes, encoder: BertModel | None = None) -> AVMC:
    """``paper``: one network for both ways of training. ``released``: two (D01, D02). ``encoder``:
    as in ``bert_text.Text``."""
    if settings.variant == "paper":
        return AVMCPaper(settings, sizes, encoder)
    return (AVMCSemi if settings.semi else AVMCSupervised)(settings, sizes, encoder)


build.capabilities = AVMC.capabilities
