"""Seeds that are trained side by side give, byte for byte, what each gives alone."""

from __future__ import annotations

import math
import os
import signal
from dataclasses import replace
from functools import wraps

import pytest
import torch
from interrupted import interrupted_after
from processes import killed_itself

from avmc_core import draws
from avmc_core.data.splits import SplitProtocol
from avmc_core.kernels import compiled
from avmc_core.models import avmc_networks
from avmc_core.models.avmc import SEMI, SUPERVISED
from avmc_core.runs import together as runs_together
from avmc_core.runs import training, training_state
from avmc_core.runs.computing import grouped, run_together
from avmc_core.runs.execution import StoreData, execute, execute_together, network, trains_together
from avmc_core.runs.grid import run_all
from avmc_core.runs.store import PREDICTIONS, WEIGHTS, Run, RunStore
from avmc_core.runs.together import train_together
from avmc_core.settings import replace as change

pytestmark = pytest.mark.skipif(
    compiled.kernels() is None, reason="no C compiler here: seeds are trained one by one"
)
SEEDS = (3, 1, 7)
# Few epochs of patience, so that seeds stop at different epochs; 24 clips in batches of 5, the last
# of which is smaller.
SHORT = {"training.patience": 2, "training.max_epochs": 9, "training.batch_size": 5, "lr": 3e-3}
MODELS = {
    "released supervised": change(SUPERVISED, SHORT),
    "released semi": change(SEMI, SHORT),
    "paper supervised": change(SUPERVISED, SHORT | {"variant": "paper"}),
    "paper semi": change(SEMI, SHORT | {"variant": "paper", "training.accumulate": 2}),
    "mixed hidden layers, clip by clip": change(
        SEMI, SHORT | {"mixup.level": "hidden", "mixup.per_clip": True, "training.clip_value": 0.1}
    ),
    "mixed frames": change(
        SUPERVISED, SHORT | {"variant": "paper", "mixup.level": "input", "mixup.alpha": 0.4}
    ),
    "M alone, mean over batches": change(
        SUPERVISED, SHORT | {"unimodal_tasks": False, "training.validation": "batches"}
    ),
}


def files(folder):
    return {name: (folder / name).read_bytes() for name in (PREDICTIONS, WEIGHTS)}


def together(store, folder, settings, seeds=SEEDS):
    folders = [folder / f"seed {seed}" for seed in seeds]
    for path in folders:
        path.mkdir(parents=True, exist_ok=True)
    found = dict(execute_together(avmc_networks.build, settings, StoreData(store), seeds, folders))
    return {seed: (found[number], folders[number]) for number, seed in enumerate(seeds)}


def alone(store, folder, settings, seed):
    folder.mkdir(parents=True)
    return execute(avmc_networks.build, settings, StoreData(store), seed, folder)


def without_seconds(outcome):
    return {name: value for name, value in outcome.items() if name != "seconds"}


@pytest.mark.parametrize("name", MODELS)
def test_a_seed_gives_the_same_bytes_in_company_and_alone(name, tiny_store, tmp_path):
    """Weights, predictions, history, scores and best epoch are equal."""
    settings, epochs = MODELS[name], set()
    if name != "released supervised":
        settings = change(settings, {"training.max_epochs": 4})
    for seed, (outcome, folder) in together(tiny_store, tmp_path / "group", settings).items():
        own = alone(tiny_store, tmp_path / f"alone {seed}", settings, seed)
        assert without_seconds(own) == without_seconds(outcome)
        assert files(tmp_path / f"alone {seed}") == files(folder)
        epochs.add(outcome["epochs"])
    if name == "released supervised":
        assert len(epochs) > 1, "one seed's early stopping must not stop the others"


def test_company_and_order_change_nothing(whole, tiny_store, tmp_path):
    two = together(tiny_store, tmp_path, MODELS["released semi"], (7, 3))
    assert all(files(two[seed][1]) == files(whole[seed][1]) for seed in two)


@pytest.fixture(scope="module")
def whole(tiny_store, tmp_path_factory):
    """Seeds trained side by side without a disturbance."""
    return together(tiny_store, tmp_path_factory.mktemp("whole"), MODELS["released semi"])


def dying(function, left):
    """``function``, except that after ``left`` calls the process kills itself instead."""
    calls = iter(range(left))

    def call(*rest, **named):
        if next(calls, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*rest, **named)

    return call


@pytest.mark.parametrize(
    ("what", "count"),
    [("batches", 31), ("batches", 58), ("writes", 3), ("writes", 9), ("writes", 14)],
)
def test_killed_and_resumed_gives_the_same_bytes(what, count, whole, tiny_store, tmp_path):
    """Killed in mid-epoch, and while the states of the seeds are written, which are then states of
    different epochs."""

    def work():  # in a process of its own, which the changes below end with
        if what == "batches":
            training.SplitData.batch = dying(training.SplitData.batch, count)
        else:
            training_state.write_sealed_tensors = dying(training_state.write_sealed_tensors, count)
        runs_together.RARELY = 0.0
        together(tiny_store, tmp_path / "killed", MODELS["released semi"])

    assert killed_itself(work)
    assert list((tmp_path / "killed").rglob(training_state.STATE))
    resumed = together(tiny_store, tmp_path / "killed", MODELS["released semi"])
    for seed, (outcome, folder) in whole.items():
        assert without_seconds(outcome) == without_seconds(resumed[seed][0])
        assert files(folder) == files(resumed[seed][1])


def test_what_a_company_began_a_run_alone_goes_on_with(tiny_store, tmp_path, monkeypatch):
    """The state of a seed is that of a run by itself."""
    settings, folder = MODELS["paper semi"], tmp_path / "interrupted"
    expected = without_seconds(alone(tiny_store, tmp_path / "alone", settings, 1))
    folders = [folder / str(seed) for seed in SEEDS]
    for path in folders:
        path.mkdir(parents=True)
    with interrupted_after(2 * len(SEEDS), monkeypatch):
        build = network(avmc_networks.build, settings, tiny_store)
        list(train_together(build, StoreData(tiny_store), SEEDS, folders))
    outcome = execute(
        avmc_networks.build, settings, StoreData(tiny_store), 1, folders[SEEDS.index(1)]
    )
    assert without_seconds(outcome) == expected
    assert files(folders[SEEDS.index(1)]) == files(tmp_path / "alone")


def test_a_seed_that_fails_leaves_the_others_as_they_are(tiny_store, tmp_path, monkeypatch):
    """One weight of one seed is not a number."""
    settings, build = MODELS["released supervised"], avmc_networks.build

    @wraps(build)
    def broken(*arguments):
        model = build(*arguments)
        if torch.initial_seed() == 1:
            model.fusion.layer_3.bias.data.fill_(math.nan)
        return model

    monkeypatch.setattr(avmc_networks, "build", broken)
    found = together(tiny_store, tmp_path / "group", settings)
    assert found[1][0]["status"] == "failed"
    assert found[1][0]["reason"] == "epoch 1, pass 'mixup': the training loss is nan"
    for seed in (3, 7):
        own = alone(tiny_store, tmp_path / f"alone {seed}", settings, seed)
        assert without_seconds(own) == without_seconds(found[seed][0])
    failed = alone(tiny_store, tmp_path / "alone 1", settings, 1)
    assert without_seconds(failed) == without_seconds(found[1][0])


def test_what_is_drawn_side_by_side_is_what_each_generator_gives_alone():
    def drawn(clips, frames, of_each=None):
        return [
            draws.bits((*clips, 5, 3)),
            draws.permutation(9),
            draws.beta(0.5, 2.0, 4),
            draws.bits((frames, 3), of_each),
        ]

    generators = [torch.Generator().manual_seed(seed) for seed in (5, 6)]
    with draws.streams(generators):
        both = drawn((2,), 11, [4, 7])
    assert not draws._streams
    for place, (seed, rows) in enumerate(((5, 4), (6, 7))):
        torch.manual_seed(seed)
        *own, frames = drawn((), rows)
        assert all(torch.equal(a, b[place]) for a, b in zip(own, both, strict=False))
        assert torch.equal(frames, both[3].split([4, 7])[place])


def test_run_all_gives_the_same_records_however_runs_are_put_together(tiny_store, tmp_path):
    short = (("training.max_epochs", 2),)
    grid = [
        Run(model, seed, short) for seed in (1, 2) for model in ("AV-MC", "LF_DNN", "AV-MC(Semi)")
    ]
    grid.append(Run("Constant", 1))
    one, two = (
        run_all(grid, tiny_store, RunStore(tmp_path / str(n)), jobs=n, progress_bar=False)
        for n in (1, 2)
    )
    assert list(one) == grid and list(two) == grid
    for run in grid:
        assert one[run].key == two[run].key and one[run].history == two[run].history
        assert (one[run].folder / PREDICTIONS).read_bytes() == (
            two[run].folder / PREDICTIONS
        ).read_bytes()


def test_which_runs_are_put_together(tiny_store):
    first, second = Run("AV-MC", 1), Run("AV-MC", 2)
    assert grouped([first, Run("LF_DNN", 1), second], tiny_store, "cpu", 2) == [
        [first, second],
        [Run("LF_DNN", 1)],
    ]
    for apart in (
        {"protocol": SplitProtocol(labelled=0.5)},
        {"changes": (("training.clip_norm", 1.0),)},
        {"changes": (("text", "frozen_dropout"),)},
    ):
        grid = [replace(run, **apart) for run in (first, second)]
        assert grouped(grid, tiny_store, "cpu", 2) == [[run] for run in grid]
    shared = [replace(run, protocol=SplitProtocol(standardised=True)) for run in (first, second)]
    assert grouped(shared, tiny_store, "cpu", 2) == [shared], "the same clips for all seeds"
    assert grouped([first, second], tiny_store, "cuda", 1) == [[first], [second]]
    assert grouped([first, first], tiny_store, "cpu", 1) == [[first], [first]]


def test_runs_on_standardised_features_are_the_same_in_company_and_alone(tiny_store, tmp_path):
    """The clips are read as the runs' protocol says and not as the store has them."""
    grid = [
        Run("AV-MC", seed, (("training.max_epochs", 2),), protocol=SplitProtocol(standardised=True))
        for seed in (1, 2)
    ]
    one = run_all(grid, tiny_store, RunStore(tmp_path / "one"), jobs=1, progress_bar=False)
    for run in grid:
        own = run_all([run], tiny_store, RunStore(tmp_path / "own"), jobs=1, progress_bar=False)
        assert own[run].history == one[run].history
        raw = replace(run, protocol=SplitProtocol())
    other = run_all([raw], tiny_store, RunStore(tmp_path / "own"), jobs=1, progress_bar=False)
    assert other[raw].history != one[run].history


def test_large_data_are_split_over_idle_processes(tiny_store, monkeypatch):
    """Small data are not: the training would be over before another process has started."""
    grid = [Run("AV-MC", seed) for seed in range(5)]
    assert [len(part) for part in grouped(grid, tiny_store, "cpu", 2)] == [5]
    monkeypatch.setattr("avmc_core.runs.computing.LARGE", 20)
    assert [len(part) for part in grouped(grid, tiny_store, "cpu", 2)] == [3, 2]
    more = [*grid, *(Run("AV-MC(Semi)", seed) for seed in range(5))]
    assert [len(part) for part in grouped(more, tiny_store, "cpu", 2)] == [5, 5]
    # a model that reads frames has more work with as many clips
    paper = [Run("AV-MC", seed, (("variant", "paper"),)) for seed in range(5)]
    clips = tiny_store.split("train").clips
    frames = int(clips["audio_length"].sum() + clips["vision_length"].sum())
    monkeypatch.setattr("avmc_core.runs.computing.FRAMES", 2)
    assert len(clips) < frames / 2
    for large, parts in ((frames / 2, [3, 2]), (frames / 2 + 1, [5])):
        monkeypatch.setattr("avmc_core.runs.computing.LARGE", large)
        assert [len(part) for part in grouped(paper, tiny_store, "cpu", 2)] == parts
        assert [len(part) for part in grouped(grid, tiny_store, "cpu", 2)] == [5]
    monkeypatch.setattr("avmc_core.runs.computing.FRAMES", 10)
    # an epoch with unlabelled clips sees them all, and the labelled ones twice
    labelled, every = (len(tiny_store.split(name).labels) for name in ("train", "train_mix"))
    monkeypatch.setattr("avmc_core.runs.computing.LARGE", labelled + every)
    assert [len(part) for part in grouped(more[5:], tiny_store, "cpu", 2)] == [3, 2]
    assert [len(part) for part in grouped(grid, tiny_store, "cpu", 2)] == [5]


def test_a_run_that_another_process_computes_is_waited_for(tiny_store, tmp_path):
    """Here the lock of another file descriptor stands for the other process, which has finished
    when the run is requested again."""
    short = (("training.max_epochs", 1),)
    group, runs = [Run("AV-MC", seed, short) for seed in (1, 2)], RunStore(tmp_path / "runs")
    data = StoreData(tiny_store)
    with runs.claim(group[0].key(tiny_store)):
        elsewhere = RunStore(tmp_path / "elsewhere")
        other = run_together(group[:1], data, elsewhere)[0]
        os.rename(other.folder, runs.root / other.key)
    records = run_together(group, data, runs)
    assert [record.seed for record in records] == [1, 2] and records[0].history == other.history


def test_who_does_not_train_together(tiny_store, monkeypatch):
    assert trains_together(avmc_networks.build, SEMI, tiny_store)
    assert not trains_together(avmc_networks.build, SEMI, tiny_store, "cuda")
    monkeypatch.setattr(compiled, "kernels", lambda: None)
    assert not trains_together(avmc_networks.build, SEMI, tiny_store)
