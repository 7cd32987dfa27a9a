"""The labels that Self_MM generates equal the reference's over three epochs of two batches; how
training uses them; and its parameter groups."""

from __future__ import annotations

import golden_files as gf
import pytest
import torch
from bert_cases import clips, epochs, make, short, tiny_bert

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
    """D35: as run, some labels leave [-1, 1]; mended, there is a bound of 1 and none does."""
    as_run = [labels[s].abs().max() for _, labels in run(golden, tables(golden)) for s in UNIMODAL]
    mended = [
        labels[s].abs().max()
        for _, labels in run(golden, tables(golden, bound=1.0))
        for s in UNIMODAL
    ]
    assert max(as_run) > 1 >= max(mended)

    sizes = Sizes(train_clips=8)
    assert SelfMM(SelfMMSettings(text="frozen"), sizes).generated.bound == 3.0
    assert SelfMM(SelfMMSettings(text="frozen", mended=("D35",)), sizes).generated.bound == 1.0


def test_tables_survive_a_checkpoint(golden):
    """An interrupted run continues with the labels that it had."""
    straight, resumed = tables(golden), tables(golden)
    steps = run(golden, straight)
    next(steps)
    resumed.load_state_dict(straight.state_dict())
    for epoch, labels in steps:
        for batch in (0, 1):
            rows = golden[f"input.epoch{epoch}.batch{batch}.index"]
            resumed.update(rows, features(golden, epoch, batch), epoch)
        gf.check(dict(zip(SOURCES, resumed.labels, strict=True)), labels, 0)


def test_self_mm_labels_follow_from_epoch_2_on():
    """In epoch 1 all labels are the annotated ones, and the unimodal heads get no gradient and
    change by weight decay only."""
    torch.manual_seed(0)
    model, batch = make("Self_MM", training=short("Self_MM", accumulate=1)), clips()
    annotated = batch.label("M")
    stepwise = epochs(model, batch, 2)
    losses = next(stepwise)["train"]
    assert losses["text"] == losses["audio"] == losses["vision"] == 0 and losses["fusion"] > 0
    assert all(torch.equal(labels, annotated) for labels in model.generated.labels)
    assert all(
        p.grad is not None and p.grad.abs().sum() == 0 for p in model.heads["text"].parameters()
    )
    next(stepwise)
    fusion, *unimodal = model.generated.labels
    assert torch.equal(fusion, annotated)
    assert all((labels != annotated).any() and labels.isfinite().all() for labels in unimodal)


def test_self_mm_centres_equal_a_loop():
    model, batch = make("Self_MM", training=short("Self_MM")), clips()
    batch.labels[:2, 0] = 0.0  # in neither centre
    list(epochs(model, batch, 2))
    for source, labels in zip(SOURCES, model.generated.labels, strict=True):
        table, centres = (
            getattr(model.generated, f"{part}_{source}") for part in ("features", "centres")
        )
        for sign, centre in zip((1, -1), centres, strict=True):
            rows = [table[i] for i in range(len(labels)) if labels[i] * sign > 0]
            torch.testing.assert_close(centre, sum(rows) / len(rows))


def test_self_mm_groups():
    """Every parameter is in one group; BERT's biases and layer norms are not decayed."""
    model = make("Self_MM", tiny_bert(pooler=False), text="finetune")
    (optimizer,) = model.optimizers()
    decay = {
        id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]
    }
    assert set(decay) == {id(p) for p in model.parameters()}
    for name, parameter in model.text.encoder.named_parameters():
        undecayed = name.endswith((".bias", "LayerNorm.weight"))
        assert decay[id(parameter)] == (0.0 if undecayed else 0.01), name
