"""Slices and re-splits: no clip is scored by a model that was trained on it, slices add up to the
whole, and the likeness within videos agrees with scipy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from avmc_core import metrics, schema
from avmc_core.analysis import contrasts, resplits, results
from avmc_core.data.splits import FOLDS, SplitProtocol, pooled_clips, resplit_rows
from avmc_core.data.within_videos import alike_within_videos
from avmc_core.runs.grid import run_all
from avmc_core.runs.store import Run, RunStore

# a few clips have few of a class
pytestmark = pytest.mark.filterwarnings("ignore:The least populated class")
WAYS = ("by video", "by clip")


@pytest.fixture
def dealt(many_videos, tmp_path):
    grid = [
        Run("Constant", 1, (), f"{way} {f}", SplitProtocol(resplit=way, fold=f))
        for way in WAYS
        for f in range(FOLDS)
    ]
    return run_all(grid, many_videos, RunStore(tmp_path), jobs=1, progress_bar=False)


def test_new_videos_and_placeholders_are_counted_apart(tiny_store):
    clips, train = tiny_store.split("test").clips, set(tiny_store.split("train").clips["video_id"])
    new = [row for row in clips.itertuples() if row.video_id not in train]
    said = resplits.new_and_placeholders(tiny_store)
    assert said.startswith(
        f"{len(new)} of {len(clips)} test clips, from {len({row.video_id for row in new})} videos"
    )


def test_each_clip_is_predicted_from_the_other_folds(dealt, many_videos):
    """The constant is the median of the clips that the fold was trained on, computed here from the
    rows alone."""
    labels = np.concatenate([many_videos.split(name).labels[:, 0] for name in schema.SPLITS])
    clips = pooled_clips(many_videos)
    statistics, groups = resplits.out_of_fold(dealt, many_videos)
    assert set(statistics) == {"Constant, by video", "Constant, by clip"}
    for way in WAYS:
        predicted = np.full(len(labels), np.nan)
        for fold in range(FOLDS):
            rows = resplit_rows(many_videos, SplitProtocol(resplit=way, fold=fold), 1)
            predicted[rows["test"]] = np.median(labels[rows["train"]])
        known = ~np.isnan(predicted)
        expected = metrics.clip_statistics(predicted[known], labels[known])
        np.testing.assert_allclose(statistics[f"Constant, {way}"], expected[None], atol=1e-6)
        assert list(groups) == list(clips["video_id"][known])
    table = contrasts.family(
        statistics, groups, [("Constant, by clip", "Constant, by video")], ["MAE"]
    )
    assert len(table) == 1


def test_a_seed_without_all_folds_is_left_out(dealt, many_videos):
    some = {run: record for run, record in dealt.items() if run.label != "by clip 2"}
    assert set(resplits.out_of_fold(some, many_videos)[0]) == {"Constant, by video"}


def test_a_constant_has_no_correlation_on_a_slice(many_videos, tmp_path):
    """Equal predictions order no clips: the table says so, instead of a correlation of 0."""
    records = run_all(
        [Run("Constant", 1)], many_videos, RunStore(tmp_path), jobs=1, progress_bar=False
    )
    for rows in resplits.on_slices(records, many_videos).values():
        assert np.isnan(rows["Constant"]["Corr"].estimate)
        assert rows["Constant"]["Corr"].note == "all predictions are equal"


def test_slices_are_the_clips_they_say(many_videos, tmp_path):
    run = Run("Text-only ridge", 1)
    records = run_all([run], many_videos, RunStore(tmp_path), jobs=1, progress_bar=False)
    parts = resplits.on_slices(records, many_videos)
    test = many_videos.split("test")
    new = test.clips["video_id"].isin(["test1", "test2"]).to_numpy()
    for part, rows in (("new", new), ("seen", ~new)):
        expected = metrics.evaluate(
            records[run].predictions("test")["M"][rows], test.labels[rows, 0]
        )
        assert parts[part]["Text-only ridge"]["MAE"].estimate == pytest.approx(expected["MAE"])
    whole = results.summarise(records, many_videos)["Text-only ridge"]["MAE"].estimate
    shares = {"new": new.mean(), "seen": (~new).mean()}
    assert sum(
        parts[p]["Text-only ridge"]["MAE"].estimate * shares[p] for p in shares
    ) == pytest.approx(whole)
    shared = resplits.videos_shared(many_videos).set_index("split")
    assert (
        shared.loc["test", "clips of a video in train"] == (~new).sum()
        and shared.loc["valid", "videos"] == 12
    )


def test_likeness_within_videos_follows_from_the_analysis_of_variance():
    rng = np.random.default_rng(0)
    videos = np.repeat(np.arange(30), 8)
    effect = rng.standard_normal(30)[videos]
    clips = pd.DataFrame(
        {
            "video_id": videos,
            "M": effect,
            "T": effect + rng.standard_normal(240),
            "A": rng.standard_normal(240),
        }
    )
    clips["V"] = clips["T"]
    found = alike_within_videos(clips)
    f = scipy.stats.f_oneway(*(group["T"] for _, group in clips.groupby("video_id"))).statistic
    assert found["M"] == pytest.approx(1) and found["T"] == pytest.approx((f - 1) / (f + 8 - 1))
    assert abs(found["A"]) < 0.1
