"""Which arithmetic a network is trained in: bfloat16 where the processor has it, else float32.

A recipe says `precision = "auto"`, or overrules it. Where bfloat16 is not native every product of it is worked out by
way of float32, which takes several times as long as float32 itself (`python -m benchmarks.steps`).
"""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
NATIVE = frozenset({"avx512_bf16", "amx_bf16"})  # flags of processors that multiply bfloat16 themselves
SHOWN = ("avx2", "avx512f", "avx512_vnni", *sorted(NATIVE, reverse=True))  # those that tell kinds of processors apart
MASK = "ONEDNN_MAX_CPU_ISA"  # what oneDNN, which does TensorFlow's convolutions, is told not to go beyond
# Masks below bfloat16. oneDNN takes any other word for no mask.
BELOW = frozenset({"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI"})


def native_bfloat16() -> bool:
    """Whether bfloat16 is worth training in on this processor, or on what `ONEDNN_MAX_CPU_ISA` leaves of it.

    Only Linux tells; elsewhere it is taken for absent, which costs time and nothing else. A GPU is not asked about.
    """
    return not masked() and bool(NATIVE & flags())


def masked() -> bool:
    """Whether `ONEDNN_MAX_CPU_ISA` hides bfloat16, so that an older processor can be tried out on a newer one."""
    return os.environ.get(MASK, "").upper() in BELOW


def resolved(precision: str) -> str:
    """What a recipe's "auto" means here; "float32" and "mixed_bfloat16" stay as they are."""
    if precision != "auto":
        return precision
    return "mixed_bfloat16" if native_bfloat16() else "float32"


def flags() -> frozenset[str]:
    """What the processor can do, in the words of Linux; empty where it does not tell."""
    return frozenset(_told("flags").split())


def processor() -> str:
    """The processor's name, and those of `SHOWN` that it has."""
    name = _told("model name") or platform.processor() or platform.machine()
    return f"{name} ({', '.join(flag for flag in SHOWN if flag in flags()) or 'flags unknown'})"


def _told(key: str) -> str:
    """A line of the first processor in /proc/cpuinfo; "" if there is none."""
    try:
        text = CPUINFO.read_text()
    except OSError:
        return ""
    found = re.search(rf"^{key}\s*: *(.*)$", text, re.MULTILINE)
    return found[1] if found else ""
