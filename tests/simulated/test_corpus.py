"""The embedded corpus: calibrated to the paper's Table 3, honest about being simulated, the same at every call."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from avmc_core import schema
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.errors import InputError
from avmc_core.simulated.corpus import SIZES, CorpusSettings, build_corpus, ensure_corpus, simulate
from avmc_core.simulated.label_model import expected_multimodal
from avmc_core.simulated.signals import egemaps_stats


@pytest.fixture(scope="module")
def ci(ci_store):
    return ci_store


def test_same_seed_same_corpus(tmp_path):
    first, second = (build_corpus(tmp_path / name, CorpusSettings("tiny"), progress=False) for name in "ab")
    other = build_corpus(tmp_path / "c", CorpusSettings("tiny", seed=1), progress=False)
    assert first.digest == second.digest != other.digest
    assert first.simulated and first.manifest["generator"]["seed"] == CorpusSettings().seed


def test_ensured_corpus_is_built_once(tmp_path, monkeypatch):
    store = ensure_corpus("tiny", tmp_path)
    monkeypatch.setattr("avmc_core.simulated.corpus.build_corpus", None)
    assert ensure_corpus("tiny", tmp_path).digest == store.digest


@pytest.mark.parametrize("task, low, high", [("T", 0.65, 0.85), ("A", 0.13, 0.37), ("V", 0.48, 0.68)])
def test_unimodal_regressors_reach_table_3(ci, task, low, high):
    """Ridge on [CLS], or on means and deviations over frames, reaches the paper's Corr on its own label within 0.1
    (acoustic: between the two feature sets of Table 3)."""
    train, test = ci.split("train"), ci.split("test")
    keep, column = ~placeholder_clips(test.clips), schema.TASKS.index(task)

    def features(split):
        ragged = getattr(split, schema.MODALITY_OF_TASK[task])
        if task == "T":
            return ragged.first()
        clips = [ragged[row] for row in range(len(ragged))]
        return np.stack([np.concatenate([clip.mean(0), clip.std(0)]) for clip in clips])

    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 5, 11)))
    prediction = model.fit(features(train), train.labels[:, column]).predict(features(test))
    assert low <= np.corrcoef(prediction[keep], test.labels[keep, column])[0, 1] <= high


def test_sizes_and_schema(ci):
    size = SIZES["ci"]
    assert ci.manifest["splits"] == {"train": 320, "valid": 100, "test": 400, "unlabelled": 640}
    assert ci.manifest["steps"] == {"text": 50, "audio": 116, "vision": 29} == {"text": 50, **size.steps}
    assert {m: ci.manifest["dims"][m] for m in schema.MODALITIES} == schema.DIMS
    assert SIZES["full"].steps == {"audio": 925, "vision": 232}


def test_clips_whose_text_misleads_exist():
    labels = simulate(CorpusSettings("ci"))["train"]
    assert (np.sign(labels["M"]) * np.sign(labels["T"]) < 0).sum() >= 5


def test_video_structure_is_that_of_the_real_table(ci):
    """Videos cross the splits; one group of test videos, in the real share, carries placeholder labels."""
    test, train = ci.split("test").clips, ci.split("train").clips
    placeholder = placeholder_clips(test)
    assert placeholder.mean() == pytest.approx(190 / 1034, abs=0.02)
    assert not set(test["video_id"][placeholder]) & set(train["video_id"])
    assert test["video_id"][~placeholder].isin(set(train["video_id"])).mean() > 0.9


def test_unlabelled_clips_are_noisier_and_more_varied():
    clips = simulate(CorpusSettings("ci"))
    log_lengths = {split: np.log(clips[split]["audio_length"]).std() for split in ("train", "unlabelled")}
    assert log_lengths["unlabelled"] > 1.2 * log_lengths["train"]
    distance = {s: np.abs(clips[s]["degree"] - 5 * clips[s]["latent_T"]).mean() for s in ("train", "unlabelled")}
    assert distance["unlabelled"] > 1.2 * distance["train"]


def test_acoustic_columns_have_real_units(ci):
    """Means within half a standard deviation of real speech; unvoiced frames have no pitch."""
    values = ci.split("train").audio.parts[0][0]
    for k, name in enumerate(schema.columns("audio")):
        real = egemaps_stats()[name]
        assert abs(values[:, k].mean() - real["mean"]) < 0.5 * real["sd"], name
        assert real["min"] - 1e-3 <= values[:, k].min() and values[:, k].max() <= real["max"] * 1.0001, name
    pitch = values[:, schema.columns("audio").index("F0semitoneFrom27.5Hz_sma3nz")]
    assert 0.2 < (pitch == 0).mean() < 0.5


def test_faces_smile_where_the_label_says_so(ci):
    """Lip corner puller (AU12) rises with V; so do the mouth's corners (y points down)."""
    train, columns = ci.split("train"), schema.columns("vision")
    means, v = train.vision.mean(), train.labels[:, schema.TASKS.index("V")]
    assert np.corrcoef(means[:, columns.index("AU12_r")], v)[0, 1] > 0.2
    corners = means[:, columns.index("y_48")] - means[:, columns.index("y_51")]
    assert np.corrcoef(corners, v)[0, 1] < -0.1


def test_the_oracle_beats_every_single_modality():
    clips = simulate(CorpusSettings("ci"))["test"]
    latent = clips[["latent_T", "latent_A", "latent_V"]].to_numpy()
    oracle = np.abs(expected_multimodal(latent) - clips["M"]).mean()
    assert oracle < 0.22 < min(np.abs(latent[:, k] - clips["M"]).mean() for k in range(3))


def test_unknown_size_is_an_error():
    with pytest.raises(InputError, match="'huge'"):
        CorpusSettings("huge")
