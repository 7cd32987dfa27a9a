"""The command line: the data commands form a round trip, results are read from records only, and
bad input ends in one sentence."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from avmc_core.commands import main as cli
from avmc_core.data.exporting import export_released
from avmc_core.data.splits import take
from avmc_core.data.store import open_store
from avmc_core.errors import InputError
from avmc_core.runs import declaration, experiments
from avmc_core.runs.grid import run_all


def call(*words, status: int = 0) -> str:
    result = CliRunner().invoke(cli.main, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == status, result.output
    return result.output


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("AVMC_HOME", str(tmp_path / "home"))
    for name in ("AVMC_STORE", "AVMC_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


def test_data_commands_go_round(tiny_store, tmp_path):
    """Export, import, verify and audit: the imported store has the digest of the exported one."""
    output = call("data", "export", tiny_store.path, tmp_path / "released")
    supervised, unsupervised = output.split()
    again = tmp_path / "again"
    call("data", "import", "--supervised", supervised, "--unsupervised", unsupervised, again)
    assert open_store(again).digest == tiny_store.digest
    assert "every file is as imported" in call("data", "verify", again)
    audit = call("data", "audit", again)
    assert "simulated corpus, not CH-SIMS" in audit and "clips in train" in audit


def test_runs_and_results(tiny_store, home, monkeypatch):
    monkeypatch.setitem(declaration.PROFILE_CHANGES, "ci", (("training.max_epochs", 1),))
    options = ("--store", tiny_store.path, "--seeds", "7")
    plan = call("run", "avmc", *options, "--dry-run")
    assert "7 runs, 7 to compute, on simulated corpus, not CH-SIMS" in plan
    assert "no run" in call("results", "avmc", *options, status=2), "results never compute"
    assert "7 runs" in call("run", "avmc", *options, "--jobs", "1")
    assert "0 to compute" in call("run", "avmc", *options, "--dry-run")
    assert call("status").count("simulated corpus") == 7
    rows = json.loads(call("results", "avmc", *options, "--format", "json"))
    assert len(rows) == 7 and all(row["data"] == "simulated corpus, not CH-SIMS" for row in rows)
    assert call("results", "avmc", *options, "--format", "csv").count("\n") >= 8
    validation = ("results", "avmc", *options, "--split", "valid", "--task", "T")
    assert ", split valid, task T" in call(*validation).splitlines()[0]
    rows = pd.read_csv(io.StringIO(call(*validation, "--format", "csv")))
    assert set(rows["split"]) == {"valid"} and set(rows["task"]) == {"T"}
    row = json.loads(call(*validation, "--format", "json"))[0]
    assert (row["split"], row["task"]) == ("valid", "T")


@pytest.mark.parametrize(
    "words, message",
    [
        (("run", "table9"), "experiment: found 'table9'; expected one of"),
        (("run", "avmc", "--seeds", "1,x"), "--seeds: found '1,x'"),
        (("run", "avmc", "--seeds", "-5"), "--seeds: found '-5'; expected whole numbers from 0"),
        (("results", "avmc", "--seeds", "4294967296"), "--seeds: found '4294967296'"),
        (("run", "avmc", "--device", "gpu"), "device: found 'gpu'; expected cpu or cuda"),
        (
            ("run", "avmc", "--device", "gpu", "--dry-run"),
            "device: found 'gpu'; expected cpu or cuda",
        ),
        (("run", "avmc", "--device", "cuda"), "device: found 'cuda' without a GPU"),
        (("run", "avmc", "--seeds", "1" * 5000), "--seeds: found '1111"),
        (("run", "avmc", "--block", "3"), "--block: found given without --cluster"),
        (
            ("run", "avmc", "--cluster", "slurm", "--device", "cuda"),
            "--device: found cuda for jobs without a GPU",
        ),
        (("run", "avmc", "--init", "nothing"), "nothing: found "),
        (("results", "avmc", "--init", "nothing"), "nothing: found "),
        (("tune", "AV-MQ"), "model: found 'AV-MQ'; expected one of Constant"),
        (("results", "avmc", "--store", "no-such-store"), "no-such-store: found no such folder"),
        (
            ("predict", "clip.mp4", "--model", "no-such-package"),
            "'no-such-package', and no package of that name",
        ),
        (("tune", "AV-MC", "-o", "lr=[]"), "-o lr: found no value"),
        (("tune", "AV-MC", "-o", "rates=[1]"), "rates"),
        (("tune", "AV-MC", "-o", "lr=[0.1]", "--seeds", "1,x"), "--seeds: found '1,x'"),
        (("data", "audit", "no-such-store"), "no-such-store"),
        (("data", "import", "--supervised", "nothing.pkl", "store"), "nothing.pkl"),
    ],
)
def test_bad_input_is_one_sentence(words, message, tiny_store, home, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVMC_STORE", str(tiny_store.path))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    output = call(*words, status=2)
    assert message in output and output.startswith("error: ") and output.count("\n") == 1
    assert not (tmp_path / "store").exists()


def test_ctrl_c_says_how_to_go_on(tiny_store, home, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("avmc_core.runs.grid.run_all", interrupted)
    output = call("run", "avmc", "--store", tiny_store.path, status=130)
    assert output.endswith("the same command goes on where this one was\n")


@pytest.mark.parametrize(
    "words",
    [
        ("run", "avmc", "--jobs", "0"),
        ("run", "avmc", "--jobs", "-3"),
        ("run", "avmc", "--cluster", "slurm", "--block", "0"),
        ("run", "avmc", "--cluster", "slurm", "--minutes", "0"),
        ("run", "avmc", "--cluster", "slurm", "--gpus", "-1"),
        ("tune", "AV-MC", "--jobs", "0"),
        ("extract", "clips", "store", "--jobs", "0"),
        ("data", "corpus", "store", "--seed", "-1"),
        ("notebooks", "--seed", "-1"),
        ("notebooks", "--profile", "quick"),
    ],
)
def test_a_number_out_of_range_is_named_with_the_range(words, home, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    output = call(*words, status=2)
    assert f"Invalid value for '{words[-2]}'" in output and list(tmp_path.iterdir()) == []


def test_a_device_elsewhere_needs_not_be_here(tiny_store, home, monkeypatch):
    """The GPU of a cluster can be requested from a machine without one; the value of the
    environment variable is checked as well."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    options = ("run", "avmc", "--store", tiny_store.path, "--dry-run")
    assert "to compute" in call(*options, "--cluster", "slurm", "--gpus", "1")
    monkeypatch.setenv("AVMC_DEVICE", "gpu")
    assert "device: found 'gpu'" in call(*options, status=2)


def test_a_place_that_cannot_be_used_is_named(tiny_store, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("AVMC_HOME", str(tmp_path / "file" / "home"))
    output = call(
        "run", "avmc", "--store", tiny_store.path, "--seeds", "7", "--jobs", "1", status=2
    )
    assert f"{tmp_path}/file/home" in output.splitlines()[-1] and "Traceback" not in output


@pytest.fixture
def labelled_only(tiny_store, tmp_path):
    """A store that was imported without the unlabelled clips."""
    supervised, _ = call("data", "export", tiny_store.path, tmp_path / "released").split()
    call("data", "import", "--supervised", supervised, tmp_path / "labelled")
    return open_store(tmp_path / "labelled")


def test_rows_that_need_unlabelled_clips_are_left_out_without_them(labelled_only, home):
    plan = experiments.experiment("benchmark")
    whole, part = (
        {run.name for run in plan.runs("ci", store=store)} for store in (None, labelled_only)
    )
    assert whole - part == {"AV-MC(Semi) (released)", "AV-MC(Semi) (paper)"}
    said = call("run", "avmc", "--store", labelled_only.path, "--dry-run")
    assert f"left out: AV-MC(Semi) (paper): no unlabelled clips in {labelled_only.path}" in said
    assert "9 runs" in said and "(Semi)" not in said.split("9 runs")[1]


def test_single_rows_can_be_asked_for(labelled_only, home):
    """Also where another row of the experiment would stop the grid. A row that needs what the store
    lacks, or that the experiment does not have, is an error that gives the reason."""
    options = ("avmc", "--store", labelled_only.path)
    said = call("run", *options, "--row", "Constant", "--row", "Late mean", "--dry-run")
    assert "2 runs, 2 to compute" in said and "AV-MC" not in said and "left out" not in said
    call("run", *options, "--row", "Constant")
    shown = call("results", *options, "--row", "Constant")
    assert "1 run, none failed" in shown and "missing" not in shown
    said = call("run", *options, "--row", "AV-MC(Semi) (paper)", status=2)
    assert "AV-MC(Semi) (paper): no unlabelled clips; expected what a row of avmc needs" in said
    said = call("run", *options, "--row", "Nobody", status=2)
    assert "experiment avmc: found no row 'Nobody'; expected one of Constant, " in said


def test_nothing_is_trained_where_a_run_needs_an_encoder_that_is_not_there(
    tiny_store, home, monkeypatch
):
    """With real features and without BERT the error comes before the first run and not in the
    middle of the grid."""
    monkeypatch.setenv("AVMC_BERT", "/no/such/folder")
    real = replace(tiny_store, manifest={**tiny_store.manifest, "kind": "real"})
    assert not real.simulated
    runs = experiments.experiment("benchmark").runs("ci", store=real)
    with pytest.raises(
        InputError, match=r"^Bert_MAG: found no text encoder '/no/such/folder', .*AVMC_BERT"
    ):
        run_all(runs, real, progress_bar=False)
    assert not home.exists() or not any(home.rglob("record.json"))


def test_a_store_without_validation_clips_is_refused(tiny_store, home):
    empty = take(tiny_store.split("valid"), np.arange(0), "valid")
    store = replace(tiny_store, splits={**tiny_store.splits, "valid": empty})
    with pytest.raises(InputError, match="0 clips in the split valid; expected 1 or more"):
        run_all(experiments.experiment("avmc").runs("ci"), store, progress_bar=False)
    with pytest.raises(InputError, match="no clip in the split valid"):
        export_released(store, home / "released")
    assert not home.exists()


def test_where_runs_are_computed_is_said_with_the_reason():
    """The tests hide any GPU: PyTorch finds none, whatever its build."""
    assert call("device").startswith("Runs are computed on the processor: PyTorch ")
