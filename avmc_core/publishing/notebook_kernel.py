"""The kernels in which notebooks are executed: copies of one process that has done the imports of
all (``kernel_template``), on systems that can copy a process."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from jupyter_client import AsyncKernelManager
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import LocalProvisioner

# macOS can copy no process that has loaded its frameworks, and Windows none at all
COPYABLE = sys.platform == "linux"


class Template:
    """A running ``kernel_template``, for kernels with one environment; they may differ in our own
    variables alone, which no third party reads."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = _foreign(environment)
        self.last: Copy | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-m", "avmc_core.publishing.kernel_template"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=dict(environment),
            start_new_session=True,  # Ctrl-C is for the one that asked
        )

    def fits(self, environment: Mapping[str, str]) -> bool:
        """Whether it can serve a new kernel with this environment: it serves one at a time."""
        free = self.last is None or self.last.poll() is not None
        return free and self._process.poll() is None and self.environment == _foreign(environment)

    def ask(self, **call: Any) -> int:
        """The process number of a new kernel. Raises ChildProcessError where there is none."""
        with suppress(BrokenPipeError):  # its answer, or that there is none, says what became of it
            self._process.stdin.write(json.dumps(call).encode() + b"\n")
        return self.answer(None)

    def answer(self, seconds: float | None) -> int | None:
        """The next number that the template writes; None where it has none within so many
        ``seconds``. Raises ChildProcessError where the template has died."""
        if self._process.stdout.closed:
            raise ChildProcessError("the kernels' template was ended")
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            return None
        if line := self._process.stdout.readline():
            return int(line)
        raise ChildProcessError(f"the kernels' template died (exit status {self._process.wait()})")

    def close(self) -> None:
        """Ends it, and with it the kernel that it still has."""
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


class Copy:
    """A kernel that is a template's copy, with those parts of ``subprocess.Popen`` that
    ``LocalProvisioner`` uses."""

    stdin = stdout = stderr = None

    def __init__(
        self, template: Template, arguments: list[str], options: Mapping[str, Any]
    ) -> None:
        self._template, self.returncode, template.last = template, None, self
        self.pid = template.ask(
            arguments=arguments,
            environment=dict(options["env"]),
            folder=os.fspath(options.get("cwd") or os.getcwd()),
        )

    def poll(self) -> int | None:
        return self._ended(0)

    def wait(self) -> int | None:
        return self._ended(None)

    def _ended(self, seconds: float | None) -> int | None:
        if self.returncode is None:
            try:
                self.returncode = self._template.answer(seconds)
            except ChildProcessError:  # the kernel dies with its template
                self.returncode = 1
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


class CopyProvisioner(LocalProvisioner):
    """Starts a kernel as a copy of this process's template."""

    async def launch_kernel(self, cmd: list[str], **options: Any) -> KernelConnectionInfo:
        # cmd: python -m ipykernel_launcher, and its arguments
        self.process = Copy(_template(), cmd[cmd.index("ipykernel_launcher") + 1 :], options)
        self.pid = self.pgid = self.process.pid
        return self.connection_info


class CopyManager(AsyncKernelManager):
    """A kernel manager whose kernels are copies."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.provisioner = CopyProvisioner(kernel_spec=self.kernel_spec, parent=self)


_current: Template | None = None


def _template() -> Template:
    """The template of this process; another where the environment has changed."""
    global _current
    if _current is None or not _current.fits(os.environ):
        end()
        _current = Template(os.environ)
    return _current


@atexit.register
def end() -> None:
    """Ends this process's template."""
    global _current
    if _current is not None:
        _current.close()
    _current = None


def _foreign(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith("AVMC_")}
