"""``avmc device`` on a machine with a GPU, as far as one without can tell."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from avmc_core.commands.device import main
from avmc_core.kernels import dropout, gpu, launched

CARD = {"gpu": "NVIDIA H100", "tf32": False, "triton": "3.6.0"}


@pytest.mark.parametrize(
    ("largest", "drops", "recurrences", "seeds"),
    [
        (128, True, "LSTMs of up to 128 hidden units are one launch", "Up to 16 seeds of AV-MC"),
        (64, False, "LSTMs of up to 64 hidden units are one launch", "Seeds are trained one after"),
        (0, True, "LSTMs are computed by cuDNN", "Seeds are trained one after the other"),
    ],
)
def test_what_a_gpu_is_used_for(largest, drops, recurrences, seeds, monkeypatch):
    monkeypatch.setattr("avmc_core.runs.grid.checked_device", lambda device: "cuda")
    monkeypatch.setattr(gpu, "described", lambda: CARD)
    monkeypatch.setattr(launched, "resident", lambda size: True if size <= largest else None)
    monkeypatch.setattr(dropout, "launches", lambda: drops)
    first, second, third = CliRunner().invoke(main).output.splitlines()
    assert first.startswith("Runs are computed on NVIDIA H100, with PyTorch ")
    assert second.startswith(recurrences) and third.startswith(seeds)
