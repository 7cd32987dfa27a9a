"""What the benchmark reads from PyTorch's profiler on the device."""

from __future__ import annotations

import pytest
import torch
from device import DEVICE

from avmc_core.speed import bench_device


@pytest.mark.skipif(DEVICE == "cpu", reason="a processor launches no kernels")
def test_the_work_of_a_device_is_counted():
    """Two kernels and a copy; the busy time is more than none and at most a second."""
    host = torch.ones(3)
    found = bench_device.work(lambda: torch.ones(3, device=DEVICE) + host.to(DEVICE), DEVICE)
    assert found["kernels"] == 2 and found["copies"] == 1
    assert 0 < found["busy"] < 1
