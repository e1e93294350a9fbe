"""Settings of the whole process that make answering quick. `Classifier` applies them when it is made."""

from __future__ import annotations

import ctypes
import os

# glibc's numbers of the settings, from malloc.h
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

KEPT = 64 * 2**20  # bytes of freed memory that are kept for the next picture
LARGE = 32 * 2**20  # bytes; what is larger goes back to the system at once
ARENAS = 2  # heaps that all threads share: a server's dozens of threads would each keep freed memory of their own


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def prepare() -> None:
    """Keep freed memory.

    Left to itself glibc gives the pixels of every picture back to the system, and gets new pages for the next: that
    can take longer than decoding it. Where the C library is another one nothing is changed.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, LARGE)
    mallopt(_M_TRIM_THRESHOLD, KEPT)
    mallopt(_M_ARENA_MAX, ARENAS)
