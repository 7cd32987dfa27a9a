"""The device under test, and every network on generated clips."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache

import torch

from avmc_core.data.batches import SplitData
from avmc_core.data.store import Split
from avmc_core.models import registry
from avmc_core.models.base import Model
from avmc_core.speed.bench_cases import (
    bert,
    made_up,
    no_fixed_points,
    sizes_of,
    without_dropout,
)

DEVICE = os.environ.get("AVMC_TEST_DEVICE") or "cpu"
CLIPS, WORDS = 12, 100
STEPS = {"text": 20, "audio": 40, "vision": 25}
NETWORKS = [
    name for name in registry.MODELS if name not in ("Constant", "Text-only ridge", "Late mean")
]
FEW = ("AV-MC", "AV-MC(Semi)", "MFN", "MulT", "Self_MM")  # of the rehearsal on a processor
CHANGES = {"Layered LSTM": {"layers": 5}, "Unimodal LSTM": {"modality": "vision", "task": "V"}}


def here(all_of_them, few):
    """All cases on a GPU, and a few of them in the rehearsal on a CPU."""
    return list(few if DEVICE == "cpu" else all_of_them)


@cache
def clips() -> Split:
    """Random clips of the released widths and of different lengths."""
    split = made_up(CLIPS, STEPS)
    tokens = split.tokens.copy()
    tokens[:, 0] %= WORDS
    return replace(split, tokens=tokens)


def network(name: str) -> Model:
    """At its published sizes, with the same weights each time and without dropout."""
    settings, build = registry.settings_of(name, CHANGES.get(name)), registry.builder(name)
    sizes = sizes_of(clips())
    torch.manual_seed(0)
    if getattr(settings, "text", "frozen") == "frozen":
        model = build(settings, sizes)
    else:
        model = build(settings, sizes, bert(1, WORDS))
    without_dropout(model)
    return model


def step(name: str, device: str) -> dict[str, torch.Tensor]:
    """Losses and gradients of one step on a device; random numbers are drawn on the CPU."""
    model = network(name).to(device)
    single = model.passes(1)[-1]
    model.begin_pass(single, 1)
    without_dropout(model)
    torch.manual_seed(1)
    drawn = []
    if single.stage == "mixup":
        found = no_fixed_points(model.draws(CLIPS))
        drawn = [
            {
                n: replace(d, partner=d.partner.to(device), lam=d.lam.to(device))
                for n, d in found.items()
            }
        ]
    batch = SplitData(clips(), model.inputs).batch(torch.arange(CLIPS)).to(device)
    losses = model.loss(batch, single.stage, *drawn)
    losses["total"].backward()
    found = {f"loss {n}": value.detach() for n, value in losses.items()}
    found |= {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    return {n: value.double().cpu() for n, value in found.items()}
