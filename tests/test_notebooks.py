"""The runner: what is stale runs again, what is not does not, and what fails says so and stays to be looked at."""

import json
import shutil
from pathlib import Path

import pytest

from avmc_core import codehash, notebooks
from avmc_core.errors import InputError
from avmc_core.notebooks import NotebookError, build_notebooks, declared_parameters, notebook_key

HEADER = '# %% [markdown]\n# # A page\n\n# %% tags=["parameters"]\nseed = 1\nmeta = None\n\n'
COUNTING = HEADER + (
    "# %%\nfrom tqdm import tqdm\nfrom avmc_core.artefacts import save\n"
    "for i in tqdm(range(3)):\n    print(i, flush=True)\n"
    "_ = save('counted', {'seed': seed}, {})\n"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AVMC_HOME", str(tmp_path / "home"))
    (tmp_path / "notebooks").mkdir()
    return tmp_path / "notebooks"


def build(folder: Path, **options):
    return build_notebooks(folder, folder.parent / "out", **options)


def test_runs_once_and_again_only_when_its_results_or_parameters_change(folder):
    (folder / "page.py").write_text(COUNTING)
    [first] = build(folder, seed=5, profile="ci")  # the profile is not declared, so it is not injected
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


def test_parameters_are_shown_once_unless_they_were_changed(folder):
    (folder / "page.py").write_text(COUNTING)
    assert build(folder, seed=1)[0].path.read_text().count('"seed = 1') == 1
    changed = build(folder, seed=5)[0].path.read_text()
    assert changed.count('"seed = 1') == 1 and changed.count('"seed = 5') == 1


def test_a_failing_cell_keeps_the_partial_notebook(folder):
    (folder / "page.py").write_text(HEADER + "# %%\nprint('before')\n\n# %%\n1 / 0\n")
    with pytest.raises(
        NotebookError, match=r"page\.py: In \[3\] failed: ZeroDivisionError: division by zero \(kept .*"
    ) as e:
        build(folder)
    assert "\n" not in str(e.value)
    assert "before" in (folder.parent / "out" / "page.failed.ipynb").read_text()
    assert not (folder.parent / "out" / "page.ipynb").exists()


@pytest.mark.parametrize("text", ["# %%\nseed = 1\n", HEADER + '# %% tags=["parameters"]\nother = 2\n'])
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
    """Changed: an imported module of ours, the label table's content, an AVMC_ variable. Not: where the table lies."""
    root = tmp_path / "copy"
    shutil.copytree(codehash.ROOT / "avmc_core", root / "avmc_core", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(notebooks, "ROOT", root)
    monkeypatch.setattr(notebooks, "modules_of", lambda source: codehash.modules_of(source, root))
    monkeypatch.setattr(notebooks, "closure", lambda names: codehash.closure(names, root))
    source = folder / "page.py"
    source.write_text(HEADER + "# %%\ndef late():\n    from avmc_core import schema\n")
    table, moved = tmp_path / "meta.csv", tmp_path / "moved.csv"
    table.write_text("a")
    moved.write_text("a")
    key = notebook_key(source, {"meta": str(table)})
    assert notebook_key(source, {"meta": str(moved)}) == key
    moved.write_text("b")
    assert notebook_key(source, {"meta": str(moved)}) != key

    (root / "avmc_core" / "statistics.py").write_text("# not imported by this notebook\n")
    assert notebook_key(source, {"meta": str(table)}) == key
    with (root / "avmc_core" / "schema.py").open("a") as file:
        file.write("# changed\n")
    changed = notebook_key(source, {"meta": str(table)})
    assert changed != key
    monkeypatch.setenv("AVMC_PROFILE", "full")
    assert notebook_key(source, {"meta": str(table)}) != changed


def test_key_follows_the_models_that_the_registry_imports_by_name(folder):
    source = folder / "page.py"
    source.write_text(HEADER + "# %%\nfrom avmc_core.registry import settings_of\n")
    assert {"avmc_core.models.tfn", "avmc_core.models.avmc_networks"} <= notebooks._modules(source.read_text()).keys()
