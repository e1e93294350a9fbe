import numpy as np
import pytest

from leukoscope.drawn.synthetic import draw_photo
from leukoscope.smear.blank import BLACK, why_blank

PHOTO = draw_photo(["neutrophil"], seed=1)[0]
GREY = np.repeat(PHOTO.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)


def speckled(picture: np.ndarray) -> np.ndarray:
    """With the noise of a camera, a hot pixel or two and a date in the corner."""
    noise = np.random.default_rng(0).normal(0, 1.5, picture.shape[:2])[..., None]
    picture = (picture + noise).clip(0, 255).astype(np.uint8)
    picture[10, 10], picture[-8:, -40:] = (255, 0, 0), (255, 160, 0)
    return picture


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (np.zeros((200, 300, 3), np.uint8), "nearly black"),
        ((PHOTO * 0.1).astype(np.uint8), "nearly black"),
        (np.full((200, 300, 3), 255, np.uint8), "blank"),
        (np.full((200, 300, 3), (230, 210, 200), np.uint8), "blank"),
        (GREY, "grey"),
    ],
    ids=["black", "dark", "white", "glass", "grey"],
)
def test_the_reason_is_named_also_in_a_picture_of_a_camera(picture, reason):
    for given in (picture, speckled(picture), picture[:24, :24] if reason != "grey" else picture[::3, ::3]):
        assert reason in why_blank(given)


@pytest.mark.parametrize("way", ["as it is", "dark", "pale", "half the colour"])
def test_a_photo_that_may_show_cells_is_not_to_blame(way):
    for photo in (PHOTO, draw_photo([], seed=2)[0]):
        given = {
            "as it is": photo,
            "dark": photo // 3,
            "pale": 170 + photo // 3,
            "half the colour": (photo + photo.mean(axis=2, keepdims=True)) / 2,
        }[way]
        assert why_blank(given.astype(np.uint8)) is None


def test_nearly_black_ends_at_a_level():
    row = np.linspace(0, BLACK - 1, 100).astype(np.uint8)
    dark = np.broadcast_to(row[None, :, None], (100, 100, 3))
    assert "nearly black" in why_blank(dark)
    assert "grey" in why_blank(dark + np.uint8(2))


@pytest.mark.parametrize("shape", [(24, 24), (24, 5000), (3000, 24), (1000, 1500)])
def test_pictures_of_any_size(shape):
    assert "blank" in why_blank(np.full((*shape, 3), 90, np.uint8))
