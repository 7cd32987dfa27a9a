"""A step that is recorded on a GPU, with a stand-in for the recording: what is repeated is the
step itself, and whatever goes wrong leaves the training as it would be without."""

from __future__ import annotations

import gc
import warnings
import weakref
from dataclasses import replace

import pytest
import torch
from graphs import stand_in

from avmc_core import draws
from avmc_core.batch import Batch
from avmc_core.kernels import gpu
from avmc_core.kernels.adam import Adam
from avmc_core.mixup import Draw
from avmc_core.models import registry
from avmc_core.models.base import Sizes
from avmc_core.runs import recorded_step
from avmc_core.runs.joint import Joint
from avmc_core.runs.recorded_step import RecordedStep

CLIPS, SHORT = 4, 3


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(recorded_step, "_failed", False)


def batches():
    """Six of one size, and a smaller one among them."""
    made = torch.Generator().manual_seed(0)
    for number in range(7):
        clips = SHORT if number == 3 else CLIPS
        text, audio = (torch.randn(clips, 1, 5, generator=made) for _ in range(2))
        labels = torch.randn(clips, 4, generator=made)
        drawn = Draw(torch.randperm(clips, generator=made), torch.rand(1, generator=made))
        yield Batch.of(text, audio, audio, labels), {"audio": drawn}


def trained(recording=False):
    """Losses, weights and the optimiser's state after all batches."""
    torch.manual_seed(0)
    layer, keys = torch.nn.Linear(5, 4), draws.Keys.on("cpu", 1)
    optimizer = Adam([{"params": list(layer.parameters()), "lr": 1e-2, "weight_decay": 0.1}])

    def step(batch, drawn):
        keys.next_step()
        layer.zero_grad(set_to_none=True)
        mixed = drawn["audio"].mix(layer(batch.audio[:, 0]) * keys.values)
        loss = (mixed - batch.labels).abs().mean()
        loss.backward()
        optimizer.step()
        return {"total": loss.detach()}

    def state():
        values = [value for own in optimizer.state.values() for value in own.values()]
        return [*layer.parameters(), *values, keys.values]

    recorded = RecordedStep(optimizer, state) if recording else None
    losses = [
        (recorded(step, *given) if recorded else step(*given))["total"].clone()
        for given in batches()
    ]
    return [*losses, *state()]


def same(ours, theirs):
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_what_is_repeated_is_the_step(monkeypatch):
    """The same losses, weights and state of the optimiser; batches of another size are computed as
    they are."""
    record = stand_in()
    monkeypatch.setattr(recorded_step, "cuda_graph", record)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same(trained(True), trained())
    assert len(record.calls) == 5, "of seven, not the first and not the smaller one"


def test_a_recording_with_other_results_is_not_used(monkeypatch):
    record = stand_in(off=1e-6)
    monkeypatch.setattr(recorded_step, "cuda_graph", record)
    with pytest.warns(UserWarning, match="not recorded on this GPU: it gives other bytes"):
        assert same(trained(True), trained())
    assert len(record.calls) == 1 and not recorded_step.wanted()


def test_a_recording_that_fails_is_not_used(monkeypatch):
    """It had already made a step when it failed."""

    def record(compute, optimizer):
        compute()
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(recorded_step, "cuda_graph", record)
    with pytest.warns(UserWarning, match="RuntimeError: operation not permitted"):
        assert same(trained(True), trained())
    assert not recorded_step.wanted()


def test_it_can_be_switched_off(monkeypatch):
    assert recorded_step.wanted()
    monkeypatch.setenv("AVMC_GRAPHS", "0")
    assert not recorded_step.wanted()


def test_every_tensor_of_a_batch_is_brought_to_the_recording(monkeypatch):
    """Also what the step here does not read, such as tokens."""
    monkeypatch.setattr(recorded_step, "cuda_graph", stand_in())
    seen = []

    def step(batch, drawn):
        seen.append([x.clone() for x in recorded_step._tensors(batch, drawn)])
        return {"total": torch.zeros(1)}

    recorded = RecordedStep(None, lambda: [torch.zeros(1)])
    for number, (batch, drawn) in enumerate(batches()):
        batch = replace(batch, tokens=batch.tokens + number)
        recorded(step, batch, drawn)
        assert same(seen[-1], recorded_step._tensors(batch, drawn))


def test_recordings_end_with_their_network(monkeypatch):
    """At once: Python's own search for cycles may come while the next graph is recorded, and until
    then the memory of this one would be taken."""
    monkeypatch.setattr(gpu, "on_gpu", lambda x: True)
    model = registry.builder("AV-MC")(registry.settings_of("AV-MC"), Sizes())
    joint = Joint.of([(model, model.optimizers())], "cpu")
    recorded = weakref.ref(joint.recorded_step(0, joint.optimizers[0]))
    weights = weakref.ref(next(joint.model.parameters()))
    assert any(x is weights() for x in recorded().state())
    gc.disable()
    try:
        del joint
        assert recorded() is None
    finally:
        gc.enable()
