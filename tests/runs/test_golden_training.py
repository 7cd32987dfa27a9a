"""Whole trainings of the public reference, replayed: with the same start weights, order of clips
and draws of the mixup, our trainer keeps the same epoch and ends with the same predictions, losses
and weights."""

from __future__ import annotations

import json

import golden_files as gf
import pytest
from golden_settings import MODELS, for_training
from golden_training import KINDS, recorded, replay, with_wrong

from avmc_core.home import resource_text
from avmc_core.settings import file_digest

FILES = [path.stem for path in sorted(gf.TRAINING.glob("*.safetensors"))]


def tolerances(golden: gf.Golden) -> dict[str, float]:
    given = json.loads(golden.facts["tolerance"])
    return {kind: given[kind if kind in given else "end"] for kind in KINDS}


def test_there_is_a_training_of_every_model():
    """Of every model except Bert_MAG, in the project's own folder, whatever folder the replays
    below use."""
    folder = gf.GOLDEN / "training"
    configs = [gf.read(path.stem, folder).config for path in folder.glob("*.safetensors")]
    assert sorted(for_training(config)[0] for config in configs) == sorted(MODELS.values())
    assert FILES


def test_the_books_table_is_of_these_trainings():
    """The record that ``tools/record_lockstep.py`` wrote covers exactly the files that are here,
    and lies within their tolerances."""
    recorded_rows = json.loads(resource_text("lockstep.json"))["data"]["trainings"]
    rows = {row["sha256"]: row for row in recorded_rows}
    paths = {file_digest(path): path for path in (gf.GOLDEN / "training").glob("*.safetensors")}
    assert rows.keys() == paths.keys()
    for digest, row in rows.items():
        golden = gf.read(paths[digest].stem, gf.GOLDEN / "training")
        assert (
            row["model"] == for_training(golden.config)[0]
            and row["epochs"] == golden.config["epochs"]
        )
        assert row["allowed"] == json.loads(golden.facts["tolerance"])
        assert all(row["differences"][kind] <= allowed for kind, allowed in row["allowed"].items())
        assert row["best_epoch"] == {
            "ours": int(golden["best_epoch"]),
            "theirs": int(golden["best_epoch"]),
        }
        assert (
            row["wrong"]["settings"]
            == row["wrong"]["alike"]
            == len(json.loads(golden.facts["wrong_settings"]))
        )


@pytest.mark.parametrize("file", FILES)
def test_ends_as_the_reference_ends(file):
    golden = gf.read(file, gf.TRAINING)
    ours, theirs, allowed = replay(golden), recorded(golden), tolerances(golden)
    differences = ours.differences(theirs)
    too_far = {kind: x for kind, x in differences.items() if x > allowed[kind]}
    assert not too_far, f"allowed {allowed}, found {differences}"
    assert abs(ours.test_loss - theirs.test_loss) < 0.5e-4 + allowed["losses"]
    assert ours.best_epoch == theirs.best_epoch
    assert ours.stops_at == theirs.stops_at


@pytest.mark.parametrize(
    ("number", "file"),
    [
        (number, file)
        for number, file in enumerate(FILES)
        if json.loads(gf.read(file, gf.TRAINING).facts.get("wrong_settings", "{}"))
    ],
)
def test_a_wrong_setting_moves_it_as_it_moves_the_reference(number, file):
    """This shows that the replay can fail: a learning rate, weight decay or task weight that is
    slightly off, missing accumulation or missing clipping is found, and moves our predictions as
    far as it moved the reference's. Each file changes one setting, which varies from file to file;
    a setting that the reference does not use moves nothing."""
    golden = gf.read(file, gf.TRAINING)
    wrong = json.loads(golden.facts["wrong_settings"])
    setting = list(wrong)[number % len(wrong)]
    moved = replay(with_wrong(golden, setting)).differences(recorded(golden))
    allowed = tolerances(golden)
    expected = wrong[setting]["predictions"]  # recorded with two digits
    assert moved["predictions"] == pytest.approx(expected, rel=0.1, abs=allowed["predictions"])
    assert (moved["end"] > allowed["end"]) == (wrong[setting]["end"] > allowed["end"])
