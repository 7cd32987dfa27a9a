"""The whole way: generated clips, a store, two epochs of training, a package, and a prediction for
a clip that was not in the store."""

from __future__ import annotations

import json

import numpy as np
import pytest
from made_clips import make_clip
from media_tools import TEXTS, avmc, talking

from avmc_core.clips.clip_features import DEFAULT
from avmc_core.clips.prediction import explain, read_clip
from avmc_core.runs.grid import run_all
from avmc_core.runs.packages import read_package
from avmc_core.runs.store import Run, RunStore
from avmc_core.text_encoder import load_encoder

SEEDS = (1, 2)


@pytest.fixture(scope="module")
def home(made, tmp_path_factory):
    """Two seeds of AV-MC, trained for two epochs on the extracted store."""
    home = tmp_path_factory.mktemp("home")
    grid = [Run("AV-MC", seed, (("training.max_epochs", 2),)) for seed in SEEDS]
    records = run_all(grid, made, RunStore(home / "runs"), jobs=1, progress_bar=False)
    assert all(record.status == "done" and record.epochs == 2 for record in records.values())
    return home


@pytest.fixture(scope="module")
def model(home, made):
    key = next(iter(RunStore(home / "runs"))).key
    done = avmc("export", key[:12], home / "model", "--store", made.path, "--card", home=home)
    assert done.returncode == 0, done.stderr
    assert "geometric approximation" in done.stdout and "openSMILE" in done.stdout
    return home / "model"


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("own") / "mine.mp4", *talking(9))


def test_a_clip_is_predicted_with_its_account_and_picture(model, clip, bert, tmp_path):
    words = [
        "--text",
        TEXTS[0],
        "--model",
        model,
        "--bert",
        bert,
        "--picture",
        tmp_path / "mine.png",
    ]
    done = avmc("predict", clip, *words, "--format", "json")
    assert done.returncode == 0, done.stderr
    said, notes = (json.JSONDecoder().raw_decode(done.stdout)[0][key] for key in ("said", "notes"))
    assert {f"prediction {task}" for task in "MTAV"} <= set(said)
    parts = [said[f"share of {name} in M"]["mean"] for name in ("text", "audio", "vision")]
    assert sum(parts) + said["M of an average clip"]["mean"] == pytest.approx(
        said["prediction M"]["mean"], abs=1e-5
    )
    assert said["prediction M"]["lowest"] < said["prediction M"]["highest"]
    assert any("geometric approximation" in note for note in notes)
    assert (tmp_path / "mine.png").stat().st_size > 10_000


def test_the_python_call_gives_the_same(model, clip, bert, made, clips):
    """A clip of the store that is read again from its file gets the same prediction as from the
    store."""
    package, encoder = read_package(model), load_encoder(bert)
    assert list(explain(package, read_clip(clip, TEXTS[0], encoder, DEFAULT)).tasks) == [
        "M",
        "T",
        "A",
        "V",
    ]
    test = made.split("test")
    video, name, sentence = test.clips.loc[0, ["video_id", "clip_id", "text"]]
    again = read_clip(clips / video / f"{name}.mp4", sentence, encoder, DEFAULT)
    np.testing.assert_allclose(again.vision, test.vision[0])
    np.testing.assert_allclose(again.audio, test.audio[0])
    np.testing.assert_allclose(again.text, test.text[0], atol=1e-5)


@pytest.mark.parametrize(
    "name, match", [("corrupt", "can be decoded"), ("nosound", "no audio track")]
)
def test_a_clip_that_cannot_be_used_is_one_error(model, clips, bert, name, match):
    done = avmc(
        "predict",
        clips / "odd" / f"{name}.mp4",
        "--text",
        TEXTS[0],
        "--model",
        model,
        "--bert",
        bert,
    )
    assert done.returncode == 2 and match in done.stderr and done.stderr.count("\n") == 1
