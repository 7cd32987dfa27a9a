"""An extraction of clips of every sort gives the right store, table and errors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from made_clips import make_clip
from media_tools import COMMAND, TEXTS, avmc, labelled, talking, write_meta
from transformers import Wav2Vec2Config, Wav2Vec2Model

from avmc_core import schema
from avmc_core.artefacts import data_mark
from avmc_core.clips import wav2vec
from avmc_core.clips.clip_features import ExtractionSettings, extract_clip
from avmc_core.clips.extraction import extract
from avmc_core.clips.landmarks import Landmarks
from avmc_core.data.store import open_store, verify_store
from avmc_core.errors import InputError

FAILED = {
    "short": "at least 3",
    "nosound": "no audio track",
    "nopicture": "no video track",
    "notext": "no transcript",
    "corrupt": "a video file that can be decoded",
    "absent": "a video file that can be decoded",
}


def test_every_readable_clip_is_in_the_store(made, table):
    kept = set(table.index[table["outcome"] == "kept"])
    assert kept == {clip for name in schema.SPLITS for clip in made.split(name).clips["id"]}
    # 14 ordinary ones, two of the missing faces, the silent and the long one
    assert len(kept) == 18
    assert verify_store(made.path).manifest["kind"] == "real"


@pytest.mark.parametrize(
    "percent, outcome", [(0, "kept"), (20, "kept"), (30, "discarded"), (100, "discarded")]
)
def test_a_quarter_of_the_frames_may_miss_the_face(table, percent, outcome):
    row = table.loc[f"missing$_${percent}"]
    assert row["outcome"] == outcome
    assert row["missing"] == pytest.approx(percent / 100, abs=0.02)
    reasons = {
        0: "",
        20: "frames without a face left out",
        30: "more than 25%",
        100: "no face found",
    }
    assert reasons[percent] in row["reason"] and (percent == 0) == (row["reason"] == "")


def test_frames_without_a_face_shorten_the_sequence(made, table):
    row = table.loc["missing$_$20"]
    assert row["vision_steps"] == row["frames"] - round(row["missing"] * row["frames"])


@pytest.mark.parametrize("name", FAILED)
def test_an_unusable_clip_is_one_clear_error(extraction, table, name):
    row = table.loc[f"odd$_${name}"]
    assert row["outcome"] == "failed" and FAILED[name] in row["reason"] and name in row["reason"]
    assert "Traceback" not in extraction.stdout + extraction.stderr
    assert sum(f"odd$_${name} " in line for line in extraction.stdout.splitlines()) == 1


def test_a_long_clip_is_cut_at_the_released_lengths(table):
    row = table.loc["odd$_$long"]
    assert (row["audio_steps"], row["vision_steps"]) == (925, 232)
    assert "audio cut from" in row["reason"] and "vision cut from 250 to 232" in row["reason"]


def test_features_of_a_silent_clip_are_those_of_silence(made):
    train = made.split("train")
    silent = train.audio[int(np.flatnonzero(train.clips["clip_id"] == "silent")[0])]
    columns = schema.columns("audio")
    assert (silent[:, columns.index("F0semitoneFrom27.5Hz_sma3nz")] == 0).all()
    assert (silent[:, columns.index("F1amplitudeLogRelF0_sma3nz")] == -201).all()
    assert silent[:, columns.index("Loudness_sma3")].max() < 0.05


def test_the_store_says_that_its_visual_features_are_an_approximation(extraction, made, manifest):
    assert data_mark(made).endswith("visual features approximate")
    assert "approximation" in manifest["source"]["extraction"]["approximation"]
    assert "note: visual features are a geometric approximation" in extraction.stdout


def test_visual_features_follow_the_drawn_face(made, clips):
    """The scaled columns lie where the face was drawn, and the lips part when it speaks."""
    train = made.split("train")
    row = int(np.flatnonzero(train.clips["clip_id"] == "0000")[0])
    vision, names = train.vision[row], schema.columns("vision")
    nose = vision[:, [names.index("x_30"), names.index("y_30")]]
    assert np.abs(nose - [0.0, (110 + 0.1 * 58) / 120 - 1]).max() < 0.12
    gap = vision[:, names.index("y_66")] - vision[:, names.index("y_62")]
    opening = talking(0)[0][0].opening[: len(gap)]
    assert np.corrcoef(gap[: len(opening)], opening)[0, 1] > 0.8
    assert np.abs(vision).max() < 3


def test_one_clip_becomes_a_store(clips, bert, tmp_path):
    made = extract(
        clips / "video0" / "0000.mp4", tmp_path / "store", text=TEXTS[0], bert=bert, progress=False
    )
    assert made.store.manifest["splits"] == {"train": 0, "valid": 0, "test": 0, "unlabelled": 1}
    assert not made.store.split("unlabelled").mask.any()
    assert not made.work.exists()


def test_wav2vec_features_stand_beside_the_others(clips, bert, tmp_path):
    """The store has the features of a tiny network with random weights, also in splits without
    clips."""
    config = Wav2Vec2Config(
        hidden_size=12,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
    )
    Wav2Vec2Model(config).save_pretrained(tmp_path / "weights")
    clip = clips / "video0" / "0000.mp4"
    settings = ExtractionSettings(wav2vec=str(tmp_path / "weights"))
    store = extract(
        clip, tmp_path / "store", settings, text=TEXTS[0], bert=bert, progress=False
    ).store
    features, _ = extract_clip(clip, Landmarks())
    expected = wav2vec.hidden_states(features.signal, tmp_path / "weights")
    assert verify_store(store.path).extras == ("audio_wav2vec",)
    np.testing.assert_allclose(
        store.split("unlabelled").extras["audio_wav2vec"][0], expected, atol=1e-6
    )
    assert (
        "plain mean of 3 hidden states" in store.manifest["source"]["extraction"]["audio_wav2vec"]
    )
    words = [
        "--text",
        TEXTS[0],
        "--bert",
        bert,
        "--wav2vec",
        tmp_path / "weights",
        "--wav2vec-layers",
    ]
    assert avmc("extract", clip, tmp_path / "layered", *words).returncode == 0
    layered = verify_store(tmp_path / "layered")
    every = layered.split("unlabelled").extras["audio_wav2vec"][0]
    np.testing.assert_allclose(
        every[0].reshape(3, 12).mean(axis=0), expected[:5].mean(axis=0), atol=1e-5
    )
    assert layered.manifest["source"]["extraction"]["wav2vec_layers"] == 3
    with pytest.raises(InputError, match="downloaded beforehand"):
        extract(
            clip,
            tmp_path / "other",
            ExtractionSettings(wav2vec="nowhere"),
            text=TEXTS[0],
            bert=bert,
        )
    assert not (tmp_path / ".other.extracting").exists()


def test_missing_weights_are_one_error_before_any_work(clips, tmp_path):
    with pytest.raises(InputError, match="hf download"):
        extract(clips, tmp_path / "store", bert=tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["av", "opensmile", "dlib", "cv2", "face_recognition_models"])
def test_a_missing_package_is_one_error_with_the_remedy(
    clips, bert, tmp_path, package, monkeypatch
):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"package {package}.*requirements-extract.lock"):
        extract(clips, tmp_path / "store", bert=bert)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_extraction_goes_on_where_it_was(bert, tmp_path):
    folder, store = tmp_path / "clips", tmp_path / "store"
    rows = []
    for number in range(6):
        make_clip(folder / "v" / f"{number}.mp4", *talking(number))
        rows.append(labelled("v", str(number), number, ("train", "valid", "test")[number % 3]))
    write_meta(folder, rows)
    words = ["extract", folder, store, "--bert", bert, "--jobs", "1"]
    command = [*COMMAND, *map(str, words)]
    running = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    work = tmp_path / ".store.extracting"
    while len(finished := list(work.glob("*.safetensors"))) < 2:
        assert running.poll() is None
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert not store.exists()
    before = {path: path.stat().st_mtime_ns for path in finished}
    # keeps the finished clips, so that they can be looked at
    (folder / "v" / "5.mp4").write_bytes(b"")
    done = avmc(*words)
    assert done.returncode == 1 and open_store(store).manifest["splits"] == {
        "train": 2,
        "valid": 2,
        "test": 1,
    }
    assert {path: path.stat().st_mtime_ns for path in finished} == before
    assert len(list(work.glob("*.safetensors"))) == 5


def test_two_ways_through_a_clip_give_the_same_features(made, clips):
    """Extraction in parallel processes changes nothing."""
    features, _ = extract_clip(clips / "video1" / "0001.mp4", Landmarks())
    train = made.split("train")
    row = int(np.flatnonzero(train.clips["clip_id"] == "0001")[0])
    np.testing.assert_array_equal(train.audio[row], features.audio)
    np.testing.assert_array_equal(train.vision[row], features.vision)
