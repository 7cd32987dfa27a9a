"""A kernel that is a copy of a template is like one from the start, knows nothing of the copies
before it, and ends when its template does."""

import json
import os
from pathlib import Path

import pytest
from processes import gone

pytest.importorskip("papermill", reason="notebooks need the extra 'book'")

from avmc_core.publishing import notebook_kernel
from avmc_core.publishing.notebook_run import NotebookError, run_notebook

pytestmark = pytest.mark.skipif(not notebook_kernel.COPYABLE, reason="this system copies no kernel")

HEADER = '# %% tags=["parameters"]\nseed = 1\n\n# %%\n'
# what a notebook can see of its process, and traces that it leaves there
SEEN = HEADER + (
    "import os, signal, sys\nimport matplotlib, sklearn.manifold, torch\n"
    "print(sys.path, os.getcwd(), __name__, hash('a'), os.getsid(0) == os.getpid())\n"
    "print(sorted(item for item in os.environ.items() if item[0] != 'JPY_PARENT_PID'))\n"
    "print(matplotlib.get_backend(), signal.getsignal(signal.SIGTERM), sys.stdin.read())\n"
    "print([name for name in sys.modules if name.startswith('avmc_core.runs')])\n"
    "print(torch.get_num_threads(), 'left' in vars(torch))\n"
    "torch.left, os.environ['AVMC_LEFT'] = True, '1'\n_ = torch.manual_seed(7)\n"
    "import avmc_core.runs.store\n"
)


@pytest.fixture
def execute(tmp_path, monkeypatch):
    """Executes source and returns the executed notebook's cells."""
    monkeypatch.delenv("PYTEST_CURRENT_TEST", raising=False)  # differs between set-up and call
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    monkeypatch.chdir(tmp_path)

    def cells(source: str, copied: bool = True) -> list:
        Path("page.py").write_text(source)
        return json.loads(run_notebook(Path("page.py"), Path("page.ipynb"), {}, copied))["cells"]

    yield cells
    notebook_kernel.end()


def test_a_copy_is_like_a_kernel_from_the_start_and_knows_nothing_of_the_one_before(execute):
    fresh = execute(SEEN, copied=False)
    assert fresh[1]["outputs"][0]["text"][-1].endswith("False\n")
    template = None
    for _ in range(2):
        assert execute(SEEN)[1]["outputs"] == fresh[1]["outputs"]
        assert template in (None, notebook_kernel._current)
        template = notebook_kernel._current
    assert template is not None


def test_another_environment_gets_another_template(execute, monkeypatch):
    def told() -> str:
        return execute(HEADER + "print(hash('a'))\n")[1]["outputs"][0]["text"]

    first = told()
    monkeypatch.setenv("AVMC_LEFT", "1")
    template = notebook_kernel._current
    assert told() == first and notebook_kernel._current is template
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    assert told() != first and notebook_kernel._current is not template


@pytest.mark.parametrize("victim", ["getpid", "getppid"])
def test_a_killed_kernel_or_template_ends_the_notebook_with_a_message(execute, victim):
    source = HEADER + (
        "import os, signal, time\nfrom pathlib import Path\n"
        f"_ = Path('kernel').write_text(str(os.getpid()))\nos.kill(os.{victim}(), signal.SIGKILL)\n"
        "time.sleep(60)\n"
    )
    with pytest.raises(NotebookError, match=r"page\.py: DeadKernelError"):
        execute(source)
    assert gone(int(Path("kernel").read_text()))
    assert execute(HEADER + "print(seed)\n")[1]["outputs"][0]["text"] == ["1\n"]


def test_a_kernel_that_nobody_waited_for_is_no_other_kernels_number(monkeypatch):
    """Its exit status would be taken for the process number of the next one, and be killed."""
    monkeypatch.setattr(notebook_kernel, "_current", None)
    first = notebook_kernel._template()
    options = {"env": dict(os.environ)}
    held = notebook_kernel.Copy(first, ["-c", "import time; time.sleep(60)"], options)
    assert notebook_kernel._template() is not first and gone(held.pid)
    held.kill()  # has ended: nothing is sent to anybody
    assert held.poll() is not None
    notebook_kernel.end()
