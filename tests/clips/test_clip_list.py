"""Clips are found under the file names that people use, and the error for an unknown name suggests
the nearest one."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from label_header import HEADER

from avmc_core import schema
from avmc_core.clips.clip_list import ENDINGS, clip_table, one_clip
from avmc_core.clips.media import shown
from avmc_core.errors import InputError

SENTENCE = "我觉得这部电影真的很好看"


def folder(place: Path, rows: list[tuple[str, str]], files: list[bytes]) -> Path:
    """A folder with a label table of (video, clip), and empty files."""
    for name in files:
        path = os.path.join(os.fsencode(place), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(os.fsdecode(path)).touch()
    lines = [f"{video},{clip},你好,0.2,0.2,0.2,0.2,Positive,train" for video, clip in rows]
    (place / "meta.csv").write_text("\n".join([HEADER, *lines, ""]), encoding="utf-8")
    return place


@pytest.mark.parametrize("ending", [*ENDINGS, ".MP4", ".MOV", ".Mkv", ".WAV"])
def test_any_usual_ending_in_any_case(tmp_path, ending):
    clips = folder(
        tmp_path, [("v", "0001")], [f"v/0001{ending}".encode(), b"v/0001.txt", b"v/00012.mp4"]
    )
    (row,) = clip_table(clips).itertuples()
    assert row.path == tmp_path / "v" / f"0001{ending}" and row.absent == ""


def test_of_several_files_of_one_name_the_video_is_taken(tmp_path):
    clips = folder(tmp_path, [("v", "1")], [b"v/1.wav", b"v/1.MOV"])
    assert clip_table(clips)["path"][0].name == "1.MOV"


@pytest.mark.parametrize(
    "name", ["视频".encode("gbk"), "视频".encode(), unicodedata.normalize("NFD", "é视频").encode()]
)
def test_names_in_other_bytes_and_other_forms(tmp_path, name):
    video = "é视频" if b"e\xcc\x81" in name else "视频"
    clips = folder(tmp_path, [(video, "片段")], [name + b"/" + "片段".encode("gb18030") + b".mp4"])
    (row,) = clip_table(clips).itertuples()
    assert row.path.is_file() and row.id == f"{video}$_$片段" and shown(row.path).encode()


@pytest.mark.parametrize(
    ("clip", "files", "nearest"),
    [
        ("0002", [b"v/00021.mp4"], "00021.mp4"),
        ("clip_01", [b"v/clip-01.MP4"], "clip-01.MP4"),
        ("x", [b"v/abcdefg.mp4"], ""),
        ("0001", [b"v/0001.mp4.part", b"v/0002.mp4"], "0001.mp4.part"),
    ],
)
def test_a_name_that_fits_no_file_is_told_the_nearest(tmp_path, clip, files, nearest):
    (row,) = clip_table(folder(tmp_path, [("v", clip)], files)).itertuples()
    assert row.absent.startswith(f"no such file {clip}") and row.absent.endswith(nearest or clip)
    assert ("nearest" in row.absent) == bool(nearest)


def test_zeros_that_a_spreadsheet_took_from_an_id_are_restored(tmp_path):
    """Only where exactly one file can be meant; the restored zeros are listed among the repairs of
    the table."""
    table = clip_table(folder(tmp_path, [("v", "1")], [b"v/0001.mp4"]))
    assert table["path"][0].name == "0001.mp4" and table["id"][0] == "v$_$0001"
    assert "leading zeros" in table.attrs["repairs"][0]["what"]


def test_a_folder_that_is_not_there_is_told_the_nearest(tmp_path):
    (row,) = clip_table(folder(tmp_path, [("vidoe_1", "1")], [b"video_1/1.mp4"])).itertuples()
    assert row.absent == "no folder vidoe_1; the nearest name is video_1"


def test_the_table_itself_can_be_named(tmp_path):
    clips = folder(tmp_path, [("v", "1")], [b"v/1.mp4"])
    table = (clips / "meta.csv").rename(clips / "mine.csv")
    assert clip_table(table)["id"].tolist() == ["v$_$1"]


def test_a_list_of_clips_with_their_transcripts(tmp_path):
    folder(tmp_path, [], [b"a/1.mp4", b"b/1.MP4", "c/片段.mp4".encode("gbk"), b"here.wav"])
    lines = [b"a/1.mp4\t\xe4\xbd\xa0\xe5\xa5\xbd", b"", os.fsencode(tmp_path) + b"/b/1.mp4\tx"]
    lines += [f"c/片段.mp4\t{SENTENCE}".encode("gbk"), b"here.wav\tyes\r"]
    (tmp_path / "clips.txt").write_bytes(b"\n".join(lines))
    table = clip_table(tmp_path / "clips.txt")
    assert table["id"].tolist() == ["a$_$1", "b$_$1", "c$_$片段", "clips$_$here"]
    assert table["text"].tolist() == ["你好", "x", SENTENCE, "yes"] and set(table["split"]) == {
        schema.UNLABELLED
    }
    assert table["absent"].tolist() == ["", "no such file 1.mp4; the nearest name is 1.MP4", "", ""]
    (tmp_path / "twice.txt").write_text("a/1.mp4\tx\na/1.mp4\ty\n")
    with pytest.raises(InputError, match=r"a\$_\$1 twice"):
        clip_table(tmp_path / "twice.txt")


def test_one_clip_and_what_is_not_there(tmp_path):
    (tmp_path / "clip.MP4").touch()
    assert one_clip(tmp_path / "clip.MP4").name == "clip.MP4"
    for ask in (one_clip, clip_table):
        with pytest.raises(
            InputError, match=r"found nothing there; the nearest name is .*clip\.MP4"
        ):
            ask(tmp_path / "clip.mp4")
    with pytest.raises(InputError, match="a folder"):
        one_clip(tmp_path)


def test_the_folders_that_mmsa_fet_works_on(tmp_path):
    """Its table is label.csv, and the videos' folders lie in Raw beside it."""
    clips = folder(tmp_path, [("v", "0001"), ("v", "0002")], [b"Raw/v/0001.mp4"])
    (clips / "meta.csv").rename(clips / "label.csv")
    found = clip_table(clips)
    assert found["path"][0] == tmp_path / "Raw" / "v" / "0001.mp4"
    assert "no such file 0002" in found["absent"][1]


def test_a_folder_called_raw_does_not_hide_the_clips_beside_it(tmp_path):
    """It may hold the recordings from which the clips were cut."""
    clips = folder(tmp_path, [("v", "0001")], [b"v/0001.mp4", b"Raw/recording.mp4"])
    assert clip_table(clips)["path"][0] == tmp_path / "v" / "0001.mp4"


@pytest.mark.parametrize(
    ("clip", "file"), [("0001", "v_0001.mp4"), ("0001", "v$_$0001.MP4"), ("0001.mp4", "v/0001.mp4")]
)
def test_clips_in_one_folder_and_names_with_their_ending(tmp_path, clip, file):
    clips = folder(tmp_path, [("v", clip)], [file.encode()])
    assert clip_table(clips)["path"][0] == tmp_path / file


def test_lost_zeros_are_restored_in_one_folder(tmp_path):
    clips = folder(tmp_path, [("a_v", "1"), ("b", "2")], [b"a_v_0001.mp4", b"b$_$0002.mp4"])
    table = clip_table(clips)
    assert table["id"].tolist() == ["a_v$_$0001", "b$_$0002"] and not table["absent"].any()


def test_a_file_that_two_names_fit_is_refused(tmp_path):
    clips = folder(tmp_path, [("a", "1_2"), ("a_1", "2")], [b"a_1_2.mp4"])
    with pytest.raises(InputError, match=r"a_1_2.mp4 as the only file for a\$_\$1_2 and a_1\$_\$2"):
        clip_table(clips)


def test_a_folder_without_a_table_names_what_could_be_it(tmp_path):
    (tmp_path / "labels.xlsx").touch()
    with pytest.raises(InputError, match=r"no meta.csv; there is labels.xlsx; .*CSV in UTF-8"):
        clip_table(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "gb18030"])
def test_lists_of_other_systems(tmp_path, encoding):
    """A list of Windows in any encoding names a file whose own name is in UTF-8."""
    (tmp_path / "视频").mkdir()
    (tmp_path / "视频" / "片段.mp4").touch()
    path = tmp_path / "clips.txt"
    path.write_bytes(f"视频\\片段.mp4\t{SENTENCE}\r\n".encode(encoding))
    (row,) = clip_table(path).itertuples()
    assert row.absent == "" and row.text == SENTENCE and row.path.is_file()


def test_the_folders_of_a_list_are_read_once(tmp_path, listings):
    """They were once read for each line whose name is in other bytes than its file's."""
    names = [f"视频/{number}.mp4" for number in range(10)]
    folder(tmp_path, [], [name.encode() for name in names])
    (tmp_path / "clips.txt").write_bytes("\n".join(names).encode("gbk"))
    listings.clear()
    assert not clip_table(tmp_path / "clips.txt")["absent"].any()
    assert len(listings) <= 3


def test_a_list_of_other_bytes_with_a_name_that_fits_no_file(tmp_path):
    """It once ended in a traceback."""
    path = tmp_path / "clips.txt"
    path.write_bytes(f"片段.mp4\t{SENTENCE}".encode("gb18030"))
    (row,) = clip_table(path).itertuples()
    assert row.absent == "no such file 片段.mp4"


def test_endings_that_were_given_twice_and_blanks_around_a_name(tmp_path):
    """As Windows makes them where it hides endings, and as people type them."""
    files = [b"v/0001.mp4.MP4", b"v/0002 .mp4", b"v/0003.mp4", b"v/0003.mp4.mp4"]
    table = clip_table(folder(tmp_path, [("v", f"000{k}") for k in (1, 2, 3)], files))
    assert [path.name for path in table["path"]] == ["0001.mp4.MP4", "0002 .mp4", "0003.mp4"]
    assert not table["absent"].any()


def test_quotes_around_the_cells_of_a_list(tmp_path):
    """Windows' "Copy as path" and spreadsheets add them; they once became a part of the path and
    of the transcript. Quotes within a transcript are its own."""
    folder(tmp_path, [], [b"v/1.mp4", b"v/2.mp4", b"v/3.mp4"])
    lines = ['"v\\1.mp4"\t"他说""好"", 我走了"', 'v/2.mp4\t"好"是他说的', 'v/3.mp4\t"好","不"']
    (tmp_path / "clips.txt").write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    table = clip_table(tmp_path / "clips.txt")
    assert table["text"].tolist() == ['他说"好", 我走了', '"好"是他说的', '"好","不"']
    assert not table["absent"].any()
    assert table.attrs["repairs"] == [
        {"what": "lines of the list read without quotes around a cell", "count": 1}
    ]


@pytest.mark.parametrize("between", [",", " ", ";"])
def test_a_list_without_tabs_is_told_what_it_lacks(tmp_path, between):
    """Its clips were once said to have no transcript."""
    folder(tmp_path, [], [b"v/1.mp4"])
    (tmp_path / "clips.txt").write_text(f"v/1.mp4{between}{SENTENCE}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"no tab in any line; expected .* its path, a tab"):
        clip_table(tmp_path / "clips.txt")


def test_sheets_tables_and_lists_are_not_taken_for_a_clip(tmp_path):
    """A sheet was once said to have no transcript, and a list that it cannot be decoded."""
    clips = folder(tmp_path, [("v", "1")], [b"v/1.mp4", b"a.txt", b"a.XLSX"])
    for ask in (one_clip, clip_table):
        with pytest.raises(InputError, match=r"a sheet; expected .* saved as CSV in UTF-8"):
            ask(tmp_path / "a.XLSX")
    for name, found in (("meta.csv", "a table"), ("a.txt", "a list of clips")):
        with pytest.raises(InputError, match=f"{found}; expected one clip; `avmc extract` reads"):
            one_clip(clips / name)
    text = (clips / "meta.csv").read_text(encoding="utf-8").replace(",", "\t")
    (clips / "meta.tsv").write_text(text, encoding="utf-8")
    assert clip_table(clips / "meta.tsv")["id"].tolist() == ["v$_$1"]
