"""Memory that a training step frees stays with the process, for the next step.

By default glibc gives large blocks back to the system as soon as they are freed, and the next step
gets each of their pages anew, cleared: up to a third of a step where its tensors are large.
"""

from __future__ import annotations

import ctypes
from functools import cache

# parameters of mallopt, from <malloc.h>
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


@cache
def keep_freed_memory() -> bool:
    """From now on this process keeps the memory that it frees, where its C library is glibc.
    Returns whether that is so."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # no glibc
        return False
    # no block is mapped on its own, and the end of the heap is never given back
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, -1))
