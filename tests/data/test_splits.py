"""Other splits and features than the published ones are views of the store, are part of a run's
key, and say which videos they share."""

from __future__ import annotations

import dataclasses
import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from extra_features import with_random_wav2vec
from sklearn.preprocessing import StandardScaler

from avmc_core import schema
from avmc_core.batch import Inputs
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.data.ragged import Ragged, Selection, joined
from avmc_core.data.splits import (
    FOLDS,
    PUBLISHED,
    SplitProtocol,
    nested_order,
    pooled_clips,
    resplit_rows,
)
from avmc_core.data.store import content_digest, open_store
from avmc_core.errors import InputError
from avmc_core.runs.computing import run_one
from avmc_core.runs.execution import StoreData, sizes_of
from avmc_core.runs.experiments import EXPERIMENTS, SHARES
from avmc_core.runs.grid import trained
from avmc_core.runs.store import Run, RunStore

FEW = (("training.max_epochs", 1),)
# a few clips have few of a class
pytestmark = pytest.mark.filterwarnings("ignore:The least populated class")


# Selections


def ragged(lengths, start=0) -> Ragged:
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    values = np.arange(start, start + offsets[-1] * 2, dtype=np.float32).reshape(-1, 2)
    return Ragged.of(((values, offsets),), 9)


def test_selections_of_selections_and_joined_ones_equal_loops_over_clips():
    a, b = ragged([2, 1, 3]), ragged([1, 4], 100)
    rows = np.array([2, 0, 2])
    twice = Selection.of(Selection.of(a, rows), np.array([1, 2]))
    both = joined([twice, b])
    clips = [a[0], a[2], b[0], b[1]]
    assert (
        len(both) == 4
        and isinstance(twice.source, Ragged)
        and not isinstance(twice.source, Selection)
    )
    for row, clip in enumerate(clips):
        np.testing.assert_array_equal(both[row], clip)
    np.testing.assert_array_equal(both.lengths, [len(clip) for clip in clips])
    np.testing.assert_allclose(both.mean(), [clip.mean(0) for clip in clips])
    np.testing.assert_array_equal(both.first(), [clip[0] for clip in clips])
    for row, padded in enumerate(both.padded(np.arange(4))):
        np.testing.assert_array_equal(padded[: len(clips[row])], clips[row])
        assert not padded[len(clips[row]) :].any()
    assert not isinstance(joined([a, b]), Selection), "whole sequences are joined as they are"


# Fewer labelled clips


def test_smaller_samples_lie_within_larger_ones(many_videos):
    train = many_videos.split("train")
    ids = {
        share: list(SplitProtocol(labelled=share).of(many_videos, 7).split("train").clips["id"])
        for share in SHARES
    }
    assert [len(found) for found in ids.values()] == [round(share * len(train)) for share in SHARES]
    for small, large in pairwise(SHARES):
        assert set(ids[small]) < set(ids[large])
    assert ids[1.0] == list(train.clips["id"])
    assert ids[0.25] != list(
        SplitProtocol(labelled=0.25).of(many_videos, 8).split("train").clips["id"]
    )


def test_every_beginning_of_the_order_holds_each_class_in_its_share():
    labels = np.random.default_rng(0).choice(schema.GRID, 401)
    order, classes = nested_order(labels, 3), schema.sentiment_class(labels)
    assert sorted(order) == list(range(401))
    for n in (20, 50, 101, 200):
        np.testing.assert_allclose(
            np.bincount(classes[order[:n]], minlength=5), np.bincount(classes) * n / 401, atol=1.01
        )


def test_unlabelled_clips_and_the_other_splits_stay(many_videos):
    seen = SplitProtocol(labelled=0.125).of(many_videos, 1)
    for name in ("valid", "test", "unlabelled"):
        assert seen.split(name) is many_videos.split(name)
    mixed = seen.split("train_mix")
    assert len(mixed) == len(seen.split("train")) + len(many_videos.split("unlabelled"))
    assert mixed.mask.sum() == len(seen.split("train")) == sizes_of(seen).train_clips
    first = StoreData(seen)("train_mix", Inputs()).batch(torch.arange(3))
    for row in range(3):
        place = list(many_videos.split("train").clips["id"]).index(mixed.clips["id"].iloc[row])
        np.testing.assert_array_equal(first.text[row], many_videos.split("train").text[place][0])
        np.testing.assert_array_equal(first.labels[row], many_videos.split("train").labels[place])


# Standardised features


@pytest.mark.parametrize("labelled", [1.0, 0.25])
def test_standardised_columns_are_those_of_scikit_learn(many_videos, labelled):
    """The training clips set the scale, also for the other splits; texts and labels do not
    change."""
    raw = SplitProtocol(labelled=labelled).of(many_videos, 3)
    seen = SplitProtocol(labelled=labelled, standardised=True).of(many_videos, 3)
    for name in ("audio", "vision"):
        frames = [getattr(raw.split("train"), name)[row] for row in range(len(raw.split("train")))]
        scaler = StandardScaler().fit(np.concatenate(frames).astype(np.float64))
        for split in ("train", "valid", "test"):
            before, after = (getattr(store.split(split), name) for store in (raw, seen))
            np.testing.assert_array_equal(after.lengths, before.lengths)
            for row in (0, len(before) - 1):
                np.testing.assert_allclose(
                    after[row], scaler.transform(before[row].astype(np.float64)), atol=1e-4
                )
    assert seen.split("test").text is raw.split("test").text
    np.testing.assert_array_equal(seen.split("train").labels, raw.split("train").labels)


def test_clips_are_shown_to_a_network_as_its_own_test_clips_were(many_videos):
    protocol = SplitProtocol(labelled=0.25, standardised=True)
    shown = protocol.seen(many_videos.split("test"), many_videos, 3)
    own = protocol.of(many_videos, 3).split("test")
    np.testing.assert_array_equal(
        shown.vision.padded(np.arange(4)), own.vision.padded(np.arange(4))
    )
    assert SplitProtocol(labelled=0.25).seen(many_videos.split("test"), many_videos, 3) is (
        many_videos.split("test")
    )


# Re-splits


@pytest.mark.parametrize("way", ["by video", "by clip"])
def test_every_labelled_clip_but_placeholders_is_tested_once(many_videos, way):
    clips = pooled_clips(many_videos)
    folds = [
        resplit_rows(many_videos, SplitProtocol(resplit=way, fold=fold), 1) for fold in range(FOLDS)
    ]
    tested = np.concatenate([rows["test"] for rows in folds])
    assert sorted(tested) == list(np.flatnonzero(~placeholder_clips(clips)))
    # another deal
    assert list(folds[0]["test"]) != list(
        resplit_rows(many_videos, SplitProtocol(resplit=way), 2)["test"]
    )
    for rows in folds:
        everything = np.concatenate(list(rows.values()))
        assert sorted(everything) == sorted(tested)
        videos = {name: set(clips["video_id"].iloc[r]) for name, r in rows.items()}
        shared = videos["train"] & videos["test"] | videos["train"] & videos["valid"]
        assert bool(shared) == (way == "by clip")


def test_both_ways_have_the_same_sizes_and_classes(many_videos):
    classes = schema.sentiment_class(pooled_clips(many_videos)["M"].to_numpy())
    for fold in range(FOLDS):
        apart, mixed = (
            resplit_rows(many_videos, SplitProtocol(resplit=way, fold=fold), 1)
            for way in ("by video", "by clip")
        )
        for name in schema.SPLITS:
            by_video, by_clip = (
                np.bincount(classes[way[name]], minlength=5) for way in (apart, mixed)
            )
            np.testing.assert_array_equal(by_video, by_clip)


def test_every_model_of_a_resplit_sees_the_same_deals():
    runs = EXPERIMENTS["resplit"].runs("ci")
    seeds = {
        model: sorted(run.seed for run in runs if run.model == model)
        for model in {run.model for run in runs}
    }
    assert (
        len({tuple(found) for found in seeds.values()}) == 1
        and len(set(seeds["Text-only ridge"])) > 1
    )


def test_a_resplit_store_holds_the_clips_it_says(many_videos):
    protocol = SplitProtocol(resplit="by video", fold=2)
    seen = protocol.of(many_videos, 1)
    rows = resplit_rows(many_videos, protocol, 1)
    clips = pooled_clips(many_videos)
    for name in schema.SPLITS:
        split = seen.split(name)
        assert list(split.clips["id"]) == list(clips["id"].iloc[rows[name]])
        np.testing.assert_array_equal(split.labels[:, 0], split.clips["M"].to_numpy(np.float32))


def test_too_few_videos_and_unknown_values_are_errors(tiny_store):
    test = tiny_store.split("test")
    splits = {
        name: dataclasses.replace(test, clips=test.clips.assign(video_id="video_0001"))
        for name in schema.SPLITS
    }
    with pytest.raises(InputError, match="1 source videos"):
        SplitProtocol(resplit="by video").of(dataclasses.replace(tiny_store, splits=splits), 1)
    for field, value in (
        ("labelled", 0.0),
        ("labelled", 1.5),
        ("resplit", "by speaker"),
        ("fold", 1),
        ("audio", "mfcc"),
    ):
        with pytest.raises(InputError, match=f"SplitProtocol.{field}"):
            SplitProtocol(**{field: value})
    with pytest.raises(InputError, match="no audio_wav2vec"):
        SplitProtocol(audio="audio_wav2vec").of(tiny_store, 1)


# Runs


def test_the_protocol_is_part_of_the_key_and_of_the_record(tiny_store, tmp_path):
    plain, half = Run("AV-MC", 1, FEW), Run("AV-MC", 1, FEW, "half", SplitProtocol(labelled=0.5))
    assert plain.key(tiny_store) != half.key(tiny_store)
    assert dataclasses.replace(half, label="").key(tiny_store) == half.key(tiny_store)
    assert Run("AV-MC", 1, FEW, protocol=SplitProtocol()).key(tiny_store) == plain.key(tiny_store)
    runs, data = RunStore(tmp_path), StoreData(tiny_store)
    record = run_one(half, data, runs)
    said = {"labelled": 0.5, "resplit": "", "fold": 0, "audio": "audio", "standardised": False}
    assert record.data["protocol"] == said
    assert record.predictions("train")["M"].shape == (12,) and record.predictions("test")[
        "M"
    ].shape == (16,)
    assert trained(half, record, tiny_store) is not None
    assert data.under(PUBLISHED, 1) is data


def test_whole_rows_of_the_learning_curve_are_runs_of_the_benchmark(tiny_store):
    curve, known = (EXPERIMENTS[name].runs("ci") for name in ("learning_curve", "avmc"))
    assert {run.key(tiny_store) for run in curve if run.protocol == PUBLISHED} <= {
        run.key(tiny_store) for run in known
    }


# Extra features


@pytest.fixture
def with_wav2vec(tiny_store, tmp_path):
    """The tiny store again, with random "wav2vec" features of other lengths and another width
    beside it."""
    return with_random_wav2vec(
        tiny_store, tmp_path / "with", 10, {"files": {}}, generator={"made by": "tests"}
    )


def test_a_store_may_hold_wav2vec_features_that_a_run_hears_instead(
    with_wav2vec, tiny_store, tmp_path
):
    assert with_wav2vec.extras == ("audio_wav2vec",) and tiny_store.extras == ()
    assert with_wav2vec.digest != tiny_store.digest
    protocol = SplitProtocol(audio="audio_wav2vec")
    seen = protocol.of(with_wav2vec, 1)
    assert (
        sizes_of(seen).audio == 10
        and sizes_of(with_wav2vec).audio == tiny_store.manifest["dims"]["audio"]
    )
    np.testing.assert_array_equal(
        seen.split("test").audio[3], with_wav2vec.split("test").extras["audio_wav2vec"][3]
    )
    run = Run("Unimodal LSTM", 1, (*FEW, ("modality", "audio"), ("task", "A")), protocol=protocol)
    assert run_one(run, StoreData(with_wav2vec), RunStore(tmp_path / "runs")).status == "done"
    mixed = seen.split("train_mix")
    np.testing.assert_array_equal(
        mixed.audio[-1], with_wav2vec.split("unlabelled").extras["audio_wav2vec"][-1]
    )


def test_table_3_has_its_wav2vec_rows_when_the_store_has_the_features(with_wav2vec, tiny_store):
    plan = EXPERIMENTS["table3"]
    missing, without = len(plan.runs("ci")), len(plan.runs("ci", store=tiny_store))
    assert missing == without and len(plan.runs("ci", store=with_wav2vec)) == missing + 2 * 3


def test_features_that_nobody_knows_or_that_do_not_fit_are_refused(with_wav2vec):
    path = with_wav2vec.path / "manifest.json"
    manifest = json.loads(path.read_text())
    wrong = {**manifest, "dims": {**manifest["dims"], "audio_mfcc": 13}}
    path.write_text(json.dumps(wrong))
    with pytest.raises(InputError, match="audio_mfcc"):
        open_store(with_wav2vec.path)
    wrong = {**manifest, "dims": {**manifest["dims"], "audio_wav2vec": 11}}
    path.write_text(json.dumps({**wrong, "digest": content_digest(wrong)}))
    with pytest.raises(InputError, match="audio_wav2vec"):
        open_store(with_wav2vec.path)
    files = {
        name: entry
        for name, entry in manifest["files"].items()
        if name != "test.audio_wav2vec.safetensors"
    }
    wrong = {**manifest, "files": files}
    path.write_text(json.dumps({**wrong, "digest": content_digest(wrong)}))
    with pytest.raises(InputError, match="files"):
        open_store(with_wav2vec.path)
