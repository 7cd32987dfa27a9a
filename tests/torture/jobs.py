"""What is killed: an import, a training, a grid in two processes, an extraction, and a book of one
notebook with two cells."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import released_factory as factory
import torch

from avmc_core import schema
from avmc_core.data import importing, padding
from avmc_core.data.store import open_store, verify_store
from avmc_core.publishing.book import build_book
from avmc_core.runs import training
from avmc_core.runs.computing import run_one
from avmc_core.runs.execution import StoreData
from avmc_core.runs.grid import run_all
from avmc_core.runs.store import PREDICTIONS, RECORD, WEIGHTS, Run, RunStore
from torture.kills import Job, tree

TESTS = Path(__file__).resolve().parents[1]
FEW = (("training.max_epochs", 4),)
GRID = [
    Run("AV-MC", 1, FEW),
    Run("AV-MC", 2, FEW),
    Run("LF_DNN", 1, FEW),
    Run("AV-MC(Semi)", 1, FEW),
]
ROWS = {"train": 24, "valid": 12, "test": 16, "unlabelled": 24}
NOTEBOOK = """# %% [markdown]
# # A page

# %% tags=["parameters"]
seed = 1

# %%
from avmc_core import artefacts

_ = artefacts.save("made", {"seed": seed, "list": list(range(200))}, {"data": "made up"})
"""


def jobs(shared: Path, names: Sequence[str] = ()) -> list[Job]:
    """All five, or those named; ``shared`` holds what they start from, made once."""
    torch.set_num_threads(1)
    inputs = _inputs(shared)
    makers = {
        "import": _import,
        "training": _training,
        "grid": _grid,
        "extraction": _extraction,
        "book build": _book,
    }
    return [make(inputs) for name, make in makers.items() if not names or name in names]


@cache
def _inputs(shared: Path) -> Path:
    """A folder with released files of some dozen clips, and their store."""
    shared.mkdir(parents=True, exist_ok=True)
    contents = {split: factory.columns(split, rows=rows) for split, rows in ROWS.items()}
    unlabelled = {
        k: v
        for k, v in contents.pop(schema.UNLABELLED).items()
        if "labels" not in k and k != "annotations"
    }
    files = factory.write(shared / "s.pkl", contents), factory.write(shared / "u.pkl", unlabelled)
    importing.import_released(
        shared / "store", *files, simulated={"made by": "tests"}, progress=False
    )
    run_all(
        GRID, open_store(shared / "store"), RunStore(shared / "warm"), jobs=1, progress_bar=False
    )
    return shared


def _import(inputs: Path) -> Job:
    def work(folder: Path) -> None:
        if (folder / "store").exists():  # killed after its last step: nothing is left to do
            return
        padding._BLOCK_BYTES = 1  # one step per clip
        importing.import_released(
            folder / "store", inputs / "s.pkl", inputs / "u.pkl", progress=False
        )

    def finished(folder: Path) -> dict[str, str]:
        store = folder / "store"
        return {"store": verify_store(store).digest + tree(store)} if store.exists() else {}

    return Job("import", lambda folder: None, work, finished)


def _training(inputs: Path) -> Job:
    run = Run("AV-MC(Semi)", 3, (("training.max_epochs", 12),))

    def work(folder: Path) -> None:
        training.RARELY = 0  # every epoch is saved, so that kills find a state to go on from
        run_one(run, StoreData(open_store(inputs / "store")), RunStore(folder / "runs"))

    return Job("training", lambda folder: None, work, _runs)


def _grid(inputs: Path) -> Job:
    def work(folder: Path) -> None:
        run_all(
            GRID,
            open_store(inputs / "store"),
            RunStore(folder / "runs"),
            jobs=2,
            device="cpu",
            progress_bar=False,
        )

    return Job("grid", lambda folder: None, work, _runs)


def _runs(folder: Path) -> dict[str, str]:
    """Finished runs: predictions, weights, and the record without its times; that its seals hold is
    checked by reading."""
    found = {}
    for record in RunStore(folder / "runs"):
        record.predictions("test")
        names = {path.name for path in record.folder.iterdir()}
        if names - {RECORD, PREDICTIONS, WEIGHTS}:
            raise AssertionError(f"left in a finished run: {names}")
        fields = json.loads((record.folder / RECORD).read_text())
        facts = {key: value for key, value in fields.items() if key not in ("seconds", "seal")}
        facts["environment"].pop("peak_bytes", None)  # measured, like the seconds
        found[record.key] = tree(record.folder, (RECORD,)) + json.dumps(facts, sort_keys=True)
    return found


def _extraction(shared: Path) -> Job:
    try:
        import av  # noqa: F401
        import opensmile  # noqa: F401
    except ImportError as error:
        return Job(
            "extraction", print, print, dict, needs=f'the extra "extract" is not installed: {error}'
        )
    from avmc_core.clips.clip_features import ExtractionSettings
    from avmc_core.clips.extraction import extract

    source = _clips(shared)

    def work(folder: Path) -> None:
        if (folder / "store").exists():  # killed after the last step but one, which clears up
            shutil.rmtree(folder / ".store.extracting", ignore_errors=True)
            return
        settings = ExtractionSettings(visual="openface", openface=str(source / "faces"))
        extract(
            source, folder / "store", settings, bert=str(source / "bert"), jobs=1, progress=False
        )

    def finished(folder: Path) -> dict[str, str]:
        store = folder / "store"
        return {"store": verify_store(store).digest + tree(store)} if store.exists() else {}

    return Job("extraction", lambda folder: None, work, finished)


@cache
def _clips(shared: Path) -> Path:
    """Six clips of under a second, OpenFace's tables for them, and a text encoder."""
    sys.path.insert(0, str(TESTS / "media"))
    from made_clips import make_clip
    from media_tools import labelled, write_meta
    from saved_encoder import save_encoder

    from torture.hostile_tables import face_csv, face_rows

    source = shared / "clips"
    rng, rows = np.random.default_rng(0), []
    for number in range(6):
        sound = 0.1 * rng.standard_normal(12_000).astype(np.float32)
        make_clip(source / "video" / f"{number:04}.mp4", [], sound, 18)
        rows.append(
            labelled(
                "video",
                f"{number:04}",
                number,
                ("train", "train", "valid", "test", "train", "test")[number],
            )
        )
        (source / "faces" / "video").mkdir(parents=True, exist_ok=True)
        (source / "faces" / "video" / f"{number:04}.csv").write_bytes(face_csv(*face_rows(18)))
    write_meta(source, rows)
    save_encoder(source / "bert")
    return source


def _book(inputs: Path) -> Job:
    root = TESTS.parent

    def prepare(folder: Path) -> None:
        (folder / "notebooks").mkdir()
        (folder / "notebooks" / "page.py").write_text(NOTEBOOK)
        (folder / "book").mkdir()
        (folder / "book" / "index.md").write_text("# Book\n\nMade with {num}`made:seed`.\n")
        (folder / "book" / "references.bib").write_text("")
        (folder / "CHANGELOG.md").write_text("# Changes\n")
        (folder / "_toc.yml").write_text(
            "format: jb-book\nroot: index\nchapters:\n  - file: notebooks/page\n"
        )
        shutil.copyfile(root / "_config.yml", folder / "_config.yml")

    def work(folder: Path) -> None:
        os.chdir(folder)
        os.environ.update(
            {"AVMC_HOME": str(folder / "home"), "PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": "0"}
        )
        build_book(store=str(inputs / "store"))
        (folder / "complete").touch()

    def finished(folder: Path) -> dict[str, str]:
        """The book is complete when its command reported so."""
        html = folder / "_build" / "html"
        return (
            {"book": tree(html, ("_sources", ".buildinfo"))}
            if (folder / "complete").exists()
            else {}
        )

    return Job("book build", prepare, work, finished)
