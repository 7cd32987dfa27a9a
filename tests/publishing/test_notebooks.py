"""The runner: stale notebooks run again, current ones do not, and a failure is reported and kept
for inspection."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from processes import appeared, gone

from avmc_core import codehash
from avmc_core.errors import InputError
from avmc_core.publishing import notebook_source
from avmc_core.publishing.notebook_source import (
    declared_parameters,
    notebook_key,
    reached_modules,
    read_notebook,
)
from avmc_core.publishing.notebooks import NotebookError, build_notebooks, execute, why

HEADER = '# %% [markdown]\n# # A page\n\n# %% tags=["parameters"]\nseed = 1\nmeta = None\n\n'
COUNTING = HEADER + (
    "# %%\nfrom tqdm import tqdm\nfrom avmc_core.artefacts import save\n"
    "for i in tqdm(range(3)):\n    print(i, flush=True)\n"
    "_ = save('counted', {'seed': seed}, {})\n"
)
# Says which process its kernel is, and goes on for a minute.
HELD = HEADER + (
    "# %%\nimport os, time\nfrom pathlib import Path\n"
    "_ = Path('kernel.part').write_text(str(os.getpid()))\nos.rename('kernel.part', "
    "'kernel')\ntime.sleep(60)\n"
)
FAILING = HEADER + (
    "# %%\nimport time\nfrom pathlib import Path\nwhile not Path('kernel').exists():\n    "
    "time.sleep(0.05)\n1 / 0\n"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AVMC_HOME", str(tmp_path / "home"))
    (tmp_path / "notebooks").mkdir()
    return tmp_path / "notebooks"


def build(folder: Path, **options):
    return build_notebooks(folder, folder.parent / "out", **options)


def test_a_notebook_of_somebody_elses_is_not_replaced(folder):
    """All notebooks are checked before any is executed, so that nothing is executed here."""
    for name in ("page", "paper"):
        (folder / f"{name}.py").write_text(COUNTING)
    own = folder.parent / "out" / "paper.ipynb"
    own.parent.mkdir()
    own.write_text('{"cells": [{"id": "2f61ac", "cell_type": "code"}]}')
    before = own.read_text()
    with pytest.raises(
        InputError, match=r"paper\.ipynb: found a notebook that was not executed here"
    ):
        build(folder)
    assert own.read_text() == before and [*own.parent.iterdir()] == [own]


def test_runs_once_and_again_only_when_its_results_or_parameters_change(folder):
    (folder / "page.py").write_text(COUNTING)
    # the profile is not declared, so it is not injected
    [first] = build(folder, seed=5, profile="ci")
    assert (first.reused, first.results) == (False, ("counted",))
    content = first.path.read_bytes()
    result = folder.parent / "home" / "results" / "counted.json"
    assert json.loads(result.read_text())["data"] == {"seed": 5}
    assert build(folder, seed=5)[0].reused

    result.unlink()  # a page would quote it
    [again] = build(folder, seed=5)
    assert not again.reused
    assert result.is_file()
    assert again.path.read_bytes() == content, "two executions differ"
    assert not build(folder, seed=6)[0].reused


def test_several_at_a_time_write_the_same_bytes_and_are_told_of_as_they_end(folder):
    names = ["a", "b"]
    for i, name in enumerate(names):
        (folder / f"{name}.py").write_text(
            COUNTING.replace("counted", f"counted_{name}").replace("3", f"{4 - i}")
        )
    told = []
    at_once = build(
        folder, jobs=2, done=lambda notebook: told.append((notebook.name, notebook.reused))
    )
    assert [notebook.name for notebook in at_once] == names and sorted(told) == [
        (name, False) for name in names
    ]
    assert [notebook.results for notebook in at_once] == [(f"counted_{name}",) for name in names]
    written = {path: path.read_bytes() for path in (folder.parent / "out").iterdir()}
    assert len(written) == 4
    assert all(notebook.reused for notebook in build(folder, jobs=2))
    for path in written:
        path.unlink()
    one_by_one = build(folder, jobs=1)
    assert {path: path.read_bytes() for path in written} == written
    assert [notebook.results for notebook in one_by_one] == [
        notebook.results for notebook in at_once
    ]


def test_a_failing_notebook_stops_the_others_and_their_kernels(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    (folder / "bad.py").write_text(FAILING)
    (folder / "held.py").write_text(HELD)
    (folder / "last.py").write_text(COUNTING)
    with pytest.raises(NotebookError, match="ZeroDivisionError") as e:
        build(folder, jobs=2)
    assert "\n" not in str(e.value)
    assert gone(int(Path("kernel").read_text()), 0.1)
    assert {path.name for path in (folder.parent / "out").iterdir()} == {"bad.failed.ipynb"}


@pytest.mark.parametrize("jobs", ["1", "2"])  # a copy of a template, and a kernel from the start
def test_no_kernel_outlives_a_killed_command(folder, jobs):
    (folder / "held.py").write_text(HELD)
    (folder / "other.py").write_text(HEADER + "# %%\nimport time\ntime.sleep(60)\n")
    place = folder.parent
    command = [sys.executable, "-m", "avmc_core.publishing.notebooks", "--jobs", jobs]
    environment = {**os.environ, "PYTHONPATH": str(codehash.ROOT)}
    with subprocess.Popen(command, cwd=place, env=environment, stderr=subprocess.DEVNULL) as runner:
        kernel = int(appeared(place / "kernel"))
        runner.kill()
        runner.wait(30)
    assert gone(kernel)
    assert not [*place.rglob("*.json")]


def test_parameters_are_shown_once_unless_they_were_changed(folder):
    (folder / "page.py").write_text(COUNTING)
    assert build(folder, seed=1)[0].path.read_text().count('"seed = 1') == 1
    changed = build(folder, seed=5)[0].path.read_text()
    assert changed.count('"seed = 1') == 1 and changed.count('"seed = 5') == 1


def test_a_failing_cell_keeps_the_partial_notebook(folder):
    (folder / "page.py").write_text(HEADER + "# %%\nprint('before')\n\n# %%\n1 / 0\n")
    with pytest.raises(
        NotebookError,
        match=r"page\.py: In \[3\] failed: ZeroDivisionError: division by zero \(kept .*",
    ) as e:
        build(folder)
    assert "\n" not in str(e.value)
    assert "before" in (folder.parent / "out" / "page.failed.ipynb").read_text()
    assert not (folder.parent / "out" / "page.ipynb").exists()


@pytest.mark.parametrize(
    "text", ["# %%\nseed = 1\n", HEADER + '# %% tags=["parameters"]\nother = 2\n']
)
def test_wants_exactly_one_parameters_cell(folder, text):
    (folder / "page.py").write_text(text)
    with pytest.raises(InputError, match="exactly one"):
        declared_parameters(folder / "page.py")


def test_rejects_what_it_does_not_know(folder):
    (folder / "page.py").write_text(HEADER)
    assert declared_parameters(folder / "page.py") == ["seed", "meta"]
    with pytest.raises(InputError, match="unknown parameter 'sed'"):
        build(folder, parameters={"sed": 2})
    with pytest.raises(InputError, match="no notebook 'pages'"):
        build(folder, only=["pages"])
    with pytest.raises(InputError, match="no such file"):
        build(folder, meta=str(folder / "missing.csv"))


def test_key_follows_code_data_content_and_environment(folder, tmp_path, monkeypatch):
    """Changes of an imported module of ours, of the label table's content or of an AVMC_ variable
    count; the place of the table does not."""
    root = tmp_path / "copy"
    shutil.copytree(
        codehash.ROOT / "avmc_core",
        root / "avmc_core",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    monkeypatch.setattr(notebook_source, "ROOT", root)
    monkeypatch.setattr(
        notebook_source, "modules_of", lambda source: codehash.modules_of(source, root)
    )
    monkeypatch.setattr(notebook_source, "closure", lambda names: codehash.closure(names, root))
    source = folder / "page.py"
    source.write_text(HEADER + "# %%\ndef late():\n    from avmc_core import schema\n")
    table, moved = tmp_path / "meta.csv", tmp_path / "moved.csv"
    table.write_text("a")
    moved.write_text("a")
    key = notebook_key(source, {"meta": str(table)})
    assert notebook_key(source, {"meta": str(moved)}) == key
    moved.write_text("b")
    assert notebook_key(source, {"meta": str(moved)}) != key

    (root / "avmc_core" / "analysis" / "statistics.py").write_text(
        "# not imported by this notebook\n"
    )
    assert notebook_key(source, {"meta": str(table)}) == key
    with (root / "avmc_core" / "schema.py").open("a") as file:
        file.write("changed = True\n")
    changed = notebook_key(source, {"meta": str(table)})
    assert changed != key
    monkeypatch.setenv("AVMC_BERT", "elsewhere")
    assert notebook_key(source, {"meta": str(table)}) != changed


def test_key_follows_the_models_that_the_registry_imports_by_name(folder):
    source = folder / "page.py"
    source.write_text(HEADER + "# %%\nfrom avmc_core.models.registry import settings_of\n")
    assert {"avmc_core.models.tfn", "avmc_core.models.avmc_networks"} <= reached_modules(
        source.read_text()
    ).keys()


def test_code_is_no_wider_than_its_cell_in_the_book():
    """On a laptop; this includes strings and comments, which no formatter breaks."""
    notebooks = codehash.ROOT / "notebooks"
    width = tomllib.loads((notebooks / "ruff.toml").read_text())["line-length"]
    for source in notebooks.glob("*.py"):
        cells = [cell.source for cell in read_notebook(source).cells if cell.cell_type == "code"]
        assert not [line for cell in cells for line in cell.splitlines() if len(line) > width], (
            source
        )


@pytest.mark.parametrize(
    "page, said",
    [
        ("03_benchmark", "plan.not_run(data, profile)"),
        ("05_ablation", "dropping.not_run(smaller, profile)"),
        ("16_reference_training", "plan.not_run(data, profile)"),
        ("10_your_own_clip", "prediction.cut"),
    ],
)
def test_pages_say_what_was_left_out_or_cut(page, said):
    """Rows that a store or a machine without BERT cannot run are missing from a page's tables, and
    a prediction beyond the labels is shown cut: a reader has to be told."""
    cells = read_notebook(codehash.ROOT / "notebooks" / f"{page}.py").cells
    assert any(said in cell.source for cell in cells if cell.cell_type == "code")


def test_why_names_what_changed(tmp_path):
    source, target = tmp_path / "page.py", tmp_path / "out" / "page.ipynb"
    source.write_text(HEADER)
    assert "not been executed yet" in why(source, target, {})
    execute(source, target, {})
    assert why(source, target, {}) == ""
    source.write_text(HEADER + "# %%\nfrom avmc_core import mixup\n")
    assert why(source, target, {}).startswith("changed since: file page.py, module avmc_core")
    source.write_text(HEADER)
    target.write_text("{}")
    assert why(source, target, {}) == "changed since: output page.ipynb"


def test_a_label_table_in_the_environment_is_no_reason(tmp_path, monkeypatch):
    """It reaches, as a parameter, the notebooks that declare ``meta``."""
    source = tmp_path / "page.py"
    source.write_text(HEADER)
    key = notebook_key(source, {})
    monkeypatch.setenv("AVMC_META", "meta.csv")
    assert notebook_key(source, {}) == key


def test_a_benchmark_of_a_gpu_is_a_reason_where_it_is_shown(folder, tmp_path):
    shows, other = folder / "speed.py", folder / "other.py"
    shows.write_text(HEADER + "# %%\nfrom avmc_core.speed import gpu_record\n")
    other.write_text(HEADER)
    before = [notebook_key(source, {}) for source in (shows, other)]
    record = tmp_path / "home" / "results" / "bench_gpu.json"
    record.parent.mkdir(parents=True)
    record.write_text("{}")
    after = [notebook_key(source, {}) for source in (shows, other)]
    assert after[0] != before[0] and after[1] == before[1]


def test_a_syntax_error_is_one_sentence_with_its_line(tmp_path):
    source = tmp_path / "page.py"
    source.write_text(HEADER + "# %%\nx = (1,\n")
    line = len(HEADER.splitlines()) + 2
    with pytest.raises(InputError, match=rf"page.py: found .* in line {line}: x = \(1,"):
        notebook_key(source, {})
