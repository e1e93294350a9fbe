import numpy as np
import pytest

from training.recipe.augment import augment, random_matrix
from training.recipe.config import Augment


def picture(side=64) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 256, (side, side, 3), dtype=np.uint8)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_nothing_asked_gives_the_centre_unchanged():
    np.testing.assert_array_equal(augment(picture(64), 64, Augment(), rng()), picture(64))
    np.testing.assert_array_equal(augment(picture(64), 32, Augment(), rng()), picture(64)[16:48, 16:48])


def test_the_same_generator_gives_the_same_variant():
    settings = Augment(
        rotation=180,
        shift=0.1,
        zoom=0.2,
        shear=0.1,
        mirror="both",
        brightness=0.2,
        restain=0.8,
        blur=1.5,
        noise=10,
        wedge=0.5,
    )
    one, two, three = (augment(picture(96), 64, settings, rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, three)
    assert one.shape == (64, 64, 3)
    assert one.dtype == np.uint8


def test_mirrors():
    seen = set()
    for seed in range(40):
        variant = augment(picture(), 64, Augment(mirror="both"), rng(seed))
        for name, expected in {
            "as it was": picture(),
            "left-right": picture()[:, ::-1],
            "up-down": picture()[::-1],
            "both": picture()[::-1, ::-1],
        }.items():
            if np.array_equal(variant, expected):
                seen.add(name)
    assert seen == {"as it was", "left-right", "up-down", "both"}
    for seed in range(20):
        variant = augment(picture(), 64, Augment(mirror="horizontal"), rng(seed))
        assert np.array_equal(variant, picture()) or np.array_equal(variant, picture()[:, ::-1])


def test_matrix_keeps_the_centre_and_the_ranges():
    settings = Augment(rotation=30, zoom=0.2)
    centre = np.array([63.5, 63.5, 1.0])
    for seed in range(50):
        matrix = random_matrix(128, 64, settings, rng(seed))
        np.testing.assert_allclose(matrix @ centre, [31.5, 31.5], atol=1e-9)
        linear = matrix[:, :2]
        scale = np.sqrt(np.linalg.det(linear))
        assert 0.8 <= scale <= 1.2
        assert abs(np.degrees(np.arctan2(linear[1, 0], linear[0, 0]))) <= 30
    shifts = [random_matrix(64, 64, Augment(shift=0.1), rng(s))[:, 2] for s in range(50)]
    assert np.abs(shifts).max() <= 6.4
    assert np.abs(shifts).max() > 4


@pytest.mark.parametrize(
    "change", [{"brightness": 0.5}, {"restain": 0.5}, {"noise": 20.0}, {"blur": 2.0}, {"sharpen": 1.0}], ids=str
)
def test_changes_leave_black_borders_black(change):
    image = picture()
    image[:10] = 0
    variant = augment(image, 64, Augment(**change), rng(3))
    assert not variant[:10].any()
    assert not np.array_equal(variant, image)


def test_other_labs_colours_are_as_far_as_they_are_told_to_be():
    image = np.full((64, 64, 3), (235, 225, 220), np.uint8)
    image[16:48, 16:48] = (110, 70, 150)

    def away(restain: float) -> float:
        variants = [augment(image, 64, Augment(restain=restain), rng(seed)) for seed in range(40)]
        return float(np.mean([np.abs(v[32, 32].astype(float) - image[32, 32]).mean() for v in variants]))

    assert away(0.1) < away(0.5) < away(1.0)
    assert away(1.0) > 15


def test_a_wedge_blackens_an_edge_and_never_the_centre():
    black = []
    for seed in range(50):
        variant = augment(np.full((64, 64, 3), 200, np.uint8), 64, Augment(wedge=1.0), rng(seed))
        assert (variant[30:34, 30:34] == 200).all()
        black.append((variant == 0).mean())
    assert 0 < np.mean(black) < 0.4


def test_a_picture_cut_close_is_black_on_all_sides_and_never_in_the_middle():
    left = []
    for seed in range(50):
        variant = augment(np.full((64, 64, 3), 200, np.uint8), 64, Augment(close=1.0), rng(seed))
        kept = (variant == 200).all(axis=2)
        assert kept[17:47, 17:47].all()
        rows, columns = np.flatnonzero(kept.any(axis=1)), np.flatnonzero(kept.any(axis=0))
        assert kept[np.ix_(rows, columns)].all(), "a rectangle"
        left.append(kept.mean())
    assert 0.4 < np.mean(left) < 0.8
    assert min(left) < 0.45
    assert max(left) > 0.75


def test_borders():
    inside = np.full((32, 32, 3), 99, np.uint8)
    settings = {"shift": 0.5, "rotation": 45.0}
    assert (augment(inside, 32, Augment(**settings, border="nearest"), rng(1)) == 99).all()
    assert (augment(inside, 32, Augment(**settings, border="black"), rng(1)) == 0).any()


def test_grey_crops_keep_their_form_and_lose_their_colours():
    variants = [augment(picture(), 64, Augment(grey=0.5), rng(seed)) for seed in range(40)]
    grey = [v for v in variants if (v == v[..., :1]).all()]
    assert 10 < len(grey) < 30, "about half"
    assert all(np.array_equal(v, picture()) for v in variants if not (v == v[..., :1]).all())
    assert np.corrcoef(grey[0][..., 0].ravel(), picture().mean(axis=2).ravel())[0, 1] > 0.8


def test_mixed_channels_change_hues_and_leave_what_is_grey():
    rng = np.random.default_rng(0)
    coloured = rng.integers(0, 256, (32, 32, 3), np.uint8)
    grey = np.repeat(rng.integers(0, 256, (32, 32, 1), np.uint8), 3, axis=2)
    settings = Augment(hues=1.0)
    assert any((augment(coloured, 32, settings, rng) != coloured).any() for _ in range(3))
    for _ in range(20):
        assert np.abs(augment(grey, 32, settings, rng).astype(int) - grey).max() <= 1
    seldom = Augment(hues=0.2)
    changed = sum((augment(coloured, 32, seldom, rng) != coloured).any() for _ in range(200))
    assert 20 <= changed <= 65


def test_sharpening_raises_edges_and_leaves_what_is_even():
    image = np.full((64, 64, 3), 150, np.uint8)
    image[:, 32:] = 100
    image[:8] = 0
    steps = []
    for seed in range(50):
        variant = augment(image, 64, Augment(sharpen=1.0), rng(seed))
        assert (variant[:8] == 0).all(), "black stays black"
        assert (variant[20:, 5] == 150).all()
        assert (variant[20:, 60] == 100).all()
        steps.append(int(variant[40, 31, 0]) - int(variant[40, 32, 0]))
    assert min(steps) >= 50
    assert 60 < max(steps) <= 90
