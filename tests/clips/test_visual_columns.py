"""The parts that need no media package: OpenFace's files, the approximate action units, and the
choice of a speaker."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from avmc_core import schema
from avmc_core.clips.action_units import action_units
from avmc_core.clips.clip_features import ExtractionSettings, backend, scaled
from avmc_core.clips.landmarks import Face, link
from avmc_core.clips.openface import OpenFace, read_csv
from avmc_core.clips.speaker import choose, loudness, synchrony
from avmc_core.errors import InputError
from avmc_core.simulated.face import AUS, movements, neutral_face

COLUMNS = schema.columns("vision")


def written(
    path, frames: int = 20, fps: float = 25.0, faces: int = 1, lost=(), **changes
) -> np.ndarray:
    """An OpenFace CSV as OpenFace writes it, with spaces after the commas and columns we do not
    use."""
    values = np.random.default_rng(0).normal(size=(faces, frames, 177)).round(3)
    rows = []
    for number in range(frames):
        for face in range(faces):
            head = {"frame": number + 1, "face_id": face, "timestamp": round(number / fps, 3)}
            found = {"confidence": 0.98, "success": int((face, number) not in lost), "pose_X": 7.0}
            rows.append(
                head | found | dict(zip(reversed(COLUMNS), values[face, number][::-1], strict=True))
            )
    table = pd.DataFrame(rows).assign(**changes)
    path.write_text(table.to_csv(index=False).replace(",", ", "), encoding="utf-8")
    return values


def test_openface_files_are_read_into_177_columns_in_the_released_order(tmp_path):
    values = written(tmp_path / "clip.csv", lost={(0, 4), (0, 5)})
    (track,) = read_csv(tmp_path / "clip.csv", 20)
    assert len(COLUMNS) == 177 and COLUMNS[:2] == ("pose_Tx", "pose_Ty") and COLUMNS[-1] == "AU45_c"
    assert np.isnan(track[4:6]).all()
    keep = [*range(4), *range(6, 20)]
    np.testing.assert_allclose(track[keep], values[0][keep], rtol=1e-6)


def test_openface_rows_of_another_rate_are_taken_nearest_in_time(tmp_path):
    values = written(tmp_path / "clip.csv", frames=60, fps=50.0)
    (track,) = read_csv(tmp_path / "clip.csv", 40)
    np.testing.assert_allclose(track[:30], values[0][::2], rtol=1e-6)
    assert np.isnan(track[31:]).all()  # the file ends after 1.2 s


def test_openface_keeps_several_faces_apart_and_finds_files_by_name(tmp_path):
    values = written(tmp_path / "clip.csv", faces=2)
    tracks = OpenFace(tmp_path).tracks(tmp_path / "elsewhere" / "clip.mp4", [None] * 20, (320, 240))
    for track, expected in zip(tracks, values, strict=True):
        np.testing.assert_allclose(track, expected, rtol=1e-6)


def test_openface_program_is_run_with_the_flags_that_give_177_columns(tmp_path):
    values = written(tmp_path / "faces.csv")
    program = tmp_path / "FeatureExtraction"
    program.write_text(f"""#!{sys.executable}
import shutil, sys
words = sys.argv[1:]
assert words[:2] == ["-f", "clip.mp4"] and words[-3:] == ["-pose", "-2Dfp", "-aus"], words
shutil.copy({str(tmp_path / "faces.csv")!r}, words[words.index("-out_dir") + 1])
""")
    program.chmod(0o755)
    (track,) = OpenFace(program).tracks("clip.mp4", [None] * 20, (320, 240))
    np.testing.assert_allclose(track, values[0], rtol=1e-6)
    with pytest.raises(InputError, match="OpenFace ended with 1"):
        OpenFace(program).tracks("another.mp4", [None] * 20, (320, 240))


@pytest.mark.parametrize(
    "change, match", [({"AU01_r": "x"}, "could not convert"), ({"success": None}, "an empty")]
)
def test_a_damaged_openface_file_is_one_error(tmp_path, change, match):
    written(tmp_path / "clip.csv", **change)
    with pytest.raises(InputError, match=match):
        read_csv(tmp_path / "clip.csv", 20)


def test_an_openface_file_without_action_units_is_one_error(tmp_path):
    written(tmp_path / "clip.csv")
    table = pd.read_csv(tmp_path / "clip.csv", skipinitialspace=True)
    table.drop(columns=[c for c in table if c.startswith("AU")]).to_csv(
        tmp_path / "clip.csv", index=False
    )
    with pytest.raises(InputError, match=r"35 columns missing: AU01_r.*-aus"):
        read_csv(tmp_path / "clip.csv", 20)


def test_action_units_are_recovered_from_faces_that_they_moved():
    """When one unit moves at a time, the right one responds most and follows its course, for every
    person."""
    rng = np.random.default_rng(1)
    person = neutral_face()[:, :2] * [1.05, 0.95] + 0.01 * rng.standard_normal((68, 2))
    # at rest half of the time, as the median asks
    course = np.maximum(0, 3 * np.sin(np.linspace(0, 12, 60)))
    for k, au in enumerate(AUS):
        faces = (
            person
            + course[:, None, None] * movements()[k, :, :2]
            + 0.002 * rng.standard_normal((60, 68, 2))
        )
        found = action_units(faces)
        assert found.min() >= 0 and found.max() <= 5
        assert np.corrcoef(found[:, k], course)[0, 1] > 0.9, f"AU{au}"


def test_faces_are_linked_by_place_and_a_lost_one_is_found_again():
    points = np.zeros((68, 2))
    left, right = Face((0, 0, 10, 10), points), Face((20, 0, 30, 10), points)
    tracks = link([[left, right], [right, left], [right], [left, right]])
    assert [sorted(track) for track in tracks] == [[0, 1, 2, 3], [0, 1, 3]]
    assert all(face is right for face in tracks[0].values())


def test_loudness_and_the_only_face_need_no_choice():
    signal = np.r_[np.zeros(6400), np.ones(6400)].astype(np.float32)
    np.testing.assert_allclose(loudness(signal, 25), np.r_[np.zeros(10), np.ones(10), np.zeros(5)])
    track = np.full((25, 177), np.nan)
    assert choose([track], signal) == (0, "one face")
    assert synchrony(track, signal) == -1


def test_scaling_puts_the_picture_between_minus_one_and_one():
    values = np.zeros((1, 177))
    values[:, [COLUMNS.index("x_0"), COLUMNS.index("y_0")]] = [320, 120]
    values[:, [COLUMNS.index("pose_Tz"), COLUMNS.index("AU12_r"), COLUMNS.index("AU12_c")]] = [
        500,
        2.5,
        1,
    ]
    out = dict(zip(COLUMNS, scaled(values, 320, 240)[0], strict=True))
    assert (out["x_0"], out["x_1"], out["y_0"], out["y_1"]) == (1, -1, 0, -1)
    assert (out["pose_Tz"], out["AU12_r"], out["AU12_c"]) == (0.5, 0.5, 1)


def test_without_the_media_packages_there_is_one_error_with_the_remedy(monkeypatch):
    """The core can be imported without them; only the backend asks for them."""
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r"package av.*pip install .*requirements-extract.lock"):
        backend(ExtractionSettings())


def test_an_unknown_backend_is_named(monkeypatch):
    monkeypatch.setattr("avmc_core.clips.clip_features.extra", lambda name: None)
    with pytest.raises(InputError, match="landmarks or openface"):
        backend(ExtractionSettings(visual="magic"))
