"""One notebook, executed in a kernel of its own, as text that depends on nothing but its input."""

from __future__ import annotations

import ast
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avmc_core.files import sockets
from avmc_core.publishing.notebook_source import read_notebook


class NotebookError(RuntimeError):
    """A cell failed; says where in one line. The notebook up to that cell is kept as
    ``<name>.failed.ipynb``."""


def run_notebook(
    source: Path, target: Path, parameters: Mapping[str, Any], copied: bool = False
) -> str:
    """Executes a notebook and returns it as text. While it runs, the cells executed so far are in
    ``<name>.failed.ipynb`` beside ``target``. ``copied``: in a copy of this process's template,
    where the system has such, which pays from the second notebook on.

    Raises NotebookError if a cell fails, or if the kernel does not start or dies.
    """
    import nbformat
    import papermill
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    from avmc_core.publishing.notebook_kernel import COPYABLE, CopyManager

    partial = target.with_suffix(".failed.ipynb")
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(
            prefix="avmc-",
            dir=sockets.folder_for("avmc-12345678/kernel-12345"),
            ignore_cleanup_errors=True,
        ) as folder:
            # no TCP port, and no warning about one; a folder each, or two kernels that start at
            # once take the same names
            config = Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/kernel"}})
            notebook = papermill.execute_notebook(
                read_notebook(source),
                partial,
                dict(parameters),
                kernel_name="python3",
                progress_bar=False,
                config=config,
                **({"kernel_manager_class": CopyManager} if copied and COPYABLE else {}),
                # a failing cell is reported here; the kernel itself would also call it an error
                # that it is interrupted when it is shut down
                extra_arguments=["--IPKernelApp.log_level=CRITICAL"],
            )
    except PapermillExecutionError as error:
        reason = f"{error.ename}: {error.evalue}".splitlines()[0]
        raise NotebookError(
            f"{source}: In [{error.exec_count}] failed: {reason} (kept {partial})"
        ) from error
    # a kernel that does not start, or dies: whatever the reason, no page may be built
    except Exception as error:
        raise NotebookError(
            f"{source}: {type(error).__name__}: {error} (kept {partial})".replace("\n", " ")
        ) from error
    except BaseException:  # stopped from outside: nothing in it failed
        partial.unlink(missing_ok=True)
        raise
    return nbformat.writes(_normalised(notebook, parameters))


def _normalised(notebook: Any, parameters: Mapping[str, Any]) -> Any:
    """The notebook without what differs from run to run (ids, times, how output was chunked) or
    between machines."""
    from nbconvert.preprocessors import CoalesceStreamsPreprocessor

    notebook, _ = CoalesceStreamsPreprocessor().preprocess(notebook, {})
    notebook.cells = [cell for cell in notebook.cells if not _repeats(cell, notebook)]
    for i, cell in enumerate(notebook.cells):
        cell.id = f"cell-{i:03d}"
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            for path in (Path(parameters.get(name) or ".") for name in ("store", "meta")):
                cell.source = (
                    cell.source.replace(str(path), path.name) if path.is_absolute() else cell.source
                )
    notebook.metadata.pop("papermill", None)
    return notebook


def _repeats(cell: Any, notebook: Any) -> bool:
    """Whether an injected cell says only what the notebook's own parameters cell says."""
    if "injected-parameters" not in cell.metadata.get("tags", []):
        return False
    own = next(other for other in notebook.cells if "parameters" in other.metadata.get("tags", []))
    return _assigned(cell).items() <= _assigned(own).items()


def _assigned(cell: Any) -> dict[str, str]:
    """Name to value, as source text, of a cell's assignments."""
    return {
        ast.unparse(target): ast.unparse(statement.value)
        for statement in ast.parse(cell.source).body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
    }
