"""Training from a package's weights starts from exactly these, has a separate key, and refuses what
does not fit before it begins."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from avmc_core.commands import main as cli
from avmc_core.errors import InputError
from avmc_core.files.sealed import read_sealed
from avmc_core.models import registry
from avmc_core.runs import execution, experiments, warm_start
from avmc_core.runs.declaration import Experiment, Row
from avmc_core.runs.execution import network
from avmc_core.runs.exporting import _siblings, collect, write_package
from avmc_core.runs.grid import run_all
from avmc_core.runs.store import WEIGHTS, Run, RunStore, package_digest

FEW = (("training.max_epochs", 1),)
RUN = Run("AV-MC", 7, FEW)


@pytest.fixture(scope="module")
def package(tiny_store, tmp_path_factory):
    """A package of seeds 7 and 8, and the records behind it."""
    folder = tmp_path_factory.mktemp("package")
    runs = RunStore(folder / "runs")
    records = run_all(
        [RUN, replace(RUN, seed=8)], tiny_store, runs, jobs=1, device="cpu", progress_bar=False
    )
    return write_package(
        collect(records[RUN].key, runs, tiny_store), folder / "m.avmc.safetensors"
    ), records


@pytest.mark.parametrize(("seed", "taken"), [(7, 7), (8, 8), (9, 7)])
def test_training_starts_from_the_weights_of_its_seed_or_of_the_first(
    package, tiny_store, seed, taken
):
    path, records = package
    run = replace(RUN, seed=seed, init=str(path))
    model = network(
        warm_start.started(registry.builder(run.model), run), run.settings, tiny_store
    )()
    weights, _ = read_sealed(records[replace(RUN, seed=taken)].folder / WEIGHTS)
    for name, tensor in weights.items():
        np.testing.assert_array_equal(model.state_dict()[name], tensor)


def test_a_run_that_starts_from_a_package_is_another_run(package, tiny_store, tmp_path):
    path, records = package
    started = replace(RUN, init=str(path))
    record = run_all(
        [started], tiny_store, RunStore(tmp_path / "runs"), jobs=1, device="cpu", progress_bar=False
    )[started]
    assert record.key != records[RUN].key and not _siblings(record, records[RUN])
    assert record.history[0]["validation"] != records[RUN].history[0]["validation"]
    before = started.key(tiny_store)
    path.write_bytes(path.read_bytes() + b" ")
    try:
        assert started.key(tiny_store) != before  # the content counts, not the name
    finally:
        path.write_bytes(path.read_bytes()[:-1])


def test_a_store_with_other_sizes_is_refused(package, tiny_store, monkeypatch):
    sizes = execution.sizes_of(tiny_store)
    monkeypatch.setattr(execution, "sizes_of", lambda store: replace(sizes, audio=26))
    with pytest.raises(
        InputError, match=r"trained on sizes .*'audio': 25.*as AV-MC has on this store"
    ):
        warm_start.check_warm_start(replace(RUN, init=str(package[0])), tiny_store)


def test_another_model_or_other_layers_are_refused(package, tiny_store):
    path, _ = package
    with pytest.raises(InputError, match=r"weights of AV-MC; expected those of LF_DNN"):
        warm_start.check_warm_start(Run("LF_DNN", 1, FEW, init=str(path)), tiny_store)
    with pytest.raises(InputError, match="as AV-MC has on this store"):
        warm_start.check_warm_start(
            Run(
                "AV-MC", 1, (*FEW, ("variant", "paper"), ("unimodal_tasks", False)), init=str(path)
            ),
            tiny_store,
        )
    with pytest.raises(InputError, match="a model package"):
        warm_start.check_warm_start(
            Run("AV-MC", 1, FEW, init=str(path.parent / "none")), tiny_store
        )


def test_the_command_takes_the_runs_of_the_packages_model(
    package, tiny_store, tmp_path, monkeypatch
):
    # another network under the same name: the package does not fit it
    other = Row("AV-MC (paper)", "AV-MC", (*FEW, ("variant", "paper")))
    plan = Experiment(
        "quick",
        "",
        (Row("AV-MC", "AV-MC", FEW), other, Row("Constant", "Constant", seeded=False)),
        (("ci", (7,)),),
    )
    monkeypatch.setitem(experiments.EXPERIMENTS, "quick", plan)
    monkeypatch.setenv("AVMC_HOME", str(tmp_path))
    options = [
        "run",
        "quick",
        "--store",
        str(tiny_store.path),
        "--device",
        "cpu",
        "--jobs",
        "1",
        "--init",
    ]
    done = CliRunner().invoke(cli.main, [*options, str(package[0])])
    assert done.exit_code == 0 and "1 run in" in done.output, done.output
    (record,) = RunStore(tmp_path / "runs")
    assert record.model == "AV-MC" and record.data["init"] == package_digest(package[0])
    shown = CliRunner().invoke(
        cli.main, ["results", "quick", "--store", options[3], "--init", str(package[0])]
    )
    assert (
        shown.exit_code == 0
        and f"AV-MC from {package[0].name}" in shown.output
        and record.key[:12] in shown.output
    )
    listed = CliRunner().invoke(cli.main, ["status"])
    assert f"from the weights of package {record.data['init'][:8]}" in listed.output
    (tmp_path / "rubbish").write_bytes(b"x" * 100)
    refused = CliRunner().invoke(cli.main, [*options, str(tmp_path / "rubbish")])
    assert refused.exit_code == 2 and "model package" in refused.output


def test_bad_input_comes_out_of_a_worker_as_it_was():
    error = pickle.loads(pickle.dumps(InputError("file", "this", "that")))
    assert (str(error), error.where) == ("file: found this; expected that", "file")
