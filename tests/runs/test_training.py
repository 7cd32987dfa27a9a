"""The trainer is deterministic to the byte and can be resumed after a kill; its details agree with
loops."""

from __future__ import annotations

import math
import os
import signal
import time
from dataclasses import dataclass

import pytest
import torch
from processes import killed_itself

from avmc_core.batch import Inputs
from avmc_core.models import avmc_networks
from avmc_core.models.avmc import SEMI
from avmc_core.models.base import Model, Pass, Training, adam
from avmc_core.runs import training, training_state
from avmc_core.runs.execution import StoreData, execute
from avmc_core.runs.store import PREDICTIONS, WEIGHTS
from avmc_core.runs.training import TrainingFailed, train, validation_loss
from avmc_core.settings import replace

SETTINGS = replace(SEMI, {"training.max_epochs": 4, "training.batch_size": 8})


def run(store, folder, settings=SETTINGS, seed=1):
    folder.mkdir(exist_ok=True)
    outcome = execute(avmc_networks.build, settings, StoreData(store), seed, folder)
    return outcome, {name: (folder / name).read_bytes() for name in (PREDICTIONS, WEIGHTS)}


def test_same_seed_same_bytes(tiny_store, tmp_path):
    first, files = run(tiny_store, tmp_path / "a")
    second, again = run(tiny_store, tmp_path / "b")
    assert files == again
    assert first["history"] == second["history"]
    assert run(tiny_store, tmp_path / "c", seed=2)[1][PREDICTIONS] != files[PREDICTIONS]


def test_resident_splits_give_the_same_bytes(tiny_store, tmp_path, monkeypatch):
    """The code path of a GPU that has room for the splits, forced on the CPU; each split is moved
    once per run."""
    _, files = run(tiny_store, tmp_path / "batch by batch")
    moved = []

    class Counted(training.Resident):
        def __init__(self, data, device):
            moved.append(data.split.name)
            super().__init__(data, device)

    monkeypatch.setattr(training, "Resident", Counted)
    run(tiny_store, tmp_path / "no GPU")
    assert not moved
    monkeypatch.setattr(training, "_has_room", lambda split, device: True)
    assert run(tiny_store, tmp_path / "resident")[1] == files
    assert sorted(moved) == ["train", "train_mix", "valid"]


@pytest.mark.parametrize(("free", "room"), [(1.9, False), (2.1, True)])
def test_a_gpu_without_room_takes_batches_one_by_one(tiny_store, monkeypatch, free, room):
    data = StoreData(tiny_store)("train", Inputs())
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (int(free * data.nbytes), 0))
    assert training._has_room(data, "cuda") == room and not training._has_room(data, "cpu")


@pytest.mark.parametrize("rarely", [0.0, 1e9])
def test_killed_in_mid_epoch_and_resumed_gives_the_same_bytes(tiny_store, tmp_path, rarely):
    """Also if only the first epoch was saved and not every one."""
    _, whole = run(tiny_store, tmp_path / "whole")
    one_pass, passes = training._one_pass, iter(range(5))

    def dying(model, data, *rest):
        if next(passes, None) is None:  # the second pass of the third epoch, after one batch
            batch, batches = data.batch, iter(range(1))

            def some(rows):
                if next(batches, None) is None:
                    os.kill(os.getpid(), signal.SIGKILL)
                return batch(rows)

            data.batch = some
        return one_pass(model, data, *rest)

    def work():
        training._one_pass, training.RARELY = dying, rarely
        run(tiny_store, tmp_path / "killed")

    assert killed_itself(work)
    assert "state.safetensors" in [p.name for p in (tmp_path / "killed").iterdir()]
    outcome, resumed = run(tiny_store, tmp_path / "killed")
    assert outcome["epochs"] == 4 and resumed == whole


@dataclass(frozen=True)
class LineSettings:
    lr: float = 0.1
    training: Training = Training(batch_size=8, max_epochs=3)


class Line(Model):
    """The smallest model: one weight, M = w."""

    def __init__(self, settings):
        super().__init__()
        self.settings, self.w, self.seen = settings, torch.nn.Parameter(torch.zeros(())), []

    def forward(self, batch):
        return {"M": self.w.expand(len(batch))}

    def optimizers(self):
        return [adam({"params": [self.w], "lr": self.settings.lr})]

    def after_backward(self, batch, epoch):
        self.seen.append(self.w.grad.item())


def fit(store, folder, **limits):
    folder.mkdir()
    settings = LineSettings(training=Training(**{"batch_size": 8, "max_epochs": 3, **limits}))
    return train(lambda: Line(settings), StoreData(store), 0, folder)


def test_early_stopping_keeps_the_best_epoch(tiny_store, tmp_path):
    """M = w under L1 climbs to the median and oscillates; training ends ``patience`` epochs after
    the best one."""
    model, progress = fit(tiny_store, tmp_path / "a", max_epochs=0, patience=3)
    losses = [row["validation"] for row in progress.history]
    assert progress.epoch == progress.best_epoch + 3
    assert math.isclose(min(losses), progress.best_loss, abs_tol=1e-6)
    valid = StoreData(tiny_store)("valid", model.inputs)
    assert math.isclose(
        validation_loss(model, valid, model.training_settings), progress.best_loss, abs_tol=1e-7
    )


def test_accumulation_sums_and_d29_drops_the_partial_group(tiny_store, tmp_path):
    """24 clips in batches of 5 are five batches: groups of two leave one batch, which steps unless
    D29 drops it."""
    kept, _ = fit(tiny_store, tmp_path / "kept", batch_size=5, accumulate=2, max_epochs=1)
    dropped, _ = fit(
        tiny_store,
        tmp_path / "dropped",
        batch_size=5,
        accumulate=2,
        max_epochs=1,
        drop_partial_group=True,
    )
    assert not torch.equal(kept.w, dropped.w)
    pairs = list(zip(dropped.seen[0:4:2], dropped.seen[1:4:2], strict=True))
    assert all(abs(second) >= abs(first) for first, second in pairs), (
        "gradients add up within a group"
    )


def test_validation_over_clips_and_over_batches(tiny_store):
    """D11: the reference's mean over batches gives the last batch more weight and is rounded; ours
    is the mean over clips, in the order of the store (D17)."""
    model = Line(LineSettings())
    valid = StoreData(tiny_store)("valid", model.inputs)
    labels = torch.cat([b.label("M") for b in valid.in_order()]).double()
    errors = labels.abs()
    clips, batches = (Training(batch_size=5, validation=v) for v in ("clips", "batches"))
    assert math.isclose(validation_loss(model, valid, clips), errors.mean().item(), abs_tol=1e-7)
    by_batch = torch.stack([part.mean() for part in errors.split(5)]).mean().item()
    assert validation_loss(model, valid, batches) == round(by_batch, 4)


def test_validation_over_shuffled_batches(tiny_store):
    """D17: the last, smaller batch holds other clips for each seed, and nothing else makes a
    difference."""
    model = Line(LineSettings())
    valid = StoreData(tiny_store)("valid", model.inputs)
    errors = torch.cat([b.label("M") for b in valid.in_order()]).double().abs()
    shuffled = Training(batch_size=5, validation="shuffled_batches")
    found = [validation_loss(model, valid, shuffled, seed=seed) for seed in range(20)]
    for seed, loss in enumerate(found):
        order = torch.randperm(len(valid), generator=torch.Generator().manual_seed(seed))
        assert loss == round(
            torch.stack([part.mean() for part in errors[order].split(5)]).mean().item(), 4
        )
    assert len(set(found)) > 5
    equal = replace(shuffled, {"batch_size": 4})  # 12 clips in batches of one size
    assert len({validation_loss(model, valid, equal, seed=seed) for seed in range(20)}) == 1


def test_shuffled_validation_draws_anew_each_epoch_and_repeats_after_a_stop(tiny_store, tmp_path):
    """The network does not change, so that only the order of the validation clips can change its
    loss; a run that was stopped continues with the orders that an undisturbed run would have
    drawn."""

    class Still(Line):
        def optimizers(self):
            return [adam({"params": [self.w], "lr": 0.0})]

    settings = Training(batch_size=5, validation="shuffled_batches", max_epochs=6, patience=6)

    def losses(folder, seed, stop=lambda progress: False):
        folder.mkdir(exist_ok=True)
        data = StoreData(tiny_store)
        return [
            row["validation"]
            for row in train(
                lambda: Still(LineSettings(training=settings)), data, seed, folder, stop=stop
            )[1].history
        ]

    whole = losses(tmp_path / "whole", 1)
    assert len(set(whole)) > 2 and losses(tmp_path / "other", 2) != whole
    assert len(losses(tmp_path / "stopped", 1, lambda progress: progress.epoch == 3)) == 3
    assert losses(tmp_path / "stopped", 1) == whole


def test_a_loss_that_is_not_finite_fails_with_its_place(tiny_store, tmp_path):
    class Broken(Line):
        def loss(self, batch, stage):
            return {"total": self.w * torch.nan}

    (tmp_path / "x").mkdir()
    with pytest.raises(TrainingFailed, match=r"epoch 1, pass 'train': the training loss is nan"):
        train(lambda: Broken(LineSettings()), StoreData(tiny_store), 0, tmp_path / "x")


def test_each_pass_uses_its_split_and_optimizer(tiny_store, tmp_path):
    class Two(Line):
        def optimizers(self):
            return [adam({"params": [self.w], "lr": 0.0}), adam({"params": [self.w], "lr": 0.5})]

        def passes(self, epoch):
            return (Pass("train_mix", "first", 0), Pass("train", "second", 1 if epoch == 2 else 0))

        def loss(self, batch, stage):
            return {"total": self.w, stage: torch.tensor(float(len(batch)))}

    (tmp_path / "x").mkdir()
    settings = LineSettings(training=Training(batch_size=8, max_epochs=2, patience=9))
    _, progress = train(lambda: Two(settings), StoreData(tiny_store), 0, tmp_path / "x")
    first, second = progress.history
    assert {"first.total", "first.first", "second.total", "second.second"} <= set(first)
    assert first["second.total"] == 0.0 and second["second.total"] != 0.0, (
        "only optimizer 1 moves the weight"
    )


@pytest.fixture
def every_epoch(monkeypatch):
    """The state of every epoch is saved, however long that takes."""
    monkeypatch.setattr(training, "RARELY", 0.0)


def test_a_large_state_is_saved_rarely(tiny_store, tmp_path, monkeypatch):
    """Saving takes at most about a twentieth of the time: an epoch here takes as long as saving 5
    times, so every fourth one is saved."""
    now, saved = [0.0], []
    save, one_pass = training_state.save, training._one_pass

    def later(function, seconds):
        def call(*rest):
            now[0] += seconds
            return function(*rest)

        return call

    monkeypatch.setattr(training.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(training, "_one_pass", later(one_pass, 5.0))
    monkeypatch.setattr(
        training_state, "save", later(lambda *rest: saved.append(rest[3].epoch) or save(*rest), 1.0)
    )
    (tmp_path / "x").mkdir()
    settings = LineSettings(lr=1e-3, training=Training(batch_size=8, max_epochs=12))
    model, progress = train(lambda: Line(settings), StoreData(tiny_store), 0, tmp_path / "x")
    assert saved == [1, 5, 9] and progress.best_epoch not in saved
    valid = StoreData(tiny_store)("valid", model.inputs)
    assert math.isclose(
        validation_loss(model, valid, model.training_settings), progress.best_loss, abs_tol=1e-7
    )


def test_a_training_on_the_processor_leaves_a_gpu_alone(tiny_store, tmp_path, monkeypatch):
    """Or each of many processes would take some of its memory."""

    def touched(*rest):
        raise AssertionError("asked for the state of a GPU's generator")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state", touched)
    settings = LineSettings(lr=1e-3, training=Training(batch_size=8, max_epochs=1))
    train(lambda: Line(settings), StoreData(tiny_store), 0, tmp_path)
    assert (tmp_path / training_state.STATE).exists()


@pytest.mark.parametrize("fails", [False, True])
def test_seconds_of_an_interrupted_run_are_those_of_all_its_processes(
    tiny_store, tmp_path, monkeypatch, every_epoch, fails
):
    """This holds for a run that fails in the end too. Each pass of each epoch takes one second on a
    clock that otherwise stands still."""
    now, one_pass, save = [100.0], training._one_pass, training_state.save

    def slow(*rest):
        now[0] += 1.0
        if fails and rest[5] == 4:
            return {"total": math.nan}
        return one_pass(*rest)

    def interrupted(*rest):
        save(*rest)
        if rest[3].epoch == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(training.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(training, "_one_pass", slow)
    monkeypatch.setattr(training_state, "save", interrupted)
    folder = tmp_path / "x"
    with pytest.raises(KeyboardInterrupt):
        run(tiny_store, folder)
    now[0] = 5000.0  # another process, later
    monkeypatch.setattr(training_state, "save", save)
    outcome = execute(avmc_networks.build, SETTINGS, StoreData(tiny_store), 1, folder)
    assert outcome["status"] == ("failed" if fails else "done")
    assert outcome["seconds"] == (3 * 2 + 1 if fails else 4 * 2)


def test_resuming_a_finished_state_trains_no_further(tiny_store, tmp_path, every_epoch):
    folder = tmp_path / "x"
    _, progress = fit(tiny_store, folder)
    start = time.perf_counter()
    settings = LineSettings()
    _, again = train(lambda: Line(settings), StoreData(tiny_store), 0, folder)
    assert again.history == progress.history and time.perf_counter() - start < 5
