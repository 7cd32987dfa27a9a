"""Memory that a step frees is there for the next one."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import torch
from avmc_core.kernels.heap import keep_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def step():
    # three blocks of 48 MiB, freed at once; so large that glibc never keeps them by default
    torch.zeros(12 * 2**20) + torch.zeros(12 * 2**20)

if sys.argv[1] == "keep":
    assert keep_freed_memory()
for _ in range(3):
    step()
before = faults()
for _ in range(10):
    step()
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_pages_are_not_given_back_and_asked_for_again():
    """Counted by the system: page faults of ten steps, after three that warm up. Without it, each
    step asks for thousands of pages."""

    def counted(how: str) -> int:
        command = [sys.executable, "-c", FAULTS, how]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return int(done.stdout)

    plain = counted("give back")
    if plain < 50_000:
        pytest.skip("this system's pages are large, so few are asked for")
    assert counted("keep") < plain / 4
