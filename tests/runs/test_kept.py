"""What pages compute is kept as runs are: computed once for everything that it depends on, and
never used when damaged."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from avmc_core.analysis import predicting
from avmc_core.analysis.predicting import kept_predictions, predictions_of
from avmc_core.errors import InputError
from avmc_core.home import home
from avmc_core.runs.grid import run_all
from avmc_core.runs.kept import kept
from avmc_core.runs.store import Run, RunStore


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("AVMC_HOME", str(tmp_path))


def test_a_result_is_computed_once_for_what_it_depends_on():
    calls = []

    def compute():
        calls.append(len(calls))
        return {"values": np.arange(3) + len(calls), "empty": np.empty((0, 2))}

    first = kept("it", ["avmc_core.schema"], {"run": "a"}, compute)
    again = kept("it", ["avmc_core.schema"], {"run": "a"}, compute)
    assert calls == [0]
    for name, values in first.items():
        np.testing.assert_array_equal(again[name], values)
    kept("it", ["avmc_core.schema"], {"run": "b"}, compute)
    kept("it", ["avmc_core.metrics"], {"run": "a"}, compute)
    assert len(calls) == 3, "another run, other code"


def test_a_damaged_result_is_an_error():
    kept("it", ["avmc_core.schema"], {}, lambda: {"values": np.arange(3.0)})
    (path,) = (home() / "kept").iterdir()
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="kept result"):
        kept("it", ["avmc_core.schema"], {}, dict)


def test_kept_answers_are_the_answers(tiny_store, tmp_path):
    few = (("training.max_epochs", 1),)
    grid = [Run("AV-MC", 1, few, "w/o a.b"), Run("AV-MC", 2, few, "w/o a.b"), Run("Constant", 1)]
    records = run_all(
        grid, tiny_store, RunStore(tmp_path / "runs"), jobs=1, device="cpu", progress_bar=False
    )
    test = tiny_store.split("test")
    wanted = predictions_of(records, tiny_store, test)
    for _ in range(2):
        found = kept_predictions(records, tiny_store, test)
        assert found.keys() == wanted.keys()
        for name, tasks in wanted.items():
            assert found[name].keys() == tasks.keys()
            for task, values in tasks.items():
                np.testing.assert_array_equal(found[name][task], values)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_clips_are_predicted_with_the_arithmetic_of_runs(device, tiny_store, tmp_path, monkeypatch):
    """On a GPU without TF32, as the predictions that a run keeps."""
    few = (("training.max_epochs", 1),)
    records = run_all(
        [Run("AV-MC", 1, few)],
        tiny_store,
        RunStore(tmp_path),
        jobs=1,
        device="cpu",
        progress_bar=False,
    )
    seen = []

    def predicted(model, data, where):
        seen.append((where, torch.backends.cudnn.allow_tf32))
        return {"M": np.zeros(len(data), np.float32)}

    monkeypatch.setattr(predicting, "predict", predicted)
    monkeypatch.setattr(torch.nn.Module, "to", lambda self, device: self)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    monkeypatch.delenv("AVMC_TF32", raising=False)
    predictions_of(records, tiny_store, tiny_store.split("test"), device)
    assert seen == [(device, device == "cpu")]
