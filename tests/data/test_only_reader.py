"""The restricted reader is the only way in: nothing else in the package unpickles, evaluates data,
or loads a model file that could execute code."""

from __future__ import annotations

import ast
import json
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
from torture.case import same

from avmc_core.data.released_writer import write_supervised
from avmc_core.data.unpickle import parse
from avmc_core.speed import bench_data

PACKAGE = Path(__file__).resolve().parents[2] / "avmc_core"
MODULES = sorted(PACKAGE.rglob("*.py"))
IMPORTS = {
    "pickle",
    "_pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "joblib",
    "shelve",
    "marshal",
    "jsonpickle",
    "runpy",
}
CALLS = re.compile(
    r"(^|\.)(eval|exec|read_pickle|Unpickler|find_class|loads?_pickle|hdf5?|fromfile)$"
)
IN_TEXT = re.compile(r"pickle\.loads?|Unpickler|torch\.load|yaml\.(unsafe_)?load|joblib")


def offences(source: str) -> list[str]:
    """Calls in a module's source that could execute data."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [alias.name for alias in node.names]
            )
            found += [f"import {name}" for name in names if name.split(".")[0] in IMPORTS]
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            words = {word.arg: ast.unparse(word.value) for word in node.keywords}
            ours = name in ("read_pickle", "unpickle.read_pickle")  # avmc_core.data.unpickle's
            # a network's eval() takes no data
            if CALLS.search(name) and not ours and not name.endswith(".eval"):
                found.append(name)
            if name.endswith(".eval") and node.args:
                found.append(name)
            if name in ("np.load", "numpy.load") and words.get("allow_pickle", "False") != "False":
                found.append(f"{name} with pickles")
            if name in ("yaml.load", "yaml.full_load", "yaml.unsafe_load", "yaml.load_all"):
                found.append(name)
            if name == "torch.load" and words.get("weights_only") != "True":
                found.append("torch.load without weights_only=True")
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and "\n" in node.value
            and "import " in node.value
        ):
            # a program in a string
            found += IN_TEXT.findall(node.value) and [IN_TEXT.search(node.value)[0]]
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_nothing_else_unpickles(path):
    assert offences(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "pd.read_pickle(x)",
        "np.load(x, allow_pickle=True)",
        "torch.load(x)",
        "torch.load(x, weights_only=False)",
        "yaml.load(text, Loader)",
        "eval(text)",
        "table.eval(text)",
        "CODE = '''\nimport pickle\npickle.load(f)\n'''",
    ],
)
def test_the_scan_sees_what_it_looks_for(source):
    assert offences(source)


def test_the_benchmarks_naive_way_is_that_of_pickle(tmp_path):
    """The benchmark does not unpickle, but it measures what ``pickle.load`` leads to: the same
    arrays, and as much memory."""
    columns = {
        name: bench_data.released_columns(name, rows)
        for name, rows in {"train": 96, "valid": 4, "test": 4}.items()
    }
    write_supervised(path := tmp_path / "s.pkl", columns)
    ours, theirs = parse(memoryview(path.read_bytes()), path), pickle.loads(path.read_bytes())
    assert same(ours, theirs)
    reading = "parse(memoryview(Path(source).read_bytes()), source)"
    assert reading in bench_data.NAIVE
    peaks = []
    for code in (
        bench_data.NAIVE,
        bench_data.NAIVE.replace(reading, "__import__('pickle').load(open(source, 'rb'))"),
    ):
        words = [sys.executable, "-c", bench_data.MEASURED.format(code=code), path, tmp_path]
        found = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        peaks.append(found["peak_mb"] - found["libraries_mb"])
    assert abs(peaks[0] - peaks[1]) < 0.2 * path.stat().st_size / 2**20, peaks
