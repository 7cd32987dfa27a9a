"""The embedded corpus is calibrated to the paper's Table 3, says that it is simulated, and is the
same at every call."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from avmc_core import schema
from avmc_core.data.exporting import export_released
from avmc_core.data.importing import import_released
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.data.within_videos import alike_within_videos
from avmc_core.errors import InputError
from avmc_core.simulated import clips as simulated_clips
from avmc_core.simulated.clips import simulate
from avmc_core.simulated.corpus import build_corpus, ensure_corpus
from avmc_core.simulated.irony import ironic, weight_of_words
from avmc_core.simulated.label_counts import shipped_counts
from avmc_core.simulated.label_model import expected_multimodal
from avmc_core.simulated.settings import SIZES, CorpusSettings, generator_of
from avmc_core.simulated.signals import egemaps_stats

LATENT = ["latent_T", "latent_A", "latent_V"]


@pytest.fixture(scope="module")
def ci(ci_store):
    return ci_store


@pytest.fixture(scope="module")
def large():
    """The latent variables of the corpus that has as many labelled clips as the real data."""
    return simulate(CorpusSettings("large"))


def labelled(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The labelled clips of all splits, with the columns of a store's clips."""
    return pd.concat([tables[split] for split in schema.SPLITS]).rename(
        columns={"video": "video_id"}
    )


# Settings and stores


def test_same_seed_same_corpus(tmp_path):
    first, second = (
        build_corpus(tmp_path / name, CorpusSettings("tiny"), progress=False) for name in "ab"
    )
    other = build_corpus(tmp_path / "c", CorpusSettings("tiny", seed=1), progress=False)
    assert first.digest == second.digest != other.digest
    assert first.simulated and first.manifest["generator"]["seed"] == CorpusSettings().seed


def test_ensured_corpus_is_built_once(tmp_path, monkeypatch):
    store = ensure_corpus("tiny", tmp_path)
    monkeypatch.setattr("avmc_core.simulated.corpus.build_corpus", None)
    assert ensure_corpus("tiny", tmp_path).digest == store.digest


def test_written_out_as_released_and_imported_again_it_is_the_same(tmp_path):
    made = build_corpus(tmp_path / "made", CorpusSettings("tiny"), progress=False)
    again = import_released(tmp_path / "again", *export_released(made, tmp_path), progress=False)
    assert again.digest == made.digest and generator_of(again.manifest) == CorpusSettings("tiny")


def test_another_number_of_training_clips_leaves_the_others_as_they_are(tmp_path):
    """Models trained on fewer and on more clips are tested on the same clips, word for word and
    frame for frame.
    """
    changed = CorpusSettings("tiny", train=40, unlabelled=7)
    few, more = (
        build_corpus(tmp_path / s.name, s, progress=False)
        for s in (CorpusSettings("tiny"), changed)
    )
    assert more.manifest["splits"] == {"train": 40, "valid": 12, "test": 16, "unlabelled": 7}
    assert generator_of(more.manifest) == changed and changed.name == "tiny-train40-unlabelled7"
    for split in ("valid", "test"):
        first, second = few.split(split), more.split(split)
        pd.testing.assert_frame_equal(first.clips, second.clips)
        for modality in schema.MODALITIES:
            np.testing.assert_array_equal(getattr(first, modality)[3], getattr(second, modality)[3])
    ids = pd.concat([split.clips["id"] for split in more.splits.values()]).str.partition("$_$")
    assert ids[2].is_unique


def test_sequence_lengths_are_a_setting():
    half, quarter = (simulate(CorpusSettings("tiny", shorter=k))["train"] for k in (2, 4))
    assert 1.8 < (half["audio_length"] / quarter["audio_length"]).median() < 2.2
    same = ["id", "text", *schema.TASKS]
    pd.testing.assert_frame_equal(half[same], quarter[same])
    assert CorpusSettings("ci", shorter=4).numbers.steps == {"audio": 232, "vision": 58}


def test_a_store_that_another_program_made_has_no_generator_here():
    for said in ({}, {"size": "huge"}, {"made by": "tests"}, {"size": "ci", "colour": "red"}):
        assert generator_of({"generator": said}) is None
    assert generator_of({"generator": {"size": "ci", "seed": 3}}) == CorpusSettings("ci", 3)


@pytest.mark.parametrize(
    "change", [{"size": "huge"}, {"seed": -1}, {"train": 1}, {"shorter": 0}, {"unlabelled": 2.5}]
)
def test_settings_that_nobody_can_mean_are_errors(change):
    with pytest.raises(InputError, match=f"CorpusSettings.{next(iter(change))}"):
        CorpusSettings(**change)


# Labels


@pytest.mark.parametrize("size", ["ci", "large"])
def test_multimodal_labels_have_the_real_counts(size, large):
    """In each split the share of every level of M is the real one, up to a clip or two; so is the
    share of weak test clips."""
    tables, counts = large if size == "large" else simulate(CorpusSettings(size)), shipped_counts()
    for split in schema.SPLITS:
        found = np.bincount(schema.level(tables[split]["M"]), minlength=11)
        real = np.array(counts["M"][split]) / counts["rows"][split]
        assert np.abs(found - len(tables[split]) * real).max() < 2.5, split
    real_weak = sum(counts["M"]["test"][3:8]) / counts["rows"]["test"]
    assert (tables["test"]["M"].abs() < 0.5).mean() == pytest.approx(real_weak, abs=0.01)


def test_other_labels_stand_to_m_as_in_the_real_table(large):
    """The mean T, A and V of the clips at each level of M, within three standard errors and a
    hundredth."""
    clips, pairs = labelled(large), shipped_counts()["four"]["pairs"]
    clips, m = clips[~clips["copied"]], schema.level(clips["M"][~clips["copied"]])
    for task in "TAV":
        table = np.array(pairs[f"M{task}"])
        for level in range(11):
            found = clips[f"latent_{task}"][m == level]
            real = table[level] @ schema.GRID / table[level].sum()
            assert abs(found.mean() - real) < 3 * found.std() / np.sqrt(len(found)) + 0.01, (
                task,
                level,
            )


def test_irony_is_there_and_words_count_for_little_then(large):
    """At the real size; the test would fail if M were additive in T, A and V."""
    clips, irony = labelled(large), shipped_counts()["four"]["irony"]
    labels = clips.loc[~clips["copied"], ["M", *LATENT]].to_numpy()
    assert ironic(labels).mean() == pytest.approx(irony["clips"] / 1932, abs=0.005)
    low, high = irony["interval"]
    assert low < weight_of_words(labels)[1] < high < 0
    design = np.column_stack([np.ones(len(labels)), labels[:, 1:]])
    additive = design @ np.linalg.lstsq(design, labels[:, 0], rcond=None)[0]
    assert weight_of_words(np.column_stack([additive, labels[:, 1:]]))[1] == pytest.approx(
        0, abs=1e-9
    )


def test_labels_of_a_video_are_alike_as_in_the_real_table(large, monkeypatch):
    """The ICC(1) of M is about .08 and larger than those of T, A and V; it is zero if no video
    leans to a side."""
    clips, counts = labelled(large), shipped_counts()
    found = alike_within_videos(clips)
    assert found["M"] == pytest.approx(counts["within_videos"], abs=0.015)
    for task, real in counts["four"]["within_videos"].items():
        assert found[task] == pytest.approx(real, abs=0.02), task
    assert 0.05 < alike_within_videos(labelled(simulate(CorpusSettings("ci"))))["M"] < 0.11
    monkeypatch.setattr(simulated_clips, "LEANING", 0.0)
    assert abs(alike_within_videos(labelled(simulate(CorpusSettings("large"))))["M"]) < 0.02


@pytest.mark.parametrize("size", ["ci", "large"])
def test_placeholders_are_as_many_and_as_weak_as_the_real_ones(size, large):
    test = (large if size == "large" else simulate(CorpusSettings(size)))["test"]
    counts = shipped_counts()
    copied, real = test["copied"], np.array(counts["placeholders"]["M"])
    assert copied.mean() == pytest.approx(190 / 1034, abs=0.01)
    assert test.loc[copied, "M"].abs().mean() == pytest.approx(
        real @ np.abs(schema.GRID) / real.sum(), abs=0.015
    )
    assert (test.loc[copied, ["T", "A", "V"]].eq(test.loc[copied, "M"], axis=0)).all(axis=None)
    assert 0.35 < copied.iloc[: len(test) // 2].sum() / copied.sum() < 0.65  # not all in one place


def test_words_never_contradict_their_own_label(large):
    """In no clip, labelled or not, are T and the sentiment of its words on different sides of
    zero."""
    for tables in (large, simulate(CorpusSettings("ci"))):
        for split, clips in tables.items():
            assert (clips["degree"] * clips["latent_T"] >= 0).all(), split
            assert (clips["T"][~clips["copied"]] == clips["latent_T"][~clips["copied"]]).all()


def test_clips_whose_text_misleads_exist():
    labels = simulate(CorpusSettings("ci"))["train"]
    assert (np.sign(labels["M"]) * np.sign(labels["T"]) < 0).sum() >= 5


# Features


@pytest.mark.parametrize(
    "task, low, high", [("T", 0.65, 0.85), ("A", 0.13, 0.37), ("V", 0.48, 0.68)]
)
def test_unimodal_regressors_reach_table_3(ci, task, low, high):
    """Ridge regression on [CLS], or on means and deviations over frames, reaches the paper's Corr
    with its own label to within 0.1 (acoustic: between the two feature sets of Table 3)."""
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
    assert (
        ci.manifest["steps"]
        == {"text": 50, "audio": 116, "vision": 29}
        == {"text": 50, **size.steps}
    )
    assert {m: ci.manifest["dims"][m] for m in schema.MODALITIES} == schema.DIMS
    assert SIZES["full"].steps == {"audio": 925, "vision": 232}


def test_video_structure_is_that_of_the_real_table(ci):
    """Videos extend over several splits; a group of test videos, as large a share as in the real
    table, carries placeholder labels."""
    test, train = ci.split("test").clips, ci.split("train").clips
    placeholder = placeholder_clips(test)
    assert placeholder.mean() == pytest.approx(190 / 1034, abs=0.02)
    assert not set(test["video_id"][placeholder]) & set(train["video_id"])
    assert test["video_id"][~placeholder].isin(set(train["video_id"])).mean() > 0.9


def test_unlabelled_clips_are_noisier_and_more_varied():
    clips = simulate(CorpusSettings("ci"))
    log_lengths = {
        split: np.log(clips[split]["audio_length"]).std() for split in ("train", "unlabelled")
    }
    assert log_lengths["unlabelled"] > 1.2 * log_lengths["train"]
    distance = {
        s: np.abs(clips[s]["degree"] - 5 * clips[s]["latent_T"]).mean()
        for s in ("train", "unlabelled")
    }
    assert distance["unlabelled"] > 1.2 * distance["train"]


def test_acoustic_columns_have_real_units(ci):
    """Means lie within half a standard deviation of those of real speech; unvoiced frames have no
    pitch."""
    values = ci.split("train").audio.parts[0][0]
    for k, name in enumerate(schema.columns("audio")):
        real = egemaps_stats()[name]
        assert abs(values[:, k].mean() - real["mean"]) < 0.5 * real["sd"], name
        assert (
            real["min"] - 1e-3 <= values[:, k].min() and values[:, k].max() <= real["max"] * 1.0001
        ), name
    pitch = values[:, schema.columns("audio").index("F0semitoneFrom27.5Hz_sma3nz")]
    assert 0.2 < (pitch == 0).mean() < 0.5


def test_faces_smile_where_the_label_says_so(ci):
    """The lip corner puller (AU12) grows with V, and the corners of the mouth rise (y points
    down)."""
    train, columns = ci.split("train"), schema.columns("vision")
    means, v = train.vision.mean(), train.labels[:, schema.TASKS.index("V")]
    assert np.corrcoef(means[:, columns.index("AU12_r")], v)[0, 1] > 0.2
    corners = means[:, columns.index("y_48")] - means[:, columns.index("y_51")]
    assert np.corrcoef(corners, v)[0, 1] < -0.1


def test_the_oracle_beats_every_single_modality(large):
    """On clips with labels of their own, its squared error is at least a quarter below that of the
    best single annotation."""
    clips = large["test"][~large["test"]["copied"]]
    latent = clips[LATENT].to_numpy()
    oracle = np.square(expected_multimodal(latent, "test") - clips["M"]).mean()
    alone = []
    for k in range(3):
        only = np.full_like(latent, np.nan)
        only[:, k] = latent[:, k]
        alone.append(np.square(expected_multimodal(only, "test") - clips["M"]).mean())
    # A tells most of M, T least
    assert oracle < 0.75 * min(alone) and alone[1] < alone[2] < alone[0]
