"""Stores for all tests that need one: a tiny one, and the embedded corpus of the book."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import shutil
import signal
from pathlib import Path

# These tests compare to the byte, fork, and limit memory, which a GPU would break: it is hidden
# from them and from their children. What a GPU must give is asked by tools/test_gpu.py.
os.environ.pop("AVMC_DEVICE", None)
if os.environ.get("AVMC_TEST_DEVICE") != "cuda":
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
# Tests run beside each other, where threads of NumPy's that wait for each other cost many times the
# work; before NumPy is imported, for it reads this once.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
import released_factory as factory
import torch

from avmc_core import schema
from avmc_core.data.importing import import_released
from avmc_core.data.store import Store

torch.set_num_threads(1)
# The same examples at every run: a search for new ones is for those who work on the code.
if importlib.util.find_spec("hypothesis"):
    from hypothesis import settings

    settings.register_profile("same", derandomize=True)
    settings.register_profile("search")
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
ROWS = {"train": 24, "valid": 12, "test": 16, "unlabelled": 24}


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory):
    """The kernels are compiled once for all home folders and processes of the tests."""
    if compiler := os.environ.get("CC") or shutil.which("cc"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("REAL_CC", compiler)
            patch.setenv("COMPILED_FOR_TESTS", str(tmp_path_factory.mktemp("compiled")))
            patch.setenv("CC", str(Path(__file__).parent / "support" / "cc"))
            yield
    else:
        yield


@pytest.fixture(scope="session", autouse=True)
def listening():
    """The tests and their children hear of Ctrl-C, also where they run as a job in the background,
    which a shell starts with that signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def tiny_store(tmp_path_factory) -> Store:
    """Random features and labels in the released schema: ``ROWS`` clips, sequences of at most 9
    steps."""
    folder = tmp_path_factory.mktemp("tiny")
    supervised = {split: factory.columns(split, rows=ROWS[split]) for split in schema.SPLITS}
    unsupervised = factory.columns("unlabelled", rows=ROWS["unlabelled"])
    for columns in (*supervised.values(), unsupervised):
        columns["text_bert"][:, 0] %= 50  # words that the corpus's small encoder has
    unsupervised = {
        k: v for k, v in unsupervised.items() if "labels" not in k and k != "annotations"
    }
    files = (
        factory.write(folder / "s.pkl", supervised),
        factory.write(folder / "u.pkl", unsupervised),
    )
    return import_released(folder / "store", *files, simulated={"made by": "tests"}, progress=False)


@pytest.fixture(scope="session")
def ci_store(tmp_path_factory) -> Store:
    """The simulated corpus at the size of the book."""
    # imports transformers, which takes seconds
    from avmc_core.simulated.corpus import CorpusSettings, build_corpus

    return build_corpus(
        tmp_path_factory.mktemp("ci") / "store", CorpusSettings("ci"), progress=False
    )


@pytest.fixture
def many_videos(tiny_store) -> Store:
    """The tiny store with twelve source videos, each of which occurs in several splits, and two
    with placeholder labels in test."""
    splits = {}
    for name, split in tiny_store.splits.items():
        videos = [f"video_{row % 12:04d}" for row in range(len(split))]
        if name == "test":
            videos[:4] = ["test1", "test1", "test2", "test2"]
        splits[name] = dataclasses.replace(split, clips=split.clips.assign(video_id=videos))
    return dataclasses.replace(tiny_store, splits=splits)
