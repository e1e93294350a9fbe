"""Ray's start on a busy machine: begun again when Ray gives itself up."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

# What Ray 2.60 says when its node did not come up. The node waits 15 s for helpers of its own to say their ports, which
# no setting changes, and dies where both cores are busy with something else; `Node` notices after 30 s, or after what
# RAY_raylet_start_wait_time_s says, which therefore must not be raised.
GIVEN_UP = "timed out during startup"
STARTS = 3  # at most: a minute and a half, where one takes a few seconds

Started = TypeVar("Started")


def start_patiently(start: Callable[[], Started], clear: Callable[[Exception], object]) -> Started:
    """Start Ray, and begin again where it gave itself up since the machine is busy.

    Args:
        start: starts it; called at most `STARTS` times.
        clear: ends what a failed start has left behind, given its exception.

    Raises:
        Exception: what `start` raised, if that is another failure, or was the last.
    """
    left = STARTS
    while True:
        left -= 1
        try:
            return start()
        except Exception as error:  # Ray raises many kinds, plain ones too
            clear(error)
            if not left or GIVEN_UP not in str(error):
                raise
            logging.getLogger(__name__).warning(
                "the machine is busy: Ray gave up its own start, and begins again (%d of %d left)", left, STARTS
            )
