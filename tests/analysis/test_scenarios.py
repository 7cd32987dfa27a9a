"""A scenario holds what was asked for, is built from admissible clips only and is the same at each
call; what cannot be built is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from avmc_core import schema
from avmc_core.analysis.composed_scenario import composed
from avmc_core.analysis.scenarios import TARGETS, from_donors, from_own_clips
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.errors import InputError
from avmc_core.simulated.clips import simulate
from avmc_core.simulated.label_model import expected_multimodal
from avmc_core.simulated.settings import CorpusSettings


@pytest.fixture(scope="module")
def names(ci_store):
    """Ids of clips of the test split that may be used, and of some that may not."""
    clips = ci_store.split("test").clips
    placeholder = placeholder_clips(clips)
    usable = clips[~placeholder].set_index("id")
    return {
        "neutral": usable.index[usable["T"] == 0][0],
        "spoken": usable.index[usable["T"] == 1][0],
        "usable": usable,
        "placeholder": clips["id"][placeholder].iloc[0],
        "train": ci_store.split("train").clips["id"].iloc[0],
    }


@pytest.mark.parametrize("targets", [TARGETS, [(-1.0, 1.0), (1, -1), (0.4, 0), 0.6]])
def test_donors_are_on_target_and_may_be_used(ci_store, names, targets):
    found = from_donors(ci_store, targets, seed=3)
    wanted = np.array(
        [target if isinstance(target, tuple) else (target, target) for target in targets]
    )
    # the generator's, not the store's
    latents = simulate(CorpusSettings("ci"))["test"].set_index("id")
    for name, task, column in (("audio", "A", 0), ("vision", "V", 1)):
        ids = found.clips.clips[f"{name}_id"]
        np.testing.assert_allclose(latents.loc[ids, f"latent_{task}"], wanted[:, column], atol=1e-6)
        assert set(ids) <= set(names["usable"].index) and ids.is_unique
    assert (names["usable"].loc[found.clips.clips["text_id"], "T"] == 0).all()
    np.testing.assert_allclose(
        found.truth, expected_multimodal(np.column_stack([np.zeros(len(wanted)), wanted]), "test")
    )
    assert found.gloss == latents.loc[found.clips.clips["text_id"][0], "gloss"]


def test_voice_and_face_belong_together_where_one_clip_has_both(ci_store):
    clips = from_donors(ci_store).clips.clips
    assert (clips["audio_id"] == clips["vision_id"]).all()


def test_equal_seed_equal_choice(ci_store):
    first, same, other = (from_donors(ci_store, seed=seed).table() for seed in (1, 1, 2))
    assert first.equals(same) and not first.equals(other)


def test_one_target_changed_changes_one_scenario(ci_store):
    first, other = (from_donors(ci_store, [-1.0, middle, 1.0]).table() for middle in (0.0, 0.6))
    assert first.iloc[[0, 2]].equals(other.iloc[[0, 2]]) and not first.iloc[1].equals(other.iloc[1])


def test_sentence_and_donors_can_be_named(ci_store, names):
    voice, face = names["usable"].index[[5, 9]]
    found = from_donors(ci_store, [1.0, 0.2], sentence=names["neutral"], donors={2: (voice, face)})
    assert found.table().loc["AV-2", ["voice", "face"]].tolist() == [voice, face]
    assert found.sentence == names["usable"].loc[names["neutral"], "text"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"split": "train"}, "donors from train"),
        ({"split": "unlabelled"}, "no clip with T = 0"),
        (
            {"targets": [0.1], "tolerance": 0.05},
            "no unused clip of test with A within 0.05 of \\+0.1",
        ),
        ({"targets": [1.0] * 80}, "no unused clip"),
        ({"targets": [1.2]}, "a label from -1 to 1"),
        ({"targets": ["ab"]}, "a label from -1 to 1"),
        ({"donors": {7: ("usable", "usable")}}, "scenario 7"),
        ({"donors": {1: ("train", "train")}}, "a clip of train"),
        ({"donors": {1: ("placeholder", "placeholder")}}, "placeholders"),
        ({"donors": {1: ("nobody", "nobody")}}, "no clip 'nobody'"),
        ({"donors": {1: ("spoken", "spoken"), 2: ("spoken", "neutral")}}, "more than once"),
        ({"donors": {1: ("neutral", "spoken"), 2: ("usable", "neutral")}}, "more than once"),
        (
            {"donors": {1: ("neutral", "neutral")}, "sentence": "neutral"},
            "none of them the sentence's own",
        ),
        ({"sentence": "spoken"}, "T = 1.0"),
        ({"sentence": "train"}, "a clip of train"),
    ],
)
def test_what_cannot_be_had_is_refused(ci_store, names, changes, said):
    changes, ids = dict(changes), names | {"usable": names["usable"].index[3]}
    if "donors" in changes:
        changes["donors"] = {
            k: tuple(ids.get(name, name) for name in pair) for k, pair in changes["donors"].items()
        }
    if "sentence" in changes:
        changes["sentence"] = ids[changes["sentence"]]
    with pytest.raises(InputError, match=said):
        from_donors(ci_store, **changes)


@pytest.mark.parametrize("seed", range(8))
def test_a_drawn_sentence_is_none_of_the_named_donors(ci_store, names, seed):
    """Checked where the draw would otherwise pick a donor: all neutral clips but one are donors
    already."""
    usable = names["usable"]
    neutral = usable.index[usable["T"].abs() <= 0.1]
    targets = [0.0] * (len(neutral) - 1)
    donors = dict(
        enumerate(((name, name) for name in neutral if name != names["neutral"]), start=1)
    )
    found = from_donors(ci_store, targets, donors=donors, seed=seed)
    assert found.sentence == usable.loc[names["neutral"], "text"]


def test_composed_actor_shows_the_targets(ci_store):
    """With V the generator's smile (AU12) grows and its frown (AU04) weakens; the same seed gives
    the same clips."""
    found, same = composed(ci_store, seed=4), composed(ci_store, seed=4)
    vision = schema.columns("vision")
    smile, frown = (
        [found.clips.vision[k][:, vision.index(name)].mean() for k in range(6)]
        for name in ("AU12_r", "AU04_r")
    )
    assert spearmanr(smile, TARGETS).statistic > 0.8 and spearmanr(frown, TARGETS).statistic < -0.5
    np.testing.assert_array_equal(found.clips.audio[5], same.clips.audio[5])
    assert (
        np.isfinite(found.clips.audio.padded(np.arange(6))).all()
        and found.clips.text.padded(np.arange(6)).any()
    )
    np.testing.assert_allclose(found.clips.labels[:, 2], TARGETS, rtol=1e-6)
    changed = composed(ci_store, [*TARGETS[:5], -1.0], seed=4)
    np.testing.assert_array_equal(found.clips.vision[2], changed.clips.vision[2])


def test_composed_needs_the_generator(tiny_store):
    with pytest.raises(InputError, match="not generated"):
        composed(tiny_store)


def test_own_clips(tiny_store):
    split = tiny_store.split("unlabelled")
    ids = split.clips["id"][split.clips["text"] == split.clips["text"][0]].tolist()
    found = from_own_clips(tiny_store, ids)
    assert (
        len(found) == len(ids) > 1
        and found.table()["face"].tolist() == ids
        and np.isnan(found.truth).all()
    )
    row = split.clips.index[split.clips["id"] == ids[1]][0]
    np.testing.assert_array_equal(found.clips.vision[1], split.vision[row])
    whole = replace(split, clips=split.clips.assign(text="same"))
    store = replace(tiny_store, splits={"unlabelled": whole})
    assert len(from_own_clips(store)) == len(split)


def test_own_clips_that_do_not_fit_are_refused(tiny_store):
    with pytest.raises(InputError, match="sentences"):
        from_own_clips(tiny_store)
    with pytest.raises(InputError, match="no clip 'nobody'"):
        from_own_clips(tiny_store, ["nobody"])
    with pytest.raises(InputError, match="train"):
        from_own_clips(tiny_store, split="train")
