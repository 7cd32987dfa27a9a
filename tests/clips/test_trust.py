"""What the recorded agreement with OpenFace decides, and what follows from it for columns,
sentences and predictions."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from avmc_core import schema, text_encoder
from avmc_core.clips import clip_features, clip_list, leaning, prediction, records, trust
from avmc_core.clips.action_units import action_units, neutral
from avmc_core.clips.prediction import Clip
from avmc_core.commands import predict
from avmc_core.simulated.face import AUS, movements, neutral_face

COLUMNS = schema.columns("vision")


def test_every_pose_column_and_unit_is_on_record_once():
    table = trust.table()
    assert list(table.index) == [
        *(c for c in COLUMNS if c.startswith("pose")),
        *(f"AU{au:02}" for au in AUS),
    ]
    assert (
        table["r"].dropna().between(-1, 1).all() and table["reported"].dropna().between(-1, 1).all()
    )


def test_a_unit_that_hardly_moves_in_openface_is_decided_by_what_was_reported():
    table = trust.table()
    still = [
        name
        for name in table.index
        if name.startswith("AU") and table.loc[name, "openface_sd"] < 0.1
    ]
    assert {"AU06", "AU10", "AU12", "AU14", "AU15", "AU20"} <= set(still) and table.loc[
        still, "r"
    ].isna().all()
    decided = table["r"].fillna(table["reported"]).fillna(0) >= trust.TRUSTED
    pd.testing.assert_series_equal(decided, table["trusted"], check_names=False)


def test_landmarks_and_pose_are_trusted_and_presences_go_with_their_intensities():
    bad = dict(zip(COLUMNS, trust.untrusted(), strict=True))
    assert not any(value for name, value in bad.items() if name[0] in "xyp") and bad["AU28_c"]
    for name in trust.table().index[6:]:
        assert bad[f"{name}_r"] == bad[f"{name}_c"] == (not trust.table().loc[name, "trusted"])


def test_the_note_names_the_trusted_units_and_counts_the_others():
    good = [name for name in trust.table().index[6:] if trust.table().loc[name, "trusted"]]
    assert (
        all(name in trust.note() for name in good)
        and f"the other {17 - len(good)} are not" in trust.note()
    )


def test_the_tables_of_the_page_hold_every_row_of_the_records():
    assert len(records.agreement()) == 23 and len(records.speakers()) == len(
        records.record("speakers")["rows"]
    )
    sizes = records.face_sizes()
    rows = records.record("face_sizes")["rows"]
    assert len(sizes) == len({row["face"] for row in rows})
    assert sizes.iloc[:, 1:].ne("—").sum().sum() == len(rows)


def test_faces_are_found_from_forty_pixels_on():
    """Also in the largest pictures, where a search at one small scale finds no face below two
    hundred pixels."""
    rows = pd.DataFrame(records.record("face_sizes")["rows"])
    assert (rows.loc[rows["face"] >= 40, "after"] == 1).all()
    assert (
        rows.loc[(rows["picture"] == "1920 x 1080") & (rows["face"] < 200), "before"] == 0
    ).all()


@pytest.mark.parametrize("share, expected", [(0.8, "not to be trusted: M is +0.80"), (0.05, "")])
def test_a_prediction_that_rests_on_untrusted_columns_says_so(monkeypatch, share, expected):
    """The ensemble states how far the untrusted columns are from their mean over the training
    clips."""
    vision = np.where(trust.untrusted(), 1.0 + share, 5.0).astype(np.float32)[None]

    def explain(package, clip):
        return SimpleNamespace(tasks={"M": clip.vision[:, trust.untrusted()].mean(axis=1) - 1})

    monkeypatch.setattr(leaning, "explain", explain)
    package = SimpleNamespace(statistics={"vision": (np.ones(177), np.ones(177))})
    zeros = np.zeros((1, 1), np.float32)
    clip = Clip("a", "b", zeros, zeros, vision, np.zeros((3, 50), np.int64), np.zeros(1, int))
    said = leaning.sentence(package, clip, explain(package, clip))
    assert (expected in said) if expected else said == ""
    assert leaning.without_untrusted(package, clip) == 0


@pytest.mark.parametrize("approximation", ["", "an approximation"])
def test_the_command_says_it_of_approximate_features_alone(monkeypatch, tmp_path, approximation):
    """Features that OpenFace itself computed are trusted, so that there is no warning."""
    clip = Clip(
        "mine.mp4",
        "b",
        *[np.zeros((1, 1))] * 3,
        np.zeros((3, 50)),
        np.zeros(1),
        notes=("1 face found",),
    )
    said = SimpleNamespace(
        table=lambda: pd.DataFrame({"mean": [0.5]}, index=["prediction M"]), strange={}, cut=""
    )
    facts = {"model": "AV-MC", "seeds": [1], "data": {"approximation": ""}}
    package = SimpleNamespace(simulated=False, facts=facts, sizes=SimpleNamespace(**schema.DIMS))
    for place, name, made in (
        (predict, "ensemble", package),
        (predict, "_of_what_there_is", clip_features.DEFAULT),
        (clip_list, "one_clip", tmp_path),
        (text_encoder, "load_encoder", None),
        (prediction, "read_clip", clip),
        (prediction, "explain", said),
        (clip_features, "backend", SimpleNamespace(approximation=approximation)),
        (leaning, "sentence", "the prediction rests on 5 columns"),
    ):
        monkeypatch.setattr(place, name, lambda *_, made=made: made)
    words = [str(tmp_path / "mine.mp4"), "--text", "b", "--model", "m", "--format", "json"]
    done = CliRunner().invoke(predict.main, words)
    notes = json.loads(done.output)["notes"]
    more = [approximation, "the prediction rests on 5 columns"] if approximation else []
    assert notes == ["1 face found", *more]


def test_a_face_at_rest_does_not_read_as_sad_because_it_smiles_otherwise():
    """The face smiles with open lips in four fifths of the clip: no action unit is active at rest,
    and its own are active in the smile."""
    smiling = np.arange(100) >= 20
    moves = 3 * movements()[AUS.index(12), :, :2] + 3 * movements()[AUS.index(25), :, :2]
    noise = 0.002 * np.random.default_rng(0).standard_normal((100, 68, 2))
    faces = neutral_face()[:, :2] + smiling[:, None, None] * moves + noise
    found = action_units(faces)
    assert found[~smiling].max() < 0.5 and found[smiling][:, AUS.index(12)].mean() > 2
    assert np.abs(neutral(faces) - neutral_face()[:, :2])[48:].max() < 0.01


def test_turning_the_head_does_not_raise_brows():
    """A change that goes with nodding is an error of rotating the face to the front; the rest is
    due to the brows."""
    rng = np.random.default_rng(0)
    turned = 0.1 * np.column_stack([np.sin(np.arange(100) / 5), np.cos(np.arange(100) / 9)])
    faces = neutral_face()[:, :2] + 0.002 * rng.standard_normal((100, 68, 2))
    faces[:, 17:27, 1] += 0.8 * turned[:, :1]
    raised = np.zeros(100)
    raised[60:70] = 3
    inner = AUS.index(1)
    assert (
        action_units(faces)[:, inner].max() > 1
        and action_units(faces, turned)[:, inner].max() < 0.5
    )
    faces = faces + raised[:, None, None] * movements()[inner, :, :2]
    assert np.corrcoef(action_units(faces, turned)[:, inner], raised)[0, 1] > 0.9
