"""The bundle of results is complete, described truthfully, the same bytes each time, and free of
transcripts."""

from __future__ import annotations

import csv
import hashlib
import json
import zipfile

import numpy as np
import pandas as pd
import pytest

import avmc_core
from avmc_core import artefacts
from avmc_core.data.splits import SplitProtocol
from avmc_core.errors import InputError
from avmc_core.publishing import bundle
from avmc_core.publishing.citation import bibtex, citation
from avmc_core.publishing.crate import METADATA
from avmc_core.runs.declaration import Experiment, Row
from avmc_core.runs.grid import run_all

TRIVIAL = Experiment(
    "Trivial",
    "nowhere",
    (Row("Constant", "Constant", seeded=False), Row("Late", "Late mean", seeded=False)),
)


@pytest.fixture
def made(tmp_path, monkeypatch, tiny_store):
    """A function that bundles two trained models and one saved result."""
    monkeypatch.setenv("AVMC_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(bundle, "EXPERIMENTS", {"trivial": TRIVIAL})
    run_all(TRIVIAL.runs("ci"), tiny_store, progress_bar=False, jobs=1)
    cells = [{"row": "One", "estimate": 1.5, "low": float("nan")}, {"row": "Two", "estimate": 2.0}]
    artefacts.save(
        "figures", {"cells": cells, "runs": 2}, {"data": "simulated", "command": "avmc run trivial"}
    )
    return lambda name="results": bundle.write_bundle(tmp_path / name, tiny_store, ["figures"])


def test_predictions_are_the_runs_own_clip_by_clip(made, tiny_store):
    folder = made()
    with (folder / "runs.csv").open(encoding="utf-8") as file:
        runs = list(csv.DictReader(file))
    assert [run["row"] for run in runs] == ["Constant", "Late"]
    labels = (
        pd.read_csv(tiny_store.path / "clips.csv", dtype=str)
        .query("split == 'test'")
        .set_index("id")["M"]
        .astype(float)
    )
    for run in runs:
        predicted = pd.read_csv(
            folder / "predictions" / f"{run['key']}.csv", dtype={"id": str}
        ).set_index("id")["M"]
        assert list(predicted.index) == list(labels.index)
        assert float(run["MAE"]) == pytest.approx(np.abs(predicted - labels).mean(), abs=1e-4)


def test_tables_hold_what_the_notebook_saved(made):
    lines = (made() / "tables" / "figures-cells.csv").read_text(encoding="utf-8").splitlines()
    assert lines == ["row,estimate,low", "One,1.5,", "Two,2.0,"]


def test_the_description_names_every_file_with_its_size_and_digest(made):
    folder = made()
    graph = json.loads((folder / METADATA).read_text(encoding="utf-8"))["@graph"]
    entities = {entity["@id"]: entity for entity in graph}
    assert len(entities) == len(graph)
    files = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.is_file() and path.name != METADATA
    }
    assert {part["@id"] for part in entities["./"]["hasPart"]} == files.keys()
    for name, path in files.items():
        content = path.read_bytes()
        assert entities[name]["contentSize"] == str(len(content))
        assert entities[name]["sha256"] == hashlib.sha256(content).hexdigest()
    linked = [value for entity in graph for value in entity.values() if isinstance(value, dict)]
    assert all(
        value["@id"] in entities or value["@id"].startswith("https://w3id.org/ro/crate/")
        for value in linked
    )


def test_the_same_runs_give_the_same_bytes(made):
    first, second = made("a/results"), made("b/results")
    assert first.with_suffix(".zip").read_bytes() == second.with_suffix(".zip").read_bytes()
    with zipfile.ZipFile(first.with_suffix(".zip")) as packed:
        assert f"results/{METADATA}" in packed.namelist()


def test_another_bundle_replaces_the_old_one(made):
    folder = made()
    (folder / "tables" / "stale.csv").write_text("old")
    made()
    assert not (folder / "tables" / "stale.csv").exists()


@pytest.mark.parametrize("name", ["results", "v1.2"])
def test_nothing_but_an_earlier_bundle_is_replaced(made, tmp_path, name):
    """Once, a folder of the user's was removed and a zip file of the same name was overwritten."""
    own, packed = tmp_path / name / "thesis.txt", tmp_path / f"{name}.zip"
    own.parent.mkdir()
    own.write_text("years of work")
    with pytest.raises(InputError, match=f"without the {METADATA}"):
        made(name)
    other = own.with_name(METADATA)  # another's crate
    other.write_text(json.dumps({"@graph": [{"@id": "./", "name": "Recordings"}]}))
    with pytest.raises(InputError, match=f"without the {METADATA}"):
        made(name)
    assert own.read_text() == "years of work" and other.exists()
    own.unlink(), other.unlink()
    for content in (b"years of work", b"PK\5\6" + bytes(18)):  # an empty zip file
        packed.write_bytes(content)
        with pytest.raises(InputError, match="other than a bundle"):
            made(name)
        assert packed.read_bytes() == content and list(own.parent.iterdir()) == []
    packed.unlink()
    assert made(name) == own.parent == made(name)
    (tmp_path / "linked").symlink_to(own.parent)
    with pytest.raises(InputError, match="no folder"):
        made("linked")
    assert zipfile.is_zipfile(packed) and not list(tmp_path.glob(".*"))


def test_a_bundle_that_fails_leaves_the_old_one(made, monkeypatch):
    folder = made()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    monkeypatch.setattr(bundle, "write_crate", lambda *words: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        made()
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_results_on_real_data_must_not_hold_sentences(made, tmp_path):
    artefacts.save("figures", {"said": "今天的电影"}, {"data": "imported store sims"})
    with pytest.raises(InputError, match="Chinese text"):
        made()
    assert not (tmp_path / "results").exists()


def test_the_root_is_no_place_for_a_bundle(tiny_store):
    with pytest.raises(InputError, match="root of a disk"):
        bundle.write_bundle("/", tiny_store, [])


def test_the_data_of_every_result_are_named(made):
    artefacts.save("figures", {"cells": [], "runs": 0}, {"data": "store 0123456789ab"})
    assert (
        "Data: simulated corpus, not CH-SIMS; store 0123456789ab"
        in (made() / "README.md").read_text()
    )


def test_a_result_that_does_not_read_and_a_device_that_is_none_are_named(
    made, monkeypatch, tmp_path
):
    (tmp_path / "home" / "results" / "figures.json").write_text('{"data"')
    with pytest.raises(InputError, match=r"figures\.json: found an unreadable result"):
        made()
    artefacts.save("figures", {}, {"data": "simulated"})
    monkeypatch.setenv("AVMC_DEVICE", "gpu")
    with pytest.raises(InputError, match="device: found 'gpu'"):
        made()


def test_a_result_that_nobody_saved_is_named(tiny_store, tmp_path, monkeypatch):
    monkeypatch.setenv("AVMC_HOME", str(tmp_path))
    with pytest.raises(InputError, match=r"gone\.json"):
        bundle.write_bundle(tmp_path / "results", tiny_store, ["gone"])


def test_how_to_cite_follows_the_citation_file():
    text = bibtex()
    assert citation()["title"] in text and citation()["references"][0]["doi"] in text
    assert all(
        f"{author['family-names']}, " in text for author in citation()["references"][0]["authors"]
    )
    assert citation()["version"] == avmc_core.__version__


@pytest.mark.filterwarnings("ignore:The least populated class")
def test_a_resplit_run_names_the_clips_that_it_was_tested_on(made, tiny_store, monkeypatch):
    row = Row("Again", "Constant", seeded=False, protocol=SplitProtocol(resplit="by clip", fold=1))
    plan = Experiment("Re-split", "nowhere", (row,))
    monkeypatch.setattr(bundle, "EXPERIMENTS", {"resplit": plan})
    records = run_all(plan.runs("ci"), tiny_store, progress_bar=False, jobs=1)
    folder = made() / "predictions"
    for run, record in records.items():  # each seed deals other clips
        predicted = pd.read_csv(folder / f"{record.key}.csv", dtype={"id": str})
        assert list(predicted["id"]) == list(
            run.protocol.of(tiny_store, run.seed).split("test").clips["id"]
        )
