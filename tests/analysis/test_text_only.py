"""The text-only model is selected on validation only, its slices leave placeholders out, and the
figures of the real table are as recorded."""

from __future__ import annotations

import math
import os

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr

from avmc_core.analysis import text_only
from avmc_core.data.released import read_meta
from avmc_core.errors import InputError
from avmc_core.publishing.tables import interval_table

META = os.environ.get("AVMC_META")
GOOD, BAD = "好美乐喜", "坏丑怒悲"


def clips(seed: int = 0) -> pd.DataFrame:
    """Sentences whose label is their share of glad characters: ten videos occur in all splits, and
    two further ones, with copied labels, in test only."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(360):
        split = "train" if i < 200 else "valid" if i < 260 else "test"
        copied = i >= 330
        text = "".join(rng.choice(list(GOOD + BAD), size=8))
        label = round(2 * sum(letter in GOOD for letter in text) / 8 - 1, 1)
        rows.append(
            (
                f"new{i % 2}" if copied else f"v{i % 10}",
                text,
                split,
                label,
                label if copied else 0.5 * label + 0.1,
            )
        )
    table = pd.DataFrame(rows, columns=["video_id", "text", "split", "M", "T"])
    return table.assign(A=table["T"], V=table["T"])


def test_it_learns_what_the_characters_say():
    """Where the characters determine the label it is nearly perfect, and far better than the mean
    of the training labels, which has no correlation."""
    scores = text_only.score(clips(), n=200).set_index(["task", "model", "slice"])
    learnt = scores.loc[("M", text_only.NGRAMS, "published test split")]
    mean = scores.loc[("M", text_only.MEAN, "published test split")]
    assert learnt["Corr"].estimate > 0.95 and learnt["Corr"].low > 0.9
    assert learnt["MAE"].high < mean["MAE"].low
    assert math.isnan(mean["Corr"].estimate)


def test_test_labels_cannot_change_what_is_fitted():
    """Scrambled test clips give the same model and strength: selection sees validation only."""
    table = clips()
    scrambled = table.copy()
    test = scrambled["split"] == "test"
    scrambled.loc[test, ["M", "text"]] = [0.0, "无"]
    (model, strength), (other, same) = text_only.fit(table, "M"), text_only.fit(scrambled, "M")
    assert strength == same
    texts = table["text"][:20]
    assert np.array_equal(model.predict(texts), other.predict(texts))


def test_strength_is_the_best_on_validation():
    """No other strength does better there, and a hopeless task gets a stronger penalty than an easy
    one."""
    table = clips()
    model, strength = text_only.fit(table, "M")
    valid = table[table["split"] == "valid"]
    best = np.abs(np.clip(model.predict(valid["text"]), -1, 1) - valid["M"]).mean()
    for other in text_only.STRENGTHS:
        model[-1].set_params(alpha=other)
        train = table[table["split"] == "train"]
        model[-1].fit(model[0].transform(train["text"]), train["M"])
        assert (
            np.abs(np.clip(model.predict(valid["text"]), -1, 1) - valid["M"]).mean() >= best - 1e-12
        )
    noise = table.assign(M=np.random.default_rng(1).permutation(table["M"]))
    assert text_only.fit(noise, "M")[1] > strength


def test_slices_part_the_test_clips_and_leave_placeholders_out():
    """M is scored on all test clips and on both parts of them; T is never scored on videos whose
    four labels are copies."""
    parts = dict(text_only.slices(clips(), "M"))
    whole, new, known = parts.values()
    assert len(whole) == 100 and set(new["video_id"]) == {"new0", "new1"}
    assert sorted([*new.index, *known.index]) == sorted(whole.index)
    ((name, only),) = text_only.slices(clips(), "T")
    assert "placeholders" in name and not set(only["video_id"]) & {"new0", "new1"}


def test_nothing_is_said_of_new_videos_from_a_single_one():
    """The interval of a single new video would mean nothing and would stretch the common scale."""
    table = clips()
    lone = table.assign(video_id=table["video_id"].where(table["video_id"] != "new1", "v1"))
    assert len(dict(text_only.slices(lone, "M"))) == 1
    assert len(dict(text_only.slices(table, "M"))) == 3


def test_what_else_sets_the_new_videos_apart_is_counted():
    said = text_only.kinds_of_test_clips(
        clips().assign(M=lambda t: t["M"].where(t.index < 330, 0.0), T=0.0, A=0.0, V=0.0)
    )
    new, known = said.split("; ")
    assert (
        new == "30 test clips of 2 source videos new to it, 30 of them with placeholder labels, "
        "mean strength of M 0.00"
    )
    assert known.startswith("70 test clips of 10 source videos in train or valid, ")


def test_no_training_clip_is_an_error():
    table = clips()
    with pytest.raises(InputError, match="valid"):
        text_only.fit(table[table["split"] != "valid"], "M")


def test_figures_of_the_table_are_on_the_paper_scale():
    scores = text_only.score(clips(), ("M",), n=50)
    shown = (
        interval_table(scores, "text-only", ["Acc2", "Corr"]).words().set_index(["model", "slice"])
    )
    assert shown.loc[(text_only.MEAN, "published test split"), "Corr ↑"] == "–"
    learnt = scores.iloc[0]["Acc2"]
    assert (
        shown.iloc[0]["Acc2 ↑"]
        == f"{100 * learnt.estimate:.2f} [{100 * learnt.low:.2f}, {100 * learnt.high:.2f}]"
    )
    assert text_only.plain(scores)[0]["Acc2"]["estimate"] == learnt.estimate


@pytest.mark.skipif(not META, reason="AVMC_META does not name the real label table")
def test_on_the_real_table():
    """The slices of the real table have their known sizes, its texts predict T better than M, and
    the scores can be recomputed."""
    table = read_meta(META)
    scores = text_only.score(table, n=200).set_index(["task", "model", "slice"])
    learnt = scores.xs(text_only.NGRAMS, level="model")
    assert learnt["clips"].to_dict() == {
        ("M", "published test split"): 1034,
        ("M", "source video new"): 190,
        ("M", "source video in train or valid"): 844,
        ("T", "published test split, placeholders left out"): 844,
    }
    assert learnt.loc[("M", "source video new"), "videos"] == 15
    of_m, of_t = (learnt.loc[key]["Corr"] for key in learnt.index if "published" in key[1])
    assert 0.3 < of_m.low < of_m.estimate < of_t.low
    model, _ = text_only.fit(table, "M")
    test = table[table["split"] == "test"]
    predicted = np.clip(model.predict(test["text"]), -1, 1)
    assert of_m.estimate == pytest.approx(pearsonr(predicted, test["M"]).statistic)
