"""The errors that the library raises on purpose. Their messages name what was given and what is valid.

LeukoscopeError
  ImageError          a picture that cannot be used
  SlideError          a whole slide, or a part of one, that cannot be used
  CheckpointError     a checkpoint folder that cannot be used
  ModelUnavailable    a model that cannot be had from the Hub
  PublishError        an upload that the Hub does not take
  DifferentialError   a count, or a file of one, that cannot be used
  TuneError           cells that a model cannot be tuned by
"""

NO_RAY = "the engine ray is not installed: pip install 'leukoscope[cluster]'"
NO_OPENSLIDE = "whole slides need OpenSlide: pip install 'leukoscope[slides]'"


class LeukoscopeError(Exception):
    """Any error below: input or a model that cannot be used, with the reason."""


class ImageError(LeukoscopeError, ValueError):
    """A picture that cannot be used; the message says why and is safe to show to a visitor."""


class SlideError(LeukoscopeError, ValueError):
    """A whole slide, or a part of one, that cannot be used; the message says why."""


class CheckpointError(LeukoscopeError, ValueError):
    """A checkpoint folder that cannot be used; the message names the file and the reason."""


class ModelUnavailable(LeukoscopeError, OSError):
    """A model that cannot be had from the Hub; the message names what was tried."""


class PublishError(LeukoscopeError, OSError):
    """Something that cannot be sent to the Hub; the message says what to do."""


class DifferentialError(LeukoscopeError):
    """A file that holds no count, or a damaged one; the message names the line and the column."""


class TuneError(LeukoscopeError, ValueError):
    """Cells that a model cannot be tuned by; the message says what is missing."""


def visible(text: str) -> str:
    """A name with its control characters spelled out: a terminal would obey them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
