"""Seeds side by side on the device: the numbers that each draws, their first step, and the bytes
of a whole training."""

from __future__ import annotations

import warnings

import pytest
import torch
from device import DEVICE, here
from interrupted import interrupted_after

from avmc_core import draws
from avmc_core.data.batches import Resident
from avmc_core.kernels import compiled
from avmc_core.kernels.dropout import dropout, launches
from avmc_core.models import registry
from avmc_core.runs import together
from avmc_core.runs.computing import run_one, run_together
from avmc_core.runs.execution import StoreData, deterministic, network
from avmc_core.runs.stackable import stackable
from avmc_core.runs.store import PREDICTIONS, WEIGHTS, Run, RunStore
from avmc_core.runs.together import Seed
from avmc_core.runs.weight_sets import stacked

SEEDS = (3, 1, 7)
SHORT = {"training.max_epochs": 4, "training.batch_size": 8}
pytestmark = pytest.mark.skipif(
    compiled.kernels() is None if DEVICE == "cpu" else not launches(),
    reason="seeds are trained one by one here",
)


@pytest.fixture(autouse=True)
def as_in_a_run():
    with deterministic(1, DEVICE):
        yield


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def keys_of(seeds: int) -> draws.Keys | None:
    return None if DEVICE == "cpu" else draws.Keys.on(DEVICE, seeds)


def test_what_a_seed_drops_is_the_same_in_company():
    """To the bit, in two steps of two dropouts."""

    def drawn(*seeds):
        found, keys = [], keys_of(len(seeds))
        with draws.streams(generators(*seeds), keys):
            for _ in range(2):
                if keys is not None:
                    keys.next_step()
                ones = torch.ones(len(seeds), 1000, 33, device=DEVICE)
                found += [dropout(ones, p, True) for p in (0.1, 0.4)]
        return found

    for beside, own in zip(drawn(4, 5, 6), drawn(5), strict=True):
        assert torch.equal(beside[1:2], own)


@pytest.mark.parametrize("name", ["AV-MC", "AV-MC(Semi)"])
@pytest.mark.parametrize("variant", here(["released", "paper"], ["released"]))
def test_the_first_step_is_that_of_a_seed_alone(name, variant, tiny_store, tmp_path):
    """Losses to 1e-5 relative, gradients to 1e-4 of their norm or of a hundredth of the whole
    one's: products of several seeds at once are added in another order. The same clips, partners,
    lambdas and dropped elements."""
    settings = registry.settings_of(name, {"variant": variant})
    build = network(registry.builder(name), settings, tiny_store)
    assert stackable(build, DEVICE)

    def step(*seeds):
        group = [Seed.of(build, seed, tmp_path) for seed in seeds]
        parts = [seed.model for seed in group], [seed.optimizers for seed in group]
        model, _ = stacked(*parts, DEVICE)
        data = StoreData(tiny_store)("train", model.inputs)
        data = data if DEVICE == "cpu" else Resident(data, DEVICE)
        rows = [torch.randperm(len(data), generator=seed.generator)[:16] for seed in group]
        batch = together.mapped(
            data.batch(torch.cat(rows)), lambda x: x.view(len(group), 16, *x.shape[1:])
        )
        with draws.streams([seed.generator for seed in group], keys_of(len(group))):
            losses = model.loss(batch, "mixup")
            losses["total"].sum().backward()
        found = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
        return {n: v.detach().cpu() for n, v in losses.items()}, {
            n: g.double().cpu() for n, g in found.items()
        }

    losses, gradients = step(*SEEDS)
    for place, seed in enumerate(SEEDS):
        own, theirs = step(seed)
        for entry, value in own.items():
            torch.testing.assert_close(losses[entry][place], value[0], rtol=1e-5, atol=1e-6)
        whole = torch.stack([g.norm() for g in theirs.values()]).norm()
        for entry, gradient in theirs.items():
            off = (gradients[entry][place] - gradient[0]).norm()
            assert off <= 1e-4 * max(gradient.norm(), 1e-2 * whole), entry


def files(records):
    assert all(record.status == "done" for record in records), [r.reason for r in records]
    return [
        [(record.folder / name).read_bytes() for name in (PREDICTIONS, WEIGHTS)]
        for record in records
    ]


@pytest.mark.parametrize("name", here(["AV-MC", "AV-MC(Semi)"], ["AV-MC"]))
def test_a_group_again_and_after_a_stop_gives_the_same_bytes(
    name, tiny_store, tmp_path, monkeypatch
):
    """Stopped when each seed has saved its second epoch."""
    group = [Run(name, seed, tuple(SHORT.items())) for seed in SEEDS]
    data = StoreData(tiny_store)

    def records(folder):
        return files(run_together(group, data, RunStore(tmp_path / folder), device=DEVICE))

    whole = records("whole")
    assert records("again") == whole
    with interrupted_after(2 * len(SEEDS), monkeypatch):
        records("stopped")
    assert records("stopped") == whole


@pytest.mark.skipif(DEVICE == "cpu", reason="a CUDA graph; the other tests have a stand-in")
def test_recorded_steps_give_the_bytes_of_the_steps_themselves(tiny_store, tmp_path, monkeypatch):
    """Of AV-MC, whose last batch is smaller than the others, and whose seeds end one by one."""
    changes = {"training.patience": 2, "training.batch_size": 7, "lr": 3e-3}
    group = [Run("AV-MC", seed, tuple(changes.items())) for seed in SEEDS]
    data, found = StoreData(tiny_store), []
    for recorded in ("0", "1"):
        monkeypatch.setenv("AVMC_GRAPHS", recorded)
        store = RunStore(tmp_path / recorded)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="training steps are not recorded")
            found.append(files(run_together(group, data, store, device=DEVICE)))
    assert found[0] == found[1]


def test_a_run_alone_takes_the_same_way(tiny_store, tmp_path, monkeypatch):
    """On a GPU a single seed is trained by the code for several, which its key says; its first
    epoch's losses are those in company to a hundredth: Adam's first steps are as long for a
    gradient of a last digit as for any other."""
    changes = tuple((SHORT | {"training.max_epochs": 1}).items())
    group = [Run("AV-MC", seed, changes) for seed in SEEDS]
    data, calls = StoreData(tiny_store), []
    train = together._train
    monkeypatch.setattr(together, "_train", lambda *rest: calls.append(rest) or train(*rest))
    beside = run_together(group, data, RunStore(tmp_path / "group"), device=DEVICE)
    own = run_one(group[1], data, RunStore(tmp_path / "own"), device=DEVICE)
    assert len(calls) == (1 if DEVICE == "cpu" else 2)
    for name, value in own.history[0].items():
        assert beside[1].history[0][name] == pytest.approx(value, rel=1e-2), name
