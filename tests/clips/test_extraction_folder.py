"""An extraction may write to its own folder and never to the user's clips, and finished clips that
were damaged on disk are extracted again."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from avmc_core import schema
from avmc_core.artefacts import data_mark
from avmc_core.clips import clip_work, extraction
from avmc_core.clips.clip_features import ClipFeatures, ClipReport, ExtractionSettings
from avmc_core.clips.extraction import MARKER, extract
from avmc_core.clips.openface import OpenFace
from avmc_core.data.exporting import export_released
from avmc_core.data.importing import import_released
from avmc_core.errors import InputError
from avmc_core.simulated.text_encoder import build_encoder

SPLITS = (*schema.SPLITS, "train")


class Faces:
    """A backend that does not look at any picture."""

    name, approximation = "fake", "visual features are made up"

    def identity(self, clip):
        return ""


@pytest.fixture
def clips(tmp_path, monkeypatch) -> Path:
    """Four files that are not videos; every feature of a file is its size. The one named "broken"
    fails."""

    def read(path, visual, settings):
        if path.read_bytes() == b"broken":
            raise InputError(path, "broken", "a clip")
        read.calls += 1
        value = float(path.stat().st_size)
        audio, vision = np.full((5, 25), value, np.float32), np.full((4, 177), value, np.float32)
        report = ClipReport("kept", audio_steps=5, vision_steps=4, speaker="one face")
        return ClipFeatures(audio, vision, np.arange(4), np.zeros(1, np.float32)), report

    read.calls = 0
    encoder = build_encoder()
    monkeypatch.setattr(extraction.clip_features, "backend", lambda settings: Faces())
    monkeypatch.setattr(extraction.clip_features, "extract_clip", read)
    monkeypatch.setattr(extraction.acoustic, "version", lambda: "fake")
    monkeypatch.setattr(extraction, "load_encoder", lambda name: encoder)
    clip_work.visual_of.cache_clear()
    folder = tmp_path / "clips"
    (folder / "v").mkdir(parents=True)
    rows = []
    for number, split in enumerate(SPLITS):
        (folder / "v" / f"{number}.mp4").write_bytes(b"x" * (10 + number))
        rows.append(f"v,{number},你好,0.2,0.2,0.2,0.2,Positive,{split}")
    header = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode"
    (folder / "meta.csv").write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    return folder


def everything(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run(clips, store):
    return extract(clips, store, jobs=1, progress=False)


def test_nothing_is_left_beside_the_store(clips, tmp_path):
    run(clips, tmp_path / "store")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clips", "store"]


@pytest.mark.parametrize("name", ["mine.clips", ".mine.extracting"])
def test_the_users_own_folder_of_any_name_stays(clips, tmp_path, name):
    """A folder of videos beside the store that is named like one of ours was once mistaken for it
    and removed."""
    own = clips.rename(tmp_path / name)
    before = everything(own)
    if name.startswith("."):
        with pytest.raises(InputError, match="apart from the clips"):
            run(own, tmp_path / "mine")
    else:
        run(own, tmp_path / "mine")
    assert everything(own) == before


@pytest.mark.parametrize("place", ["clips/store", "clips", "link/store"])
def test_a_store_among_the_clips_is_refused(clips, tmp_path, place):
    (tmp_path / "link").symlink_to(clips)
    before = everything(clips)
    with pytest.raises(InputError):
        run(clips, tmp_path / place)
    assert everything(clips) == before


@pytest.mark.parametrize("make", ["folder", "file", "link"])
def test_a_working_folder_that_we_did_not_make_is_refused(clips, tmp_path, make):
    work, other = tmp_path / ".store.extracting", tmp_path / "other"
    other.mkdir()
    (other / "precious").write_text("mine")
    if make == "folder":
        other.rename(work)
    elif make == "file":
        work.write_text("mine")
    else:
        (other / MARKER).touch()
        work.symlink_to(other)
    before = everything(tmp_path)
    with pytest.raises(InputError, match=r"\.store\.extracting"):
        run(clips, tmp_path / "store")
    assert everything(tmp_path) == before and not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda data: data[:-3] + b"\x7f" + data[-2:]]
)
def test_a_damaged_finished_clip_is_made_again(clips, tmp_path, damage):
    """A clip that was cut short or has a flipped byte is not used, and does not block its
    extraction."""
    (clips / "v" / "1.mp4").write_bytes(b"broken")
    first = run(clips, tmp_path / "first")
    entries = sorted(first.work.glob("*.safetensors"))
    assert len(entries) == 3
    for path in entries:
        path.write_bytes(damage(path.read_bytes()))
    first.work.rename(tmp_path / ".second.extracting")
    before = extraction.clip_features.extract_clip.calls
    second = run(clips, tmp_path / "second")
    assert second.store.digest == first.store.digest
    assert extraction.clip_features.extract_clip.calls == before + 3
    second.work.rename(tmp_path / ".third.extracting")
    run(clips, tmp_path / "third")
    # what is whole is not made again
    assert extraction.clip_features.extract_clip.calls == before + 3


def test_other_results_of_openface_make_other_clips(tmp_path):
    """OpenFace's CSV files and program count by their content; the settings hold only their
    paths."""
    (row,) = extraction.clip_table(_file(tmp_path / "a.mp4", "x"), "你好").itertuples()
    for place in (tmp_path / "faces" / "a.csv", tmp_path / "FeatureExtraction"):
        _file(place, "one")
        visual = OpenFace(place.parent if place.suffix else place)
        entries = [
            clip_work.entry_name("key", row, visual)
            for text in ("one", "two", "one")
            if _file(place, text)
        ]
        assert entries[0] == entries[2] != entries[1]


def test_own_clips_stay_own_clips_through_an_export(clips, tmp_path):
    """The exported files have the released schema and state where they come from, including that
    their visual features are approximate."""
    store = run(clips, tmp_path / "store").store
    again = import_released(
        tmp_path / "again", *export_released(store, tmp_path / "export"), progress=False
    )
    assert data_mark(again) == data_mark(store) and data_mark(store).endswith(
        "visual features approximate"
    )
    assert again.digest == store.digest
    assert again.manifest["source"]["extraction"] == store.manifest["source"]["extraction"]


def _file(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_a_store_does_not_say_where_the_program_lay(clips, tmp_path):
    settings = ExtractionSettings(
        visual="openface", openface=str(tmp_path / "private" / "FeatureExtraction")
    )
    store = extract(clips, tmp_path / "store", settings, jobs=1, progress=False).store
    assert str(tmp_path) not in (store.path / "manifest.json").read_text()
    said = store.manifest["source"]["extraction"]["settings"]
    assert said == dataclasses.asdict(settings) | {"openface": "FeatureExtraction"}


def test_an_encoder_of_another_width_is_refused_before_any_clip(clips, tmp_path, monkeypatch):
    large = SimpleNamespace(config=SimpleNamespace(hidden_size=1024))
    monkeypatch.setattr(extraction, "load_encoder", lambda name: (None, large))
    with pytest.raises(InputError, match="large: found states of 1024 columns; expected 768"):
        extract(clips, tmp_path / "store", bert="large", jobs=1, progress=False)
    assert not (tmp_path / "store").exists() and extraction.clip_features.extract_clip.calls == 0


# What is said of transcripts and of the table


def table_of(clips, change, encoding="utf-8"):
    text = change((clips / "meta.csv").read_text(encoding="utf-8"))
    (clips / "meta.csv").write_bytes(text.encode(encoding))


def test_what_is_cut_of_a_transcript_is_said_per_clip_and_in_sum(clips, tmp_path):
    table_of(clips, lambda text: text.replace("v,1,你好", f"v,1,{'好' * 180}"))
    made = run(clips, tmp_path / "store")
    assert made.table["reason"].to_dict() == {
        "v$_$0": "",
        "v$_$1": "text cut from 182 to 50 tokens",
        "v$_$2": "",
        "v$_$3": "",
    }
    assert {"what": "transcripts cut at 50 tokens", "count": 1} in made.store.manifest["repairs"]


def test_a_transcript_in_another_language_costs_its_clip_alone(clips, tmp_path):
    table_of(clips, lambda text: text.replace("v,1,你好", "v,1,ķķ"))
    made = run(clips, tmp_path / "store")
    assert made.table["outcome"].tolist() == ["kept", "failed", "kept", "kept"]
    assert (
        "v$_$1: the text encoder's vocabulary has not one character" in made.table["reason"].iloc[1]
    )


def test_the_encoding_of_the_table_is_said_in_the_store(clips, tmp_path):
    table_of(
        clips,
        lambda text: text.replace("你好", "我覺得這部電影真的很好看").replace(",", ";"),
        "big5",
    )
    made = run(clips, tmp_path / "store").store
    said = [repair["what"] for repair in made.manifest["repairs"]]
    assert (
        "meta.csv was read as big5" in said
        and "meta.csv was read with semicolons between its cells" in said
    )
    assert made.split("test").clips["text"].tolist() == ["我覺得這部電影真的很好看"]


def test_zeros_that_a_spreadsheet_took_from_clip_ids_are_restored_from_the_files(clips, tmp_path):
    for number in range(len(SPLITS)):
        (clips / "v" / f"{number}.mp4").rename(clips / "v" / f"000{number}.mp4")
    made = run(clips, tmp_path / "store").store
    assert made.split("test").clips["id"].tolist() == ["v$_$0002"]
    lost = {"what": "ids of meta.csv whose lost leading zeros were restored", "count": len(SPLITS)}
    assert lost in made.manifest["repairs"]


def test_a_folder_named_in_gbk_is_found(clips, tmp_path):
    """An archive made on Windows leaves such names. A clip with such a name gets an id that can be
    written in UTF-8."""
    os.rename(clips / "v", os.path.join(os.fsencode(clips), "视频".encode("gbk")))
    table_of(clips, lambda text: text.replace("\nv,", "\n视频,"))
    made = run(clips, tmp_path / "store").store
    assert made.split("train").clips["video_id"].tolist() == ["视频", "视频"]
    alone = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), "片段.mp4".encode("gbk"))))
    alone.write_bytes(b"x")
    assert extraction.clip_table(alone, "你好")["video_id"].tolist() == ["片段"]
