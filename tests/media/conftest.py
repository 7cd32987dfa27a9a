"""Generated clips, extracted once: every sort of clip that an extraction has to deal with."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from made_clips import make_clip
from media_tools import SPLITS, avmc, labelled, talking, write_meta
from saved_encoder import save_encoder

from avmc_core.data.store import Store, open_store


@pytest.fixture(scope="session")
def clips(tmp_path_factory) -> Path:
    """A folder of 25 clips with its meta.csv, as a user would have it."""
    folder = tmp_path_factory.mktemp("clips")
    rows = []
    for number, split in enumerate(SPLITS):
        clip = f"{number:04}"
        make_clip(folder / f"video{number % 4}" / f"{clip}.mp4", *talking(number))
        rows.append(labelled(f"video{number % 4}", clip, number, split))
    for percent in (0, 20, 30, 100):
        make_clip(folder / "missing" / f"{percent}.mp4", *talking(percent, percent / 100))
        rows.append(labelled("missing", str(percent), percent, "train"))
    odd = folder / "odd"
    faces, signal, frames = talking(1)
    make_clip(odd / "silent.mp4", faces, 0 * signal, frames)
    make_clip(odd / "long.mp4", *talking(2, seconds=10.0))
    make_clip(odd / "short.mp4", faces, signal[:1000], 2)
    make_clip(odd / "nosound.mp4", faces, None, frames)
    make_clip(odd / "nopicture.mp4", [], signal, 0)
    make_clip(odd / "notext.mp4", faces, signal, frames)
    data = (folder / "video0" / "0000.mp4").read_bytes()
    (odd / "corrupt.mp4").write_bytes(data[: len(data) // 2])
    names = ("silent", "long", "short", "nosound", "nopicture", "corrupt", "absent")
    rows += [labelled("odd", name, number, "train") for number, name in enumerate(names)]
    rows.append(labelled("odd", "notext", 0, "train", text=""))
    write_meta(folder, rows)
    return folder


@pytest.fixture(scope="session")
def bert(tmp_path_factory) -> Path:
    """A text encoder with random weights in a local folder."""
    return save_encoder(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="session")
def extraction(clips, bert, tmp_path_factory) -> subprocess.CompletedProcess:
    """``avmc extract`` on all clips; the store is at ``made``."""
    done = avmc("extract", clips, tmp_path_factory.mktemp("extracted") / "store", "--bert", bert)
    assert done.returncode == 1, done.stderr  # some clips cannot be read
    return done


@pytest.fixture(scope="session")
def made(extraction) -> Store:
    return open_store(extraction.args[5])


@pytest.fixture(scope="session")
def table(made) -> pd.DataFrame:
    """What became of each clip, by id."""
    return pd.read_csv(made.path / "extraction.csv", index_col="id", keep_default_na=False)


@pytest.fixture(scope="session")
def manifest(made) -> dict:
    return json.loads((made.path / "manifest.json").read_text(encoding="utf-8"))
