"""OpenFace's tables as they occur in practice: of videos and of folders of images, with failed
rows, and with columns missing."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from avmc_core import schema
from avmc_core.clips import openface
from avmc_core.clips.openface import OpenFace
from avmc_core.clips.openface_table import read_csv, read_table
from avmc_core.errors import InputError

COLUMNS = schema.columns("vision")
# a table that OpenFace wrote, of one face in every row
REAL = Path(os.environ.get("AVMC_OPENFACE_TABLE", ""))


def table(path: Path, times, numbers=None, faces: int = 1, **changes) -> np.ndarray:
    """A table with one row per time and face, whose values identify the row. Returns them (faces,
    N, 177)."""
    count = len(times)
    numbers = range(1, count + 1) if numbers is None else numbers
    values = np.add.outer(
        np.arange(faces) * 1000.0, np.add.outer(np.arange(count) / 1.0, np.arange(177) / 1000)
    )
    rows = [
        {"frame": number, "face_id": face, "timestamp": time, "confidence": 0.98, "success": 1}
        | dict(zip(COLUMNS, values[face, row], strict=True))
        for row, (number, time) in enumerate(zip(numbers, times, strict=True))
        for face in range(faces)
    ]
    made = pd.DataFrame(rows).assign(**changes)
    made = made.drop(columns=[name for name, value in changes.items() if value is None])
    path.write_text(made.to_csv(index=False).replace(",", ", "), encoding="utf-8")
    return values


def shown(track: np.ndarray) -> np.ndarray:
    """The row of ``table`` that each grid time shows; -1 where there is no face."""
    return np.where(np.isnan(track[:, 0]), -1, track[:, 0]).round().astype(int)


@pytest.mark.parametrize("stamp", [0.0, 3.5])
def test_a_folder_of_pictures_has_no_times_and_the_frame_numbers_decide(tmp_path, stamp):
    table(tmp_path / "t.csv", [stamp] * 40)
    (track,), notes = read_table(tmp_path / "t.csv", 40)
    assert shown(track).tolist() == list(range(40))
    assert notes == (
        "OpenFace's table has no times: its 40 rows are spread over the clip, 25.00 per second",
    )


def test_pictures_taken_at_another_rate_are_spread_over_the_clip(tmp_path):
    table(tmp_path / "t.csv", [0.0] * 60)
    (track,), notes = read_table(tmp_path / "t.csv", 50)  # two seconds
    assert (
        np.abs(shown(track) - np.arange(50) * 30 / 25).max() <= 0.5
        and "30.00 per second" in notes[0]
    )


def test_stamps_of_a_thousandth_are_no_times_either(tmp_path):
    """As in a real table: a WebM file states the rate of its clock as its frame rate."""
    table(tmp_path / "t.csv", [k / 1000 for k in range(100)])
    (track,), _ = read_table(tmp_path / "t.csv", 100)
    assert shown(track).tolist() == list(range(100))


@pytest.mark.parametrize("nominal", [30.0, 20.0, 25.0])
def test_a_nominal_rate_gives_way_to_the_times_of_the_clips_own_pictures(tmp_path, nominal):
    """If there is one row for each picture of the file, a row takes its picture's time, whatever
    frame rate OpenFace assumed."""
    table(tmp_path / "t.csv", [k / nominal for k in range(48)])
    pictures = np.cumsum(np.r_[0.0, np.tile([0.02, 0.06], 24)])[:48]  # uneven, as phones record
    (track,), notes = read_table(tmp_path / "t.csv", 48, pictures)
    expected = [int(np.abs(pictures - k / 25).argmin()) for k in range(48)]
    assert np.abs(pictures[shown(track)] - pictures[expected]).max() < 0.021
    assert ("frame numbers are used" in " ".join(notes)) == (nominal != 25.0)


def test_a_table_of_another_clip_is_refused(tmp_path):
    table(tmp_path / "t.csv", [k / 25 for k in range(90)])
    with pytest.raises(InputError, match=r"a table of 3\.60 s for a clip of 2\.00 s"):
        read_table(tmp_path / "t.csv", 50, np.arange(50) / 25)


def test_a_table_that_ends_early_is_said_to(tmp_path):
    table(tmp_path / "t.csv", [k / 25 for k in range(40)])
    (track,), notes = read_table(tmp_path / "t.csv", 50, np.arange(50) / 25)
    assert shown(track).tolist() == [*range(40), 40 - 1, *[-1] * 9] or shown(track).tolist() == [
        *range(40),
        *[-1] * 10,
    ]
    assert notes == ("OpenFace's table ends at 1.60 s of 2.00 s",)


@pytest.mark.parametrize("word", ["-nan(ind)", "nan", "", "1e99", "-1.#IND"])
def test_a_failed_row_is_a_frame_without_a_face(tmp_path, word):
    table(tmp_path / "t.csv", [k / 25 for k in range(20)])
    lines = (tmp_path / "t.csv").read_text().splitlines()
    lines[6] = ", ".join(["6", "0", "0.2", "0.0", "0", *[word] * 177])
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    (track,) = read_csv(tmp_path / "t.csv", 20)
    assert shown(track).tolist() == [0, 1, 2, 3, 4, -1, *range(6, 20)]
    lines[6] = lines[6].replace("0.0, 0,", "0.9, 1,", 1)
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError):  # a face whose values are none
        read_csv(tmp_path / "t.csv", 20)


def test_without_the_column_success_the_confidence_decides(tmp_path):
    confidence = np.where(np.arange(20) < 5, 0.3, 0.9)
    table(tmp_path / "t.csv", [k / 25 for k in range(20)], success=None, confidence=confidence)
    (track,), notes = read_table(tmp_path / "t.csv", 20)
    assert shown(track).tolist() == [*[-1] * 5, *range(5, 20)] and "confidence of 0.75" in notes[0]


@pytest.mark.parametrize("lost", ["face_id", "timestamp", "frame"])
def test_columns_that_a_version_does_not_write(tmp_path, lost):
    table(tmp_path / "t.csv", [k / 25 for k in range(20)], **{lost: None})
    (track,) = read_csv(tmp_path / "t.csv", 20)
    assert shown(track).tolist() == list(range(20))


def test_a_table_of_a_single_picture_is_named(tmp_path):
    """OpenFace's program for pictures writes other first columns and no time."""
    lost = dict.fromkeys(("frame", "face_id", "timestamp", "success"))
    table(tmp_path / "t.csv", [0.0] * 2, face=0, **lost)
    with pytest.raises(InputError, match=r"FaceLandmarkImg, .*; expected one of FeatureExtraction"):
        read_table(tmp_path / "t.csv", 2)


def test_more_columns_than_ours_and_none_of_the_needed(tmp_path):
    table(
        tmp_path / "t.csv", [k / 25 for k in range(20)], X_0=1.0, p_scale=2.0, gaze_0_x="-nan(ind)"
    )
    assert len(read_csv(tmp_path / "t.csv", 20)) == 1
    table(tmp_path / "u.csv", [0.0], success=None, confidence=None)
    with pytest.raises(InputError, match="columns missing: success"):
        read_csv(tmp_path / "u.csv", 1)


@pytest.mark.parametrize("form", [(";", ",", "utf-8"), ("\t", ".", "utf-16"), (",", ".", "utf-8")])
def test_a_table_that_a_spreadsheet_saved_again(tmp_path, form):
    """Also with a comma at the end of each row except the header, which once shifted the columns by
    one."""
    separator, decimal, encoding = form
    values = table(tmp_path / "x.csv", np.arange(10) / 25)
    made = pd.read_csv(tmp_path / "x.csv", skipinitialspace=True)
    text = made.to_csv(index=False, sep=separator, decimal=decimal).splitlines()
    text = [text[0], *(line + separator * (separator == ",") for line in text[1:])]
    (tmp_path / "y.csv").write_text("\n".join(text), encoding=encoding)
    (track,) = read_csv(tmp_path / "y.csv", 10)
    np.testing.assert_allclose(track, values[0], rtol=1e-6)


def test_what_lies_in_place_of_a_table_is_named(tmp_path):
    for data, named in ((b"", "an empty file"), (b"<html>", "a web page")):
        (tmp_path / "x.csv").write_bytes(data)
        with pytest.raises(InputError, match=named):
            read_csv(tmp_path / "x.csv", 10)


def test_faces_that_nothing_tells_apart_are_refused(tmp_path):
    """Rows of two faces without face_id were once read as one face that jumps."""
    table(tmp_path / "x.csv", np.arange(10) / 25, faces=2, face_id=None)
    with pytest.raises(InputError, match="several rows for 10 frames, without a column face_id"):
        read_csv(tmp_path / "x.csv", 10)


def test_several_faces_of_a_folder_of_pictures(tmp_path):
    table(tmp_path / "t.csv", [0.0] * 25, faces=2)
    tracks = read_csv(tmp_path / "t.csv", 25)
    assert [shown(track)[0] for track in tracks] == [0, 1000] and len(shown(tracks[1])) == 25


def inside(path: Path, **changes) -> None:
    """A table whose landmarks lie within a picture of 320 by 240 pixels."""
    xs = {f"x_{n}": 100.0 + n for n in range(68)} | {f"y_{n}": 80.0 + n for n in range(68)}
    path.parent.mkdir(parents=True, exist_ok=True)
    table(path, [k / 25 for k in range(20)], **{**xs, **changes})


@pytest.mark.parametrize(
    "name",
    [
        *("v/0001.csv", "v$_$0001.csv", "v_0001.csv", "0001.csv", "0001.CSV"),
        *("v_0001/v_0001.csv", "v/0001/0001.csv"),  # of MMSA-FET, and of a folder for each clip
    ],
)
def test_tables_are_found_in_a_folder(tmp_path, name):
    inside(tmp_path / "faces" / name)
    visual = OpenFace(tmp_path / "faces")
    (track,) = visual.tracks(tmp_path / "v" / "0001.mp4", [None] * 20, (320, 240))
    assert np.isfinite(track).all() and visual.identity(tmp_path / "v" / "0001.mp4")


def test_a_table_whose_name_composes_its_accents_otherwise_is_found(tmp_path):
    inside(tmp_path / "faces" / "e\u0301.csv")
    visual = OpenFace(tmp_path / "faces")
    assert visual.table(tmp_path / "v" / "\u00e9.mp4").is_file()


def test_a_folder_of_tables_is_listed_once_at_most(tmp_path, listings):
    """It was once listed for every place at which the table of a clip was not: the time grew with
    the square of their number."""
    for number in range(10):
        inside(tmp_path / "plain" / f"v_{number}.csv")
        (tmp_path / "other").mkdir(exist_ok=True)
        (tmp_path / "other" / f"e\u0301_{number}.csv").touch()
    for folder, video, most in (("plain", "v", 0), ("other", "\u00e9", 1)):
        visual = OpenFace(tmp_path / folder)
        listings.clear()
        assert all(
            visual.table(tmp_path / video / f"{number}.mp4").is_file() for number in range(10)
        )
        assert len(listings) <= most


def test_an_empty_column_face_id_is_that_of_one_face(tmp_path):
    """Its rows were once left out, and the clip had no face."""
    table(tmp_path / "x.csv", np.arange(10) / 25, face_id="")
    (track,) = read_csv(tmp_path / "x.csv", 10)
    assert shown(track).tolist() == list(range(10))


def test_a_single_table_is_taken_for_a_single_clip(tmp_path):
    inside(tmp_path / "any.csv")
    (track,) = OpenFace(tmp_path / "any.csv").tracks(tmp_path / "mine.mp4", [None] * 20, (320, 240))
    assert np.isfinite(track).all() and "CSV files" in OpenFace(tmp_path / "any.csv").name


def test_landmarks_outside_the_picture_are_of_another_picture(tmp_path):
    """For example, OpenFace may have read a clip from a phone without applying its rotation."""
    inside(tmp_path / "0001.csv", **{f"x_{n}": 280.0 + n / 10 for n in range(68)})
    with pytest.raises(
        InputError, match=r"faces outside the picture of 240 by 320 pixels.*turned upright"
    ):
        OpenFace(tmp_path).tracks(tmp_path / "0001.mp4", [None] * 20, (240, 320))


@pytest.mark.parametrize(("factor", "good"), [(1.0, True), (0.5, False), (1.5, False)])
def test_a_table_of_a_smaller_or_larger_copy_of_the_clip_is_refused(tmp_path, factor, good):
    """Its landmarks lie in the picture, but elsewhere than the face. A face 60 cm away and 12 cm to
    the left, seen by OpenFace's camera in a picture of 640 by 360 pixels."""
    x, y = 320 - 437.5 * 120 / 600, 180.0
    places = {f"x_{n}": factor * (x + n - 33.5) for n in range(68)}
    places |= {f"y_{n}": factor * (y + n - 33.5) for n in range(68)}
    table(tmp_path / "0001.csv", [k / 25 for k in range(20)], **places)
    rows = pd.read_csv(tmp_path / "0001.csv", skipinitialspace=True)
    rows.assign(pose_Tx=-120.0, pose_Ty=0.0, pose_Tz=600.0).to_csv(tmp_path / "0001.csv")
    ask = OpenFace(tmp_path)
    if good:
        assert len(ask.tracks(tmp_path / "0001.mp4", [None] * 20, (640, 360))) == 1
    else:
        with pytest.raises(InputError, match=f"{factor:.2f} times as large as the clip's"):
            ask.tracks(tmp_path / "0001.mp4", [None] * 20, (640, 360))


@pytest.mark.skipif(
    not REAL.is_file(), reason="AVMC_OPENFACE_TABLE names no table that OpenFace wrote"
)
def test_a_real_table():
    """100 rows of one face, with timestamps that are one thousandth of a second apart."""
    for frames in (83, 100, 120):
        (track,), notes = read_table(REAL, frames)
        assert np.isfinite(track).all() and "no times" in notes[0]


def test_the_interface_of_before_still_stands():
    assert openface.read_csv is read_csv and openface.FLAGS == ("-pose", "-2Dfp", "-aus")
