"""The features of one video as MMSA-FET's commands write them give the prediction that the same
arrays give in a store."""

from __future__ import annotations

import dataclasses
import json
import pickle

import numpy as np
import pytest
from click.testing import CliRunner

from avmc_core import schema
from avmc_core.clips.feature_file import read_feature_file
from avmc_core.clips.prediction import clip_of, explain
from avmc_core.commands.main import main
from avmc_core.errors import InputError
from avmc_core.runs.exporting import collect, write_package
from avmc_core.runs.grid import run_all
from avmc_core.runs.store import Run, RunStore

CONFIG = {
    "audio": {"tool": "opensmile", "args": {"start": None}},
    "video": {"tool": "openface", "fps": 25},
}


@pytest.fixture(scope="module")
def package(tiny_store, tmp_path_factory):
    runs = RunStore(tmp_path_factory.mktemp("runs"))
    run = Run("AV-MC", 1, (("training.max_epochs", 1),))
    record = run_all([run], tiny_store, runs, jobs=1, progress_bar=False)[run]
    return collect(record.key, runs, tiny_store)


def content(clip, **changes):
    """What the toolkit writes for a clip: unpadded, or with a first axis as for a data set."""
    arrays = {name: getattr(clip, name).astype(np.float64) for name in schema.MODALITIES}
    return arrays | {"text_bert": clip.tokens.astype(np.float32), "config": CONFIG} | changes


def write(folder, value, protocol=5):
    path = folder / "x.pkl"
    path.write_bytes(pickle.dumps(value, protocol))
    return path


def padded(array, before, after):
    return np.pad(array, ((before, after), (0, 0)))


def test_the_prediction_is_that_of_the_same_clip_in_a_store(package, tiny_store, tmp_path):
    clip = clip_of(tiny_store.split("test"), 0)
    expected = explain(package, clip).tasks["M"]
    whole = content(clip)
    silent = whole["audio"].copy()
    variants = {
        "as it is": whole,
        "a first axis": whole
        | {name: whole[name][None] for name in (*schema.MODALITIES, "text_bert")},
        "padded": whole
        | {"audio": padded(whole["audio"], 2, 3), "vision": padded(whole["vision"], 0, 4)},
        "no config": {key: value for key, value in whole.items() if key != "config"},
    }
    for name, value in variants.items():
        for protocol in (4, 5):
            read, notes = read_feature_file(write(tmp_path, value, protocol))
            np.testing.assert_allclose(
                explain(package, read).tasks["M"], expected, atol=1e-5, err_msg=name
            )
            said = [note for note in notes if "zeros at the ends" in note]
            assert len(said) == 2 * (name == "padded") and "scale" in notes[-1]
    silent[0, 0] = -np.inf
    read, notes = read_feature_file(write(tmp_path, whole | {"audio": silent}))
    assert read.audio[0, 0] == 0 and "1 values of -inf in audio set to 0" in notes


def test_the_command_reads_it(package, tiny_store, tmp_path):
    path = write(tmp_path, content(clip_of(tiny_store.split("test"), 1)))
    model = write_package(package, tmp_path / "model.avmc.safetensors")
    result = CliRunner().invoke(main, ["predict", str(path), "--model", str(model)])
    assert result.exit_code == 0, result.output
    assert (
        result.output.startswith("x.pkl: AV-MC, 1 seed")
        and "note: features as they stand in the file" in result.output
    )


def test_predictions_beyond_the_labels_are_shown_cut_and_counted(package, tiny_store, tmp_path):
    """As every metric cuts them, and as the package's card states the range. The heads of AV-MC
    but that of M have no bound: here all weights are a hundredfold."""
    path = write(tmp_path, content(clip_of(tiny_store.split("test"), 1)))
    steep = {
        seed: {name: np.asarray(100 * tensor, tensor.dtype) for name, tensor in weights.items()}
        for seed, weights in package.weights.items()
    }
    wide = dataclasses.replace(package, weights=steep)
    account = explain(wide, read_feature_file(path)[0])
    beyond = [task for task, values in account.tasks.items() if abs(values[0]) > 1]
    assert beyond and "1 seed" in account.cut
    model = write_package(wide, tmp_path / "model.avmc.safetensors")
    words = ["predict", str(path), "--model", str(model), "--format", "json"]
    found = json.loads(CliRunner().invoke(main, words).output)
    for task, values in account.tasks.items():
        row = found["said"][f"prediction {task}"]
        assert row["mean"] == pytest.approx(np.clip(values[0], -1, 1))
        said = f"1 of {task} (as far as {values[0]:+.3f})"
        assert any(said in note for note in found["notes"]) == (task in beyond)
    assert explain(package, read_feature_file(path)[0]).cut == ""


def test_what_is_beyond_the_caps_is_said(tiny_store, tmp_path):
    clip = clip_of(tiny_store.split("test"), 0)
    tokens = np.zeros((3, 60))
    tokens[:2] = 1
    longer = {name: np.ones((steps + 9, schema.DIMS[name])) for name, steps in schema.STEPS.items()}
    read, notes = read_feature_file(write(tmp_path, content(clip, **longer, text_bert=tokens)))
    assert [len(getattr(read, name)) for name in schema.MODALITIES] == list(schema.STEPS.values())
    assert notes[:-1] == [
        f"{name} cut from {steps + 9} to {steps} steps" for name, steps in schema.STEPS.items()
    ]


WRONG = {
    "a list": (lambda whole: [1], "a list; expected a dict"),
    "a data set": (lambda whole: {"train": whole}, "a data set with splits; .*avmc data import"),
    "no text": (lambda whole: {k: v for k, v in whole.items() if k != "text"}, "no key text"),
    "other columns": (
        lambda whole: whole | {"audio": whole["audio"][:, :20]},
        r"key audio: found .*expected \(steps, 25\)",
    ),
    "NaN": (
        lambda whole: whole | {"vision": whole["vision"] * np.nan},
        "key vision, step 0: found NaN",
    ),
    "zeros": (
        lambda whole: whole | {"vision": whole["vision"] * 0},
        "key vision: found nothing but zeros",
    ),
    "many clips": (
        lambda whole: whole | {"audio": np.stack([whole["audio"]] * 2)},
        "key audio: found an array of shape",
    ),
    "too few states": (
        lambda whole: whole | {"text": whole["text"][:1]},
        "key text: found 1 steps",
    ),
    "a mask with a gap": (
        lambda whole: whole | {"text_bert": np.array([[1.0, 1, 1], [1, 0, 1], [0, 0, 0]])},
        "a mask with gaps",
    ),
    "tokens turned": (
        lambda whole: whole | {"text_bert": whole["text_bert"].T},
        r"expected \(3, steps\)",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit_is_named(tiny_store, tmp_path, what):
    change, named = WRONG[what]
    with pytest.raises(InputError, match=named):
        read_feature_file(write(tmp_path, change(content(clip_of(tiny_store.split("test"), 0)))))
