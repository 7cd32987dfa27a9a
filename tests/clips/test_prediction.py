"""Model packages repeat the predictions of their runs; the shares that explain a prediction are
Shapley values and add up to it."""

from __future__ import annotations

import dataclasses
from hashlib import sha256
from itertools import permutations, product

import matplotlib
import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save_file

from avmc_core import schema
from avmc_core.clips.clip_features import ExtractionSettings
from avmc_core.clips.prediction import clip_of, explain, shapley
from avmc_core.commands.main import main
from avmc_core.data.splits import SplitProtocol
from avmc_core.errors import InputError
from avmc_core.runs.exporting import collect, model_card, write_package
from avmc_core.runs.grid import run_all
from avmc_core.runs.packages import read_package
from avmc_core.runs.store import Run, RunStore

matplotlib.use("agg")
CHANGES = (("training.max_epochs", 1),)
COALITIONS = list(product((False, True), repeat=3))


@pytest.fixture(scope="module")
def trained(tiny_store, tmp_path_factory):
    """Two seeds of AV-MC, one model with other settings, and a constant, with their run store."""
    runs = RunStore(tmp_path_factory.mktemp("runs"))
    grid = [
        Run("AV-MC", 1, CHANGES),
        Run("AV-MC", 2, CHANGES),
        Run("LF_DNN", 1, CHANGES),
        Run("Constant", 1),
    ]
    records = run_all(grid, tiny_store, runs, jobs=1, progress_bar=False)
    return runs, list(records.values())


@pytest.fixture(scope="module")
def package(trained, tiny_store):
    runs, records = trained
    return collect(records[0].key[:12], runs, tiny_store)


def test_a_package_predicts_what_its_runs_predicted(trained, package, tiny_store, tmp_path):
    """For every seed and task, on clips of the test split, after the package was written to a file
    and read again."""
    read = read_package(write_package(package, tmp_path / "model.avmc.safetensors"))
    assert list(read.weights) == [1, 2]
    test = tiny_store.split("test")
    for row in range(3):
        said = explain(read, clip_of(test, row))
        for task in schema.TASKS:
            expected = [record.predictions("test")[task][row] for record in trained[1][:2]]
            np.testing.assert_allclose(said.tasks[task], expected, atol=1e-5)


def test_shares_and_the_average_clip_add_up_to_the_prediction(package, tiny_store):
    said = explain(package, clip_of(tiny_store.split("test"), 0))
    np.testing.assert_allclose(sum(said.shares.values()) + said.empty, said.tasks["M"], atol=1e-6)
    assert np.ptp(np.stack(list(said.shares.values()))) > 0
    assert set(said.strange) == set(schema.MODALITIES)


def test_shapley_values_are_the_mean_over_all_orders():
    """By definition, a share is what a player adds on joining, averaged over the six orders."""
    worth = np.random.default_rng(0).normal(size=(2, 8))
    value = {coalition: worth[:, number] for number, coalition in enumerate(COALITIONS)}
    naive = np.zeros((3, 2))
    for order in permutations(range(3)):
        inside = [False] * 3
        for player in order:
            before = value[tuple(inside)]
            inside[player] = True
            naive[player] += (value[tuple(inside)] - before) / 6
    np.testing.assert_allclose(shapley(worth, COALITIONS), naive, atol=1e-12)


def test_an_additive_game_gives_each_player_its_own_part():
    parts = np.array([0.5, -0.2, 0.1])
    worth = np.array([[np.dot(parts, coalition) for coalition in COALITIONS]])
    np.testing.assert_allclose(shapley(worth, COALITIONS)[:, 0], parts)


def test_an_average_clip_has_no_shares(package, tiny_store):
    """For a clip whose steps all equal the training means no feature is unusual, and no modality
    moves M."""
    from dataclasses import replace

    clip = clip_of(tiny_store.split("test"), 0)
    means = {
        n: np.tile(package.statistics[n][0], (len(getattr(clip, n)), 1)) for n in schema.MODALITIES
    }
    means["text"][0] = package.statistics["first"]
    said = explain(package, replace(clip, **means))
    np.testing.assert_allclose(np.stack(list(said.shares.values())), 0, atol=1e-6)
    far = explain(package, replace(clip, audio=clip.audio + 1000))
    assert said.strange["audio"] == 0 and far.strange["audio"] == 1


def test_what_cannot_be_packed_is_one_clear_error(trained, tiny_store, tmp_path):
    runs, records = trained
    unimodal = Run("Unimodal LSTM", 1, (*CHANGES, ("modality", "text"), ("task", "T")))
    (only_t,) = run_all(
        [unimodal], tiny_store, RunStore(tmp_path), jobs=1, device="cpu", progress_bar=False
    ).values()
    with pytest.raises(
        InputError, match="Unimodal LSTM: found predictions of T; expected a model that predicts M"
    ):
        collect(only_t.key, RunStore(tmp_path), tiny_store)
    for key, match in (("", "4 runs"), ("zz", "0 runs"), (records[3].key, "no weights")):
        with pytest.raises(InputError, match=match):
            collect(key, runs, tiny_store)
    save_file({"a": np.zeros(1)}, tmp_path / "other.safetensors")
    (tmp_path / "text").write_text("no tensors")
    for name in ("other.safetensors", "text", "absent"):
        with pytest.raises(InputError, match="a model package of avmc export"):
            read_package(tmp_path / name)


def test_the_model_card_says_where_the_model_comes_from(package):
    card = model_card(package)
    assert (
        "the simulated corpus, not CH-SIMS" in card and package.facts["data"]["digest"][:12] in card
    )
    assert card.count("| 1 |") == card.count("| 2 |") == 2 and "openSMILE" in card
    assert "24 labelled clips" in card and "Started from" not in card
    assert "no speech of any person" in card and "no clip of CH-SIMS" in card
    facts = package.facts["data"] | {"kind": "real"}
    real = model_card(dataclasses.replace(package, facts=package.facts | {"data": facts}))
    assert "no speech" not in real and "recorded clips" in real


def test_the_card_counts_unlabelled_clips_and_names_the_package_started_from(
    package, tiny_store, tmp_path
):
    path = write_package(package, tmp_path / "model.avmc.safetensors")
    runs = RunStore(tmp_path / "runs")
    grid = [Run("AV-MC", 1, CHANGES, init=str(path)), Run("AV-MC(Semi)", 1, CHANGES)]
    run_all(grid, tiny_store, runs, jobs=1, device="cpu", progress_bar=False)
    cards = {record.model: model_card(collect(record.key, runs, tiny_store)) for record in runs}
    assert f"package, SHA-256 {sha256(path.read_bytes()).hexdigest()[:12]}" in cards["AV-MC"]
    assert "24 labelled and 24 unlabelled clips" in cards["AV-MC(Semi)"]


def test_a_file_that_is_no_package_is_not_overwritten(package, tmp_path):
    own = tmp_path / "thesis.txt"
    own.write_text("years of work")
    for path in (own, tmp_path):
        with pytest.raises(InputError, match="other than a model package"):
            write_package(package, path)
    assert own.read_text() == "years of work"
    made = write_package(package, tmp_path / "model")
    assert read_package(write_package(package, made)).facts["model"] == "AV-MC"


@pytest.mark.parametrize("picture", ["clip.mp4", "nowhere/clip.png", "clip", "folder.png"])
def test_a_picture_that_cannot_be_drawn_is_refused_at_once(tmp_path, monkeypatch, picture):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.png").mkdir()
    done = CliRunner().invoke(
        main, ["predict", "clip.mp4", "--text", "你好", "--model", "x", "--picture", picture]
    )
    assert done.exit_code == 2 and f"--picture: found '{picture}'" in done.output


@pytest.mark.parametrize(
    "words, message",
    [
        (
            ["predict", "clip.mp4", "--text", "你好", "--model", "gone.safetensors"],
            "gone.safetensors",
        ),
        (["export", "nowhere/gone"], "nowhere/gone"),
    ],
)
def test_a_package_that_is_not_there_is_named_before_a_corpus_is_made(
    tmp_path, monkeypatch, words, message
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVMC_HOME", str(tmp_path / "home"))
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2 and done.output.startswith(f"error: {message}: found"), done.output
    assert not (tmp_path / "home").exists()


def test_openface_is_asked_for_in_whole(tmp_path):
    for half in ({"openface": "program"}, {"visual": "openface"}):
        with pytest.raises(
            InputError,
            match=r"openface: found .*; expected the program or a folder of its CSV files",
        ):
            ExtractionSettings(**half)
    with pytest.raises(InputError, match="wav2vec_layers: found no wav2vec"):
        ExtractionSettings(wav2vec_layers=True)


def test_a_model_of_other_clips_is_not_packed(tiny_store, tmp_path):
    """Its model card describes all training clips, and the statistics that detect unusual clips are
    computed from all of them."""
    runs = RunStore(tmp_path)
    run = Run("LF_DNN", 1, CHANGES, protocol=SplitProtocol(labelled=0.25))
    (record,) = run_all([run], tiny_store, runs, jobs=1, device="cpu", progress_bar=False).values()
    with pytest.raises(
        InputError, match=r"labelled = 0\.25; expected one on all clips of the published splits"
    ):
        collect(record.key, runs, tiny_store)


def test_a_run_of_another_store_says_which_option_names_it(
    trained, ci_store, tmp_path, monkeypatch
):
    runs, records = trained
    real = dataclasses.replace(records[0], data=records[0].data | {"kind": "real"})
    monkeypatch.setattr(RunStore, "__iter__", lambda self: iter([real]))
    with pytest.raises(InputError, match=r"the store that it was trained on, .*: give --store$"):
        collect(real.key, runs, ci_store)
    with pytest.raises(InputError, match="or the file that avmc export wrote"):
        collect("nosuchkey", runs, ci_store)


def test_the_command_line_exports_a_run_and_prints_its_card(
    trained, tiny_store, tmp_path, monkeypatch
):
    runs, records = trained
    monkeypatch.setattr("avmc_core.runs.grid.run_store", lambda: runs)
    words = [
        "export",
        records[2].key,
        str(tmp_path / "model"),
        "--store",
        str(tiny_store.path),
        "--card",
    ]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert "# LF_DNN" in done.output and read_package(tmp_path / "model").facts["model"] == "LF_DNN"


def test_the_picture_shows_every_task_and_modality(package, tiny_store):
    from avmc_core.drawing.clip_figures import account

    clip = clip_of(tiny_store.split("test"), 0)
    fig = account(clip, explain(package, clip))
    fig.canvas.draw()
    words = {label.get_text() for ax in fig.axes for label in ax.get_yticklabels()}
    assert {"multimodal (M)", "text (T)", "acoustic (A)", "visual (V)", "audio", "vision"} <= words
