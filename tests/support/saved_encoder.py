"""The simulated corpus's text encoder as a folder, such as a pretrained one comes in."""

from __future__ import annotations

from pathlib import Path

from avmc_core.simulated.text_encoder import build_encoder
from avmc_core.text_encoder import quiet


def save_encoder(folder) -> Path:
    """Writes the encoder to ``folder`` in the usual layout."""
    tokenizer, model = build_encoder()
    with quiet():
        tokenizer.save_pretrained(folder)
        model.save_pretrained(folder)
    return Path(folder)
