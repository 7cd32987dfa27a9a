"""Self_MM's generated labels equal the reference's over three epochs of two batches."""

from __future__ import annotations

import golden_files as gf
import pytest
import torch

from avmc_core.models.base import Sizes
from avmc_core.models.self_mm import SOURCES, GeneratedLabels, SelfMM, SelfMMSettings

UNIMODAL = ("text", "audio", "vision")


@pytest.fixture
def golden() -> gf.Golden:
    return gf.read("Self_MM_labels")


def features(golden: gf.Golden, epoch: int, batch: int) -> dict[str, torch.Tensor]:
    return {source: golden[f"input.epoch{epoch}.batch{batch}.{source}"] for source in SOURCES}


def tables(golden: gf.Golden, bound: float = 3.0) -> GeneratedLabels:
    widths = {source: x.shape[1] for source, x in features(golden, 1, 0).items()}
    return GeneratedLabels(len(golden["input.label_M"]), widths, bound)


def run(golden: gf.Golden, generated: GeneratedLabels):
    """One (epoch, labels by source) after each epoch."""
    for epoch in (1, 2, 3):
        for batch in (0, 1):
            rows = golden[f"input.epoch{epoch}.batch{batch}.index"]
            generated.first_seen(rows, golden["input.label_M"][rows])
            generated.update(rows, features(golden, epoch, batch), epoch)
        yield epoch, dict(zip(SOURCES, generated.labels, strict=True))


def test_labels_of_three_epochs_equal_the_reference(golden):
    for epoch, labels in run(golden, tables(golden)):
        gf.check(labels, golden.group(f"output.labels.epoch{epoch}"))
        torch.testing.assert_close(labels["fusion"], golden["input.label_M"])


def test_weighted_losses_equal_the_reference(golden):
    generated = tables(golden)
    list(run(golden, generated))
    losses = generated.losses(torch.arange(8), dict.fromkeys(SOURCES, golden["input.pred"]))
    gf.check(losses, golden.group("loss.weighted"))


def test_mended_labels_stay_within_the_annotated_range(golden):
    """D35: as run, labels leave [-1, 1]; with a bound of 1 none does, and D35 sets that bound."""
    as_run = [labels[s].abs().max() for _, labels in run(golden, tables(golden)) for s in UNIMODAL]
    mended = [labels[s].abs().max() for _, labels in run(golden, tables(golden, bound=1.0)) for s in UNIMODAL]
    assert max(as_run) > 1 >= max(mended)

    sizes = Sizes(train_clips=8)
    assert SelfMM(SelfMMSettings(), sizes).generated.bound == 3.0
    assert SelfMM(SelfMMSettings(mended=("D35",)), sizes).generated.bound == 1.0


def test_tables_survive_a_checkpoint(golden):
    """An interrupted run goes on with the labels it had."""
    straight, resumed = tables(golden), tables(golden)
    steps = run(golden, straight)
    next(steps)
    resumed.load_state_dict(straight.state_dict())
    for epoch, labels in steps:
        for batch in (0, 1):
            rows = golden[f"input.epoch{epoch}.batch{batch}.index"]
            resumed.update(rows, features(golden, epoch, batch), epoch)
        gf.check(dict(zip(SOURCES, resumed.labels, strict=True)), labels, 0)
