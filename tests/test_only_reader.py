"""The restricted reader is the only way in: nothing in the package unpickles, evaluates data, or loads a model file that could."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "avmc_core"
MODULES = sorted(PACKAGE.rglob("*.py"))
IMPORTS = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle", "runpy"}
CALLS = re.compile(r"(^|\.)(eval|exec|read_pickle|Unpickler|find_class|loads?_pickle|hdf5?|fromfile)$")
IN_TEXT = re.compile(r"pickle\.loads?|Unpickler|torch\.load|yaml\.(unsafe_)?load|joblib")
# The benchmark's naive way is what everybody's code does: it unpickles a file that the benchmark itself wrote a moment before,
# in a temporary folder of its own. No other file gets there, and nothing else may be listed here.
EXCEPTIONS = {("bench_data.py", "pickle.load")}


def offences(source: str) -> list[str]:
    """What in a module's source could execute data."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            found += [f"import {name}" for name in names if name.split(".")[0] in IMPORTS]
        elif isinstance(node, ast.Call):
            name, words = ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}
            ours = name in ("read_pickle", "unpickle.read_pickle")  # avmc_core.unpickle's
            if CALLS.search(name) and not ours and not name.endswith(".eval"):  # a network's eval() takes no data
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
            found += IN_TEXT.findall(node.value) and [IN_TEXT.search(node.value)[0]]  # a program in a string
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_nothing_else_unpickles(path):
    assert [o for o in offences(path.read_text(encoding="utf-8")) if (path.name, o) not in EXCEPTIONS] == []


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


def test_the_exception_reads_only_what_it_wrote():
    """The naive program gets its file's name from the function that wrote that file into a temporary folder."""
    source = (PACKAGE / "bench_data.py").read_text(encoding="utf-8")
    function = source[source.index("def data_path") : source.index("def released_columns")]
    assert "TemporaryDirectory() as folder" in function and 'Path(folder, "s.pkl")' in function
    assert "write_supervised(source" in function and source.count("pickle.load(") == 1
