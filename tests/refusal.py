"""What a call that is refused says."""

import pytest


def refusal(kind: type[Exception], call, *arguments, **options) -> str:
    """The words of the error that a call raises, of this very kind."""
    with pytest.raises(kind) as caught:
        call(*arguments, **options)
    assert type(caught.value) is kind
    return str(caught.value)
