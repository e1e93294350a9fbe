"""What the commands of the command line share. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from leukoscope.errors import visible

if TYPE_CHECKING:
    from leukoscope.classifier import Classifier

BAD_INPUT = 2
ALL_BAD = 3
INTERRUPTED = 130
NOT_READ = 141  # as of other commands that a closed pipe ends
MANY = 200  # pictures from which on starting more processes pays


def share_work(wanted: int | None, pictures: int) -> int:
    """As many as asked for; else one a processor where there are pictures enough for more than one to pay."""
    from leukoscope.model.process import processors

    return min(wanted, max(1, pictures)) if wanted else processors() if pictures >= MANY else 1


def complain(reason: object) -> int:
    """Say on standard error why a command is not done, and give its status."""
    print(f"leukoscope: {reason}", file=sys.stderr)
    return BAD_INPUT


def load(model: str | None) -> Classifier | None:
    """The model of a name; None, and a line on standard error, if it cannot be used."""
    from leukoscope.classifier import Classifier
    from leukoscope.errors import LeukoscopeError

    if model and model.startswith((".", "/", "~")) and not os.path.isdir(model):  # as no name on the Hub begins
        complain(f"--model {visible(model)}: there is no such folder")
        return None
    try:
        return Classifier.from_pretrained(model)
    except LeukoscopeError as error:
        complain(error)
        return None
