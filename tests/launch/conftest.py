"""The kernels of a GPU on a CPU: Triton's interpreter runs them in place of the compiled C. Needs
the extra "gpu"."""

from __future__ import annotations

import os

import pytest

os.environ["TRITON_INTERPRET"] = "1"  # read when the kernels are imported
pytest.importorskip("triton", reason="the extra 'gpu' is not installed: make test-launch does it")

from avmc_core.kernels import compiled, gpu, launched


@pytest.fixture
def launch(monkeypatch):
    """``launch(True)``: the recurrence runs in Triton's interpreter; False: in compiled C."""
    if compiled.kernels() is None:
        pytest.skip("no C compiler here")

    def choose(yes: bool) -> None:
        monkeypatch.setattr(launched, "takes", lambda x, hidden: yes)

    monkeypatch.setattr(launched, "resident", lambda size: size <= launched.RESIDENT)
    return choose


@pytest.fixture
def as_on_gpu(monkeypatch):
    """``as_on_gpu(True)``: this machine computes as a GPU does, with Triton's interpreter and
    PyTorch; False: as it is."""
    if compiled.kernels() is None:
        pytest.skip("no C compiler here")
    found = gpu.on_gpu, launched.resident

    def choose(yes: bool) -> None:
        on_gpu, resident = (lambda x: True, lambda size: True) if yes else found
        monkeypatch.setattr(gpu, "on_gpu", on_gpu)
        monkeypatch.setattr(launched, "resident", resident)

    return choose
