"""Seeds side by side as a GPU trains them, on this machine: equal to the compiled network that a
CPU trains, to seeds alone, to a second time and to a training that was interrupted."""

from __future__ import annotations

import pytest
import torch
from graphs import stand_in
from interrupted import interrupted_after

from avmc_core import draws
from avmc_core.models import avmc_networks, lmf, mlf_dnn, unimodal_lstm
from avmc_core.models.avmc import SEMI, SUPERVISED
from avmc_core.runs import recorded_step, together
from avmc_core.runs.execution import StoreData, execute_together, network
from avmc_core.runs.store import PREDICTIONS, WEIGHTS
from avmc_core.runs.together import Seed, train_together
from avmc_core.runs.weight_sets import stacked
from avmc_core.settings import replace as change

SEEDS = (3, 1, 7)
SHORT = {"training.max_epochs": 3, "training.batch_size": 8}
STEPS = {
    "released supervised": SUPERVISED,
    "released semi": SEMI,
    "paper semi": change(SEMI, {"variant": "paper"}),
    "mixed frames": change(SUPERVISED, {"variant": "paper", "mixup.level": "input"}),
    "LSTM of texts": unimodal_lstm.SETTINGS,
    "LSTM of frames": change(unimodal_lstm.SETTINGS, {"modality": "audio", "task": "A"}),
    "MLF_DNN": mlf_dnn.SETTINGS,
    "LMF, mended": change(lmf.SETTINGS, {"mended": ("D20", "D32")}),
}
BUILD = {
    unimodal_lstm.UnimodalLSTMSettings: unimodal_lstm.UnimodalLSTM,
    mlf_dnn.MLFDNNSettings: mlf_dnn.MLFDNN,
    lmf.LMFSettings: lmf.LMF,
}


def builder(settings):
    return BUILD.get(type(settings), avmc_networks.build)


@pytest.fixture(autouse=True)
def steps_as_they_are(monkeypatch):
    """There is no GPU to record them."""
    monkeypatch.setenv("AVMC_GRAPHS", "0")


def one_step(settings, store, folder, seeds=SEEDS, still=False):
    """Losses and gradients of each seed, from its own clips and with its own partners and
    lambdas."""
    build = network(builder(settings), settings, store)
    group = [Seed.of(build, seed, folder) for seed in seeds]
    model, _ = stacked([seed.model for seed in group], [seed.optimizers for seed in group])
    for module in model.modules():
        if still and isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    data = StoreData(store)("train", model.inputs)
    rows = [torch.randperm(len(data), generator=seed.generator)[:6] for seed in group]
    batch = data.batch(torch.cat(rows))
    batch = together.mapped(batch, lambda x: x.view(len(group), 6, *x.shape[1:]))
    keys = draws.Keys.on("cpu", len(group))
    with draws.streams([seed.generator for seed in group], keys):
        losses = model.loss(batch, "mixup")
    losses["total"].sum().backward()
    gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    return {n: v.detach() for n, v in losses.items()}, gradients


@pytest.mark.parametrize("name", STEPS)
def test_a_step_is_the_compiled_networks(name, as_on_gpu, tiny_store, tmp_path):
    """Without dropout, whose numbers are others on a GPU. Gradients to 1e-4 of their norm: batch
    norm over six clips magnifies the last digits where a column hardly varies."""
    found = []
    for yes in (True, False):
        as_on_gpu(yes)
        found.append(one_step(STEPS[name], tiny_store, tmp_path, still=True))
    (losses, gradients), (expected, theirs) = found
    torch.testing.assert_close(losses, expected, rtol=1e-5, atol=1e-6)
    assert gradients.keys() == theirs.keys()
    for entry, gradient in theirs.items():
        off = (gradients[entry] - gradient).norm()
        assert off <= 1e-4 * max(gradient.norm(), 1e-3), entry


@pytest.mark.parametrize(
    "settings",
    [SUPERVISED, SEMI, STEPS["LSTM of frames"], STEPS["MLF_DNN"], STEPS["LMF, mended"]],
    ids=["supervised", "semi", "LSTM", "MLF_DNN", "LMF"],
)
def test_a_seed_in_company_makes_the_step_that_it_makes_alone(
    settings, as_on_gpu, tiny_store, tmp_path
):
    """With dropout: losses and gradients agree to 1e-5, the digits of batched products."""
    as_on_gpu(True)
    losses, gradients = one_step(settings, tiny_store, tmp_path)
    for place, seed in enumerate(SEEDS):
        own, theirs = one_step(settings, tiny_store, tmp_path, (seed,))
        for name, value in own.items():
            torch.testing.assert_close(losses[name][place], value[0], rtol=1e-5, atol=1e-6)
        for name, gradient in theirs.items():
            off = (gradients[name][place] - gradient[0]).norm()
            assert off <= 1e-5 * max(gradient.norm(), 1e-3), name


def trained(store, folder, settings, seeds=SEEDS):
    folders = [folder / str(seed) for seed in seeds]
    for path in folders:
        path.mkdir(parents=True, exist_ok=True)
    done = dict(execute_together(builder(settings), settings, StoreData(store), seeds, folders))
    assert all(outcome["status"] == "done" for outcome in done.values())
    files = [[(path / name).read_bytes() for name in (PREDICTIONS, WEIGHTS)] for path in folders]
    return files, [done[number]["history"] for number in range(len(seeds))]


def test_again_and_after_an_interruption_to_the_same_bytes(
    as_on_gpu, tiny_store, tmp_path, monkeypatch
):
    as_on_gpu(True)
    settings = change(SUPERVISED, SHORT)
    whole = trained(tiny_store, tmp_path / "whole", settings)
    assert trained(tiny_store, tmp_path / "again", settings) == whole
    folders = [tmp_path / "killed" / str(seed) for seed in SEEDS]
    for path in folders:
        path.mkdir(parents=True)
    with interrupted_after(2 * len(SEEDS), monkeypatch):
        build = network(avmc_networks.build, settings, tiny_store)
        list(train_together(build, StoreData(tiny_store), SEEDS, folders))
    assert trained(tiny_store, tmp_path / "killed", settings) == whole


def test_with_recorded_steps_to_the_same_bytes(as_on_gpu, tiny_store, tmp_path, monkeypatch):
    """A stand-in for the graph of a GPU. The last
    batch of an epoch is smaller, and a seed ends before the others."""
    as_on_gpu(True)
    settings = change(SUPERVISED, SHORT | {"training.batch_size": 7, "training.patience": 1})
    as_they_are = trained(tiny_store, tmp_path / "steps", settings)
    monkeypatch.setenv("AVMC_GRAPHS", "1")
    record = stand_in()
    monkeypatch.setattr(recorded_step, "cuda_graph", record)
    assert trained(tiny_store, tmp_path / "recorded", settings) == as_they_are
    assert len(record.calls) > 3


def test_alone_the_first_epochs_losses_are_those_in_company(as_on_gpu, tiny_store, tmp_path):
    """To 1e-4 after nine steps."""
    as_on_gpu(True)
    settings = change(SUPERVISED, SHORT | {"training.max_epochs": 1})
    _, beside = trained(tiny_store, tmp_path / "group", settings)
    for place, seed in enumerate(SEEDS):
        _, (own,) = trained(tiny_store, tmp_path / "alone", settings, (seed,))
        for name, value in own[0].items():
            assert beside[place][0][name] == pytest.approx(value, rel=1e-4, abs=1e-5), name
