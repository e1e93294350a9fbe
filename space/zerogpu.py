"""A place on ZeroGPU hardware, which free accounts may have: the page names a GPU function there, and never calls it.

The platform stops a Space whose start reports no GPU function. The package `spaces` sends that report when the page is
launched, if a function was decorated before. Every call of such a function is charged to the visitor's quota; answers
are the CPU's, so none is called.
"""

from __future__ import annotations

import os

SWITCH = "SPACES_ZERO_GPU"  # set by the platform, and read by `spaces` the same way
ON = ("1", "t", "true")


def never_called() -> None:
    """What the report is about. A call would take a GPU from the visitor's quota for nothing."""


def name_a_gpu_function() -> None:
    """Have the launch report a GPU function, if this is ZeroGPU hardware; elsewhere `spaces` is not even imported.

    Raises:
        SystemExit: if the platform says ZeroGPU and the package `spaces` is missing.
    """
    if os.environ.get(SWITCH, "").lower() not in ON:
        return
    try:
        import spaces
    except ModuleNotFoundError as error:
        raise SystemExit(f"{error}: publish this Space with --hardware zerogpu") from error
    spaces.disable_gradio_auto_wrap()  # else Gradio may make a GPU function of every answer
    spaces.GPU(never_called)
