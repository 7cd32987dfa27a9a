"""A process that has imported what every notebook imports, and of which each kernel is a copy:
three seconds of every notebook's start, spent once.

Run as a program. It reads from its standard input one line of JSON for each kernel (``arguments``,
``environment`` and ``folder``), forks, writes the kernel's process number, and when the kernel has
ended its exit status. Kernels come one after the other. It ends when its standard
input is closed, and its kernel with it.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import select
import signal
import sys
from contextlib import suppress
from importlib import import_module

# third parties only: our own modules are quickly read, and are those of the notebook's moment
IMPORTED = (
    "IPython.display",
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "matplotlib.pyplot",
    "pandas",
    "scipy.stats",
    "seaborn",
    "sklearn.manifold",
    "torch",
)
PR_SET_PDEATHSIG = 1  # Linux: the signal to receive when the parent ends
SECONDS = 0.02  # between two looks at a kernel


def main() -> None:
    """Serves kernels until nobody asks for more."""
    # what a kernel, or an import, prints must not come between the answers
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    del sys.path[0]  # the working folder, which `-m` adds and each kernel adds again
    # as a kernel sets it: matplotlib reads it when it is imported
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    before = dict(os.environ)
    for name in IMPORTED:
        with suppress(ImportError):  # the notebook that needs it will say so
            import_module(name)
    gc.freeze()  # what all share is garbage of none: without this, a kernel takes a second to end
    # scikit-learn sets variables for OpenMP
    added = {name: value for name, value in os.environ.items() if name not in before}
    own = os.getpid()
    while call := sys.stdin.buffer.raw.readline():
        kernel = os.fork()
        if kernel == 0:
            answers.close()
            _be_kernel(own, added, **json.loads(call))
            return
        print(kernel, file=answers)
        print(_exit_status(kernel), file=answers)


def _exit_status(kernel: int) -> int:
    """Waits for a kernel. Ends this process where the one that asked for it is gone; the kernel,
    which watches its parent, follows."""
    while True:
        ended, status = os.waitpid(kernel, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if select.select([sys.stdin], [], [], SECONDS)[0]:
            sys.exit()


def _be_kernel(
    parent: int,
    added: dict[str, str],
    arguments: list[str],
    environment: dict[str, str],
    folder: str,
) -> None:
    """Goes on as ``python -m ipykernel_launcher`` would begin, had it done the imports, which have
    ``added`` to the environment. Ends when the process ``parent`` does."""
    # ipykernel watches its parent, but once a second, and not yet while it starts
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit()
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.environ.clear()
    os.environ.update(added | environment | {"JPY_PARENT_PID": str(parent)})
    os.chdir(folder)
    # the variable alone does not do: ipykernel reads it when it is imported
    sys.argv[1:] = [*arguments, f"--IPKernelApp.parent_handle={parent}"]
    from ipykernel import kernelapp

    kernelapp.launch_new_instance()


if __name__ == "__main__":
    main()
