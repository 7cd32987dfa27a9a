"""On real features, rows whose text encoder is not on this machine are left out with the reason, as
rows are that need other things; one that is there but damaged is an error before anything runs."""

from __future__ import annotations

import other_data_sets as made
import pytest
import released_factory as factory
from click.testing import CliRunner
from saved_encoder import save_encoder

from avmc_core.commands.main import main
from avmc_core.data.importing import import_released
from avmc_core.runs.experiments import experiment

REASON = "no text encoder bert-base-chinese (set AVMC_BERT to its folder)"


@pytest.fixture
def real(tmp_path, monkeypatch):
    """A real store, and a machine without BERT."""
    monkeypatch.setenv("AVMC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no_models"))
    for name in ("AVMC_STORE", "AVMC_PROFILE", "AVMC_BERT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("avmc_core.runs.declaration.locate", lambda name: None)
    content = factory.write(tmp_path / "s.pkl", made.released())
    return import_released(tmp_path / "store", content, progress=False)


def called(*words, status: int = 0) -> str:
    done = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done.output


@pytest.mark.parametrize("profile, lost", [("ci", 1), ("full", 4)])
def test_the_other_rows_run(real, profile, lost):
    """At the published settings MISA, MMIM and Self_MM train an encoder, too."""
    said = called("run", "benchmark", "--store", real.path, "--profile", profile, "--dry-run")
    assert f"left out: Bert_MAG: {REASON}\n" in said and said.count(REASON) == lost
    listed = said.split("to compute", 1)[1]
    assert "LF_DNN, seed" in listed and "Bert_MAG" not in listed
    plan = experiment("benchmark")
    assert plan.not_run(real, profile).startswith("Not run: ")
    assert f"Bert_MAG: {REASON}" in plan.not_run(real, profile)


@pytest.mark.parametrize("name, row", [("validation", "Self_MM"), ("text_dropout", "encoder with")])
def test_a_page_can_say_which_rows_of_its_plan_were_not_run(real, name, row):
    """Pages 16 and 05: all rows that are missing are named, and none that was run."""
    plan = experiment(name)
    ran = {run.name for run in plan.runs("full", store=real)}
    said = plan.not_run(real, "full")
    lost = [r.name for r in plan.rows if r.name not in ran]
    assert lost and all(r.startswith(row) and f"{r}: {REASON}" in said for r in lost)
    assert not any(f"{r}: " in said for r in ran)


def test_asking_for_such_a_row_is_an_error(real):
    options = ("benchmark", "--store", real.path, "--dry-run")
    for rows in (["Bert_MAG"], ["Constant", "Bert_MAG"]):
        asked = [word for row in rows for word in ("--row", row)]
        said = called("run", *options, *asked, status=2)
        assert f"Bert_MAG: {REASON}; expected what a row of benchmark needs" in said


def test_a_damaged_encoder_is_an_error(real, tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("AVMC_HOME", str(tmp_path / "home"))
    folder = save_encoder(tmp_path / "bert")
    monkeypatch.setenv("AVMC_BERT", str(folder))
    (folder / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    said = called("run", "benchmark", "--store", real.path, "--dry-run", status=2)
    assert "left out: Bert_MAG" not in said and "to compute" not in said
    assert "model.safetensors: found a pointer of Git LFS" in said


def test_a_simulated_corpus_has_an_encoder(tiny_store, monkeypatch):
    monkeypatch.setattr("avmc_core.runs.declaration.locate", lambda name: None)
    assert not experiment("benchmark").left_out(tiny_store)
