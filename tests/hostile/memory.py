"""How much memory this process took, by its own account: what getrusage tells counts in the process that started it."""

import ctypes
import re
from pathlib import Path


def peak_mb() -> int:
    """The most memory that this process held since `forget_peak`, MB."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) // 1024


def forget_peak() -> None:
    """Give back what is not used, and begin to measure anew."""
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
