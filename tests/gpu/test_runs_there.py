"""Two runs on the device give the same bytes, also when one was stopped and resumed."""

from __future__ import annotations

import warnings

import pytest
import torch
from device import DEVICE, here

from avmc_core.models import registry
from avmc_core.runs.computing import run_one
from avmc_core.runs.execution import StoreData, deterministic, network
from avmc_core.runs.store import PREDICTIONS, WEIGHTS, Run, RunStore
from avmc_core.runs.training import train

SHORT = {"training.max_epochs": 3, "training.batch_size": 8}
MODELS = ("AV-MC", "AV-MC(Semi)", "MFN", "Graph_MFN", "MulT", "MISA", "TFN")


@pytest.mark.parametrize("name", here(MODELS, ["AV-MC(Semi)"]))
def test_the_same_run_twice_gives_the_same_bytes(name, tiny_store, tmp_path):
    changes = SHORT | ({"text": "frozen"} if name == "MISA" else {})
    if name in ("MulT", "MISA"):
        changes |= {"training.accumulate": 1}  # or these few clips would make no step
    run, found = Run(name, 1, tuple(changes.items())), []
    for folder in (tmp_path / "first", tmp_path / "second"):
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*does not have a deterministic.*")
            warnings.filterwarnings("error", message=".*non-deterministic.*")
            record = run_one(run, StoreData(tiny_store), RunStore(folder), device=DEVICE)
        assert record.status == "done", record.reason
        found.append([(record.folder / file).read_bytes() for file in (PREDICTIONS, WEIGHTS)])
    assert found[0] == found[1]


@pytest.mark.parametrize("name", here(["AV-MC", "AV-MC(Semi)", "MFN"], ["AV-MC"]))
def test_a_stopped_run_goes_on_to_the_same_weights(name, tiny_store, tmp_path):
    settings = registry.settings_of(name, SHORT | {"training.max_epochs": 5})
    build = network(registry.builder(name), settings, tiny_store)

    def weights(folder, *stops):
        folder.mkdir()
        with deterministic(1, DEVICE):
            for last in (*stops, 5):
                model, progress = train(
                    build,
                    StoreData(tiny_store),
                    1,
                    folder,
                    device=DEVICE,
                    stop=lambda progress, last=last: progress.epoch >= last,
                )
        return model.state_dict(), progress

    whole, progress = weights(tmp_path / "whole")
    stopped, again = weights(tmp_path / "stopped", 2, 3)
    assert progress == again
    assert all(torch.equal(value, stopped[n]) for n, value in whole.items())
