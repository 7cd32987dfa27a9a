"""Seeds side by side of the models besides AV-MC give, byte for byte, what each gives alone."""

from __future__ import annotations

import os
import signal

import pytest
from processes import killed_itself

from avmc_core.kernels import compiled
from avmc_core.runs import together, training
from avmc_core.runs.computing import grouped, run_one, run_together
from avmc_core.runs.execution import StoreData
from avmc_core.runs.store import PREDICTIONS, WEIGHTS, Run, RunStore

pytestmark = pytest.mark.skipif(
    compiled.kernels() is None, reason="no C compiler here: seeds are trained one by one"
)
SEEDS = (3, 1, 7)
# 24 clips in batches of 5, the last of which is smaller
SHORT = {"training.max_epochs": 3, "training.batch_size": 5, "lr": 3e-3}
TEXT_LSTM = "Unimodal LSTM", {}
MODELS = {
    "text": TEXT_LSTM,
    "frames of the face": ("Unimodal LSTM", {"modality": "vision", "task": "V"}),
    "LF_DNN": ("LF_DNN", {}),
    "MLF_DNN": ("MLF_DNN", {}),
    "MLF_DNN, mended": ("MLF_DNN", {"mended": ("D20", "D32")}),
    "LMF": ("LMF", {}),
    "LMF, mended": ("LMF", {"mended": ("D20", "D23", "D32")}),
    "MLMF": ("MLMF", {}),
    "MLMF, mended": ("MLMF", {"mended": ("D23",)}),
}


def group_of(model, changes):
    return [Run(model, seed, tuple((SHORT | changes).items())) for seed in SEEDS]


def outcome(record):
    assert record.status == "done", record.reason
    files = [(record.folder / name).read_bytes() for name in (PREDICTIONS, WEIGHTS)]
    return record.history, record.best_epoch, files


@pytest.mark.parametrize("name", MODELS)
def test_a_seed_gives_the_same_bytes_in_company_and_alone(name, tiny_store, tmp_path):
    """Weights, predictions, history and best epoch are equal. Seeds have texts, and frames, of
    different lengths in their batches."""
    group, data = group_of(*MODELS[name]), StoreData(tiny_store)
    assert grouped(group, tiny_store, "cpu", 1) == [group]
    beside = run_together(group, data, RunStore(tmp_path / "group"))
    for run, record in zip(group, beside, strict=True):
        own = run_one(run, data, RunStore(tmp_path / "alone"))
        assert outcome(record) == outcome(own)


@pytest.mark.parametrize(
    "change", [{"training.patience": 1, "training.max_epochs": 12}, {"dropout": 0.0}]
)
def test_seeds_that_stop_early_and_without_dropout(change, tiny_store, tmp_path):
    group, data = group_of(TEXT_LSTM[0], change), StoreData(tiny_store)
    beside = run_together(group, data, RunStore(tmp_path / "group"))
    own = [run_one(run, data, RunStore(tmp_path / "alone")) for run in group]
    assert [*map(outcome, beside)] == [*map(outcome, own)]
    if "dropout" not in change:
        assert len({record.epochs for record in own}) > 1


def test_killed_and_resumed_gives_the_same_bytes(tiny_store, tmp_path):
    """Killed in the second epoch."""
    group = group_of(*TEXT_LSTM)
    whole = run_together(group, StoreData(tiny_store), RunStore(tmp_path / "whole"))
    batch, left = training.SplitData.batch, iter(range(9))

    def dying(*rest):
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return batch(*rest)

    def work():  # in a process of its own, which the changes end with
        training.SplitData.batch, together.RARELY = dying, 0.0
        run_together(group, StoreData(tiny_store), RunStore(tmp_path / "killed"))

    assert killed_itself(work)
    resumed = run_together(group, StoreData(tiny_store), RunStore(tmp_path / "killed"))
    assert [*map(outcome, resumed)] == [*map(outcome, whole)]


@pytest.mark.parametrize("model", ["Layered LSTM", "TFN", "MTFN"])
def test_who_does_not_keep_company(model, tiny_store):
    group = group_of(model, {})
    assert grouped(group, tiny_store, "cpu", 1) == [[run] for run in group]
