import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy import ndimage

from leukoscope import locate as module
from leukoscope import patches
from leukoscope.cells import CELL_TYPES
from leukoscope.locate import DENSITY_RANGE, Cell, locate, principal_cell
from leukoscope.patches import Patch
from leukoscope.stain import Stain, glass_colour, nucleus_density, to_density, to_level
from leukoscope.synthetic import draw_cell, draw_photo


def overlap(a, b) -> float:
    """Intersection over union of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    area = lambda box: (box[2] - box[0]) * (box[3] - box[1])  # noqa: E731
    return width * height / (area(a) + area(b) - width * height)


@pytest.mark.parametrize("cell_type", CELL_TYPES)
@pytest.mark.parametrize("seed", range(5))
def test_a_drawn_cell_is_found_where_it_is(cell_type, seed):
    photo, drawn = draw_photo([cell_type], seed=seed)
    found = locate(photo)
    assert len(found) == 1
    assert overlap(found[0].box, drawn[0].box) > 0.5


def test_several_cells_are_found_each_once():
    photo, drawn = draw_photo(["neutrophil", "lymphocyte", "monocyte"], seed=4, width=900, height=700)
    found = locate(photo)
    assert len(found) == 3
    assert all(max(overlap(cell.box, d.box) for cell in found) > 0.4 for d in drawn)


@pytest.mark.parametrize("seed", range(5))
def test_red_cells_alone_give_no_cell(seed):
    photo, _ = draw_photo([], seed=seed)
    assert locate(photo) == []
    assert principal_cell(photo) is None


@pytest.mark.parametrize(
    "picture",
    [
        np.full((100, 100, 3), 255, np.uint8),
        np.zeros((100, 100, 3), np.uint8),
        np.full((24, 24, 3), (230, 210, 200), np.uint8),
        np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8),
    ],
    ids=["white", "black", "flat", "noise"],
)
def test_pictures_without_any_cell_give_none(picture):
    assert locate(picture) == []


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0, 3.0])
def test_the_box_scales_with_the_picture(factor):
    photo, _ = draw_photo(["eosinophil"], seed=1)
    before = principal_cell(photo)
    scaled = cv2.resize(photo, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    after = principal_cell(scaled)
    assert overlap(tuple(v * factor for v in before.box), after.box) > 0.8
    assert after.nucleus_px == pytest.approx(before.nucleus_px * factor, rel=0.12)


@pytest.mark.parametrize(("size", "red_cell_px"), [((640, 480), 30.0), ((950, 760), 40.0), ((1200, 900), 44.0)])
@pytest.mark.parametrize("seed", range(3))
def test_one_small_cell_in_a_wide_field_is_found(size, red_cell_px, seed):
    """It is too small for the copies that are searched first, and no other cell tells so."""
    photo, drawn = draw_photo(["lymphocyte"], seed=seed, width=size[0], height=size[1], red_cell_px=red_cell_px)
    (cell,) = locate(photo)
    assert overlap(cell.box, drawn[0].box) > 0.5


def test_white_balance_does_not_move_the_box():
    photo = draw_cell("neutrophil", seed=3)
    yellow = np.clip(photo * np.array([1.0, 0.93, 0.75]), 0, 255).astype(np.uint8)
    assert overlap(principal_cell(photo).box, principal_cell(yellow).box) > 0.8


def test_boxes_stay_inside_the_picture():
    photo = draw_cell("monocyte", seed=0, size=240)[60:180, 60:180]
    x0, y0, x1, y1 = principal_cell(photo).box
    assert 0 <= x0 < x1 <= 120
    assert 0 <= y0 < y1 <= 120


def test_density_is_measured_against_the_glass():
    image = np.full((64, 64, 3), (240, 220, 200), np.uint8)
    image[20:44, 20:44] = (120, 60, 150)
    np.testing.assert_allclose(glass_colour(image), (240, 220, 200))
    density = nucleus_density(image)
    assert density[32, 32] == pytest.approx(np.log(220 / 60) - np.log(200 / 150), abs=0.02)
    assert abs(density[2, 2]) < 0.01


def test_real_photos_every_annotated_cell_is_hit(blood_cells):
    """The principal cell overlaps an annotated white cell in all but a few photos (some boxes are wrong)."""
    import xml.etree.ElementTree as ET

    root = blood_cells / "dataset-master/dataset-master"
    hits = []
    for file in sorted((root / "Annotations").glob("*.xml"))[::4]:
        boxes = [
            [int(obj.find(f"bndbox/{side}").text) for side in ("xmin", "ymin", "xmax", "ymax")]
            for obj in ET.parse(file).iter("object")
            if obj.find("name").text == "WBC"
        ]
        picture = cv2.imread(str(root / "JPEGImages" / f"{file.stem}.jpg"))
        if boxes and picture is not None:
            cell = principal_cell(picture[..., ::-1])
            hits.append(cell is not None and max(overlap(cell.box, box) for box in boxes) > 0.5)
    assert len(hits) > 80
    assert np.mean(hits) > 0.97


@pytest.mark.parametrize("types", [["neutrophil"], ["lymphocyte"], ["monocyte", "eosinophil"], []])
def test_a_glance_finds_what_a_closer_look_does(types, monkeypatch):
    """One plain nucleus is found on the smallest copy alone; where there is doubt the larger one is searched."""
    searched = []
    search = module._search

    def watched(copies, *args, **kwargs):
        found = search(copies, *args, **kwargs)
        searched.append(max(copies[-1].shape))
        return found

    monkeypatch.setattr(module, "_search", watched)
    photo, _ = draw_photo(types, seed=3, width=640, height=480, red_cell_px=96.0)
    found = locate(photo)
    assert searched == {0: [80, 160, 320, 640], 1: [80], 2: [80, 160]}[len(types)]
    monkeypatch.setattr(module, "_plain", lambda diameters, least: False)
    closer = locate(photo)
    assert len(found) == len(closer) == len(types)
    assert all(overlap(a.box, b.box) > 0.95 for a, b in zip(found, closer, strict=True))


def test_blurs_are_those_of_opencv():
    from leukoscope.stain import _gaussian

    noise = np.random.default_rng(0).integers(0, 256, (90, 70), np.uint8)
    for sigma in (0.8, 1.2, 1.6, 2.4):
        kernel = _gaussian(sigma)
        ours = cv2.sepFilter2D(noise, -1, kernel, kernel).astype(int)
        difference = np.abs(ours - cv2.GaussianBlur(noise, (0, 0), sigma))
        assert difference.max() <= 1
        assert difference.mean() < 0.001


# --- the steps, each by itself ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("box", "cut"),
    [
        ((1, 1, 119, 79), False),
        ((0, 1, 119, 79), True),
        ((1, 0, 119, 79), True),
        ((1, 1, 120, 79), True),
        ((1, 1, 119, 80), True),
        ((1, 1, 80, 79), False),
    ],
)
def test_a_cell_at_the_edge_of_a_picture_is_cut(box, cut):
    assert Cell(box, 30.0).cut((80, 120, 3)) is cut


def discs(*placed: tuple[int, int, int], shape=(120, 160)) -> np.ndarray:
    """A mask of filled discs, each (x, y, radius)."""
    mask = np.zeros(shape, np.uint8)
    for x, y, radius in placed:
        cv2.circle(mask, (x, y), radius, 1, -1)
    return mask


def test_a_patch_is_a_view_of_its_place():
    picture = np.arange(120 * 160, dtype=np.uint16).reshape(120, 160)
    patch = Patch(7, 3, np.eye(5, 4, dtype=np.uint8), np.zeros((3, 2), np.int32))
    np.testing.assert_array_equal(patch.of(picture), picture[3:8, 7:11])
    assert patch.of(picture).base is picture.base
    mask = np.ones((120, 160), np.uint8)
    mask[3, 7] = 0
    np.testing.assert_array_equal(patch.within(mask), np.eye(5, 4) * (np.arange(4) > 0))


@pytest.mark.parametrize(
    ("size", "widths", "searched"),
    [
        ((480, 640), [64], ["80 at a glance"]),
        ((480, 640), [63.9, 64], ["80 at a glance", "160"]),
        ((480, 640), [0, 63.9, 32], ["80 at a glance", "160", "320"]),
        ((480, 640), [0, 1, 1, 1], ["80 at a glance", "160", "320", "640"]),
        ((480, 640), [0, 0, 32], ["80 at a glance", "160", "320"]),
        ((480, 640), [0, 0, 0, 0], ["80 at a glance", "160", "320", "640"]),
        ((2001, 2000), [0, 0], ["500", "1000"]),
        ((120, 159), [1], ["159"]),
        ((160, 120), [15.9, 16], ["80 at a glance", "160"]),
        ((700, 960), [64], ["120 at a glance"]),
        ((700, 962), [32], ["481"]),
        ((900, 4000), [1, 1, 1, 1], ["500", "1000", "2000", "4000"]),
        ((2000, 2000), [1, 1, 1], ["500", "1000", "2000"]),
        ((2001, 2000), [1, 1], ["500", "1000"]),
    ],
)
def test_finer_copies_are_searched_until_nuclei_are_wide_enough(monkeypatch, size, widths, searched):
    """16 px of the copy, of the next one after a glance; one of more than four million pixels is not searched."""
    asked, answers = [], iter(widths)

    def search(copies, glass, glance=False):
        assert glass is given
        asked.append(f"{max(copies[-1].shape)}{' at a glance' if glance else ''}")
        width = next(answers)
        return [Cell((0, 0, 9, 9), width)] if width else []

    given = np.full(3, 240.0)
    monkeypatch.setattr(module, "_search", search)
    monkeypatch.setattr(module, "Stain", lambda glass: glass)
    monkeypatch.setattr(module, "_strength", lambda *photo: 1.0)
    found = locate(np.zeros((*size, 3), np.uint8), given)
    assert asked == searched
    assert [cell.nucleus_px for cell in found] == [width for width in widths[-1:] if width]


@pytest.mark.parametrize("shape", [(6, 8), (7, 9)])
def test_a_half_is_the_mean_of_four(shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    even = image[:6, :8].astype(float)
    mean = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4
    half = module._halved(image)
    assert half.shape == (3, 4, 3)
    assert np.abs(half - mean).max() <= 0.5


def test_one_nucleus_is_plain_where_it_is_far_larger_than_all_else():
    for diameters, plain in (
        ([14.0], True),
        ([13.9], False),
        ([14.0, 7.0, 1.0], True),
        ([7.2, 14.0, 1.0], False),
        ([14.0, 14.0], False),
        ([10.0 / 1.4, 99.0], True),
    ):
        assert module._plain(diameters, 10.0) is plain, diameters


@pytest.mark.parametrize(
    ("size", "level", "pixels"),
    [
        ((240, 320), 0, 20.0),
        ((480, 320), 0, 20.0),
        ((480, 320), 1, 5.0),
        ((480, 320), 2, 2.0),
        ((480, 960), 1, 20.0),
        ((720, 700), 0, 45.0),
        ((2000, 3000), 1, 20.0),
    ],
)
def test_noise_is_as_large_as_the_copy_shows_it(size, level, pixels):
    assert module._least_blob([np.zeros((*size, 3), np.uint8)] * (level + 1), level) == pixels


def test_an_outline_is_measured_with_its_own_pixels():
    for mask in (discs((50, 50, 9)), discs((50, 50, 1)), discs((40, 40, 20), (62, 50, 17)), discs((0, 0, 30))):
        (outline,), _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        assert patches.enclosed_pixels(outline) == mask.sum()
    square = np.array([[0, 0], [10, 0], [10, 10], [0, 10]])
    assert patches.disc_diameter(square) == pytest.approx(2 * (100 / np.pi) ** 0.5)
    assert patches.disc_diameter(square[:1]) == patches.disc_diameter(square[:2]) == pytest.approx(2 / np.pi**0.5)


def test_the_threshold_is_half_of_the_core_within_limits():
    low, high = DENSITY_RANGE
    for core, density in ((0.9, 0.45), (0.3, low), (1.4, high), (2 * low, low), (2 * high, high)):
        values = np.full(100, to_level(0.1), np.uint8)
        values[7::9] = to_level(core) + 2
        values[:10] = to_level(core)  # with the two above them, the 90th of a hundred and more
        at = np.sort(values)[90]
        expected = to_level(min(max(0.5 * to_density(at), low), high))
        assert module._threshold(values) == expected
        assert abs(to_density(expected) - density) < 0.02
    assert module._threshold(np.array([to_level(0.8)], np.uint8)) == to_level(0.5 * to_density(to_level(0.8)))
    falling = np.arange(200, 100, -1).astype(np.uint8)
    assert module._threshold(falling[:20]) == to_level(min(max(0.5 * to_density(199), low), high))


def stained_one_by_one(density: np.ndarray, least: float) -> np.ndarray:
    """What `_stained` does, blob after blob, without its shortcuts."""
    labels, count = ndimage.label(density > to_level(DENSITY_RANGE[0]), np.ones((3, 3)))
    mask = np.zeros_like(density)
    for label in range(1, count + 1):
        blob = labels == label
        if ndimage.binary_fill_holes(blob).sum() < least:
            continue
        values = np.sort(density[blob])
        core = values[len(values) * 9 // 10]
        mask[blob & (density > to_level(np.clip(to_density(core) / 2, *DENSITY_RANGE)))] = 1
    return mask


@pytest.mark.parametrize("seed", range(4))
def test_a_nucleus_is_what_is_half_as_dark_as_its_core(seed):
    photo, _ = draw_photo(["monocyte", "neutrophil"], seed=seed, width=320, height=240, red_cell_px=40.0)
    density, _, _ = Stain(glass_colour(photo)).measure(photo, 1.0)
    paler = np.where(np.arange(320) < 160, density, np.uint8(30) + density // 2).astype(np.uint8)
    for picture in (density, paler):
        for least in (2.0, 20.0, 400.0):
            mask = module._stained(picture, least)
            assert mask.dtype == np.uint8
            assert (mask != stained_one_by_one(picture, least)).mean() < 0.001


def test_a_blob_is_noise_below_the_least():
    density = np.full((40, 60), to_level(0.0), np.uint8)
    density[5:9, 5:9] = density[20:24, 30:35] = to_level(1.0)
    for least, kept in ((16.0, 36), (16.5, 20), (20.0, 20), (20.5, 0)):
        assert module._stained(density, least).sum() == kept
    low, high = map(to_level, DENSITY_RANGE)
    for level, kept in ((low, 0), (low + 1, 16), (high, 16)):
        density[5:9, 5:9], density[20:24, 30:35] = level, 0
        assert module._stained(density, 2.0).sum() == kept


@pytest.mark.parametrize(("dark", "kept"), [(20, 400), (36, 400), (44, 324), (60, 324), (200, 324)])
def test_a_few_dark_pixels_are_no_core(dark, kept):
    """The threshold follows the tenth of a blob that is darkest; the rim of this one has 0.4, and is 76 px."""
    density = np.full((60, 60), to_level(0.0), np.uint8)
    density[20:40, 20:40] = to_level(0.4)
    density[21:39, 21:39] = to_level(0.6)
    inner = density[21:39, 21:39].ravel()
    inner[:dark] = to_level(1.2)
    density[21:39, 21:39] = inner.reshape(18, 18)
    assert module._stained(density, 20.0).sum() == kept


def test_what_a_pale_ring_encloses_is_not_stained():
    density = np.full((40, 40), to_level(0.1), np.uint8)
    density[10:30, 10:30] = to_level(0.4)
    density[15:25, 15:25] = to_level(0.1)
    assert module._stained(density, 20.0).sum() == 400 - 100


def test_a_mask_is_closed_up_to_the_edge_of_the_picture():
    mask = np.zeros((40, 60), np.uint8)
    mask[10:20, 0:6] = mask[10:20, 8:14] = 1
    closed = patches.closed(mask, 3.0)
    assert closed[mask > 0].all()
    assert closed[13:17, 6:8].all()


@pytest.mark.parametrize("reach", [1.5, 4.4, 9.7, 30.0])
def test_a_mask_is_closed_as_by_a_disc(reach):
    mask = discs((30, 40, 12), (58, 44, 10), (75, 90, 6), (4, 3, 3), (150, 60, 9))
    ring = np.hypot(*np.mgrid[-31:32, -31:32]) <= reach
    wide = np.pad(mask, 40)
    exact = cv2.morphologyEx(wide, cv2.MORPH_CLOSE, ring.astype(np.uint8))[40:-40, 40:-40]
    closed = patches.closed(mask, reach)
    assert set(np.unique(closed)) <= {0, 255}
    assert not (mask.astype(bool) & (closed == 0)).any()
    inside = np.s_[35:-20, 35:-20]  # at the edge of the picture nothing comes from outside
    assert ((closed > 0) != exact)[inside].mean() < 0.005


def squares(apart: int) -> np.ndarray:
    """Two squares of 30 px, so many px apart; each is as large as a disc 34 px wide."""
    mask = np.zeros((120, 160), np.uint8)
    mask[40:70, 20:50] = mask[40:70, 50 + apart : 80 + apart] = 1
    return mask


@pytest.mark.parametrize(("gap", "apart"), [((), 12), ((0.35,), 12), ((0.6,), 20), ((0.02,), 0)])
def test_lobes_are_joined_up_to_the_gap(gap, apart):
    (one,), two = (patches.joined(squares(px), *gap) for px in (apart, apart + 1))
    assert (one.x, one.y, one.mask.shape) == (20, 40, (30, 60 + apart))
    assert cv2.boundingRect(one.hull) == (20, 40, 60 + apart, 30)
    assert sorted((p.x, p.y, p.mask.shape) for p in two) == [(20, 40, (30, 30)), (51 + apart, 40, (30, 30))]
    for patch in (one, *two):
        assert patch.whole
        assert set(np.unique(patch.mask)) <= {0, 1}
        assert patch.hull.shape[1:] == (2,)
        assert patch.mask.all() or patch is one


def test_where_there_is_nothing_nothing_is_joined():
    assert patches.joined(discs()) == []


def test_a_hole_in_a_nucleus_belongs_to_it():
    ring = discs((60, 60, 20)) - discs((60, 60, 8))
    (patch,) = patches.joined(ring)
    np.testing.assert_array_equal(patch.mask, discs((20, 20, 20), shape=(41, 41)))


def test_a_long_patch_of_large_pieces_is_parted():
    """Red cells are 20 px wide here: a piece may be a nucleus from 320 px on, and a nucleus has 1200 px at most."""

    def parts(*placed, red=20.0):
        mask = discs(*placed)
        (patch,) = patches.joined(mask, 2.0)
        return patches.parted(patch, patch.within(mask), red)

    long = parts((30, 60, 14), (64, 60, 14))
    assert [part.whole for part in long] == [False, False]
    assert sorted(part.x for part in long) == [16, 50]
    for part in long:
        assert (part.y, *part.mask.shape) == (46, 29, 29)
        assert int(part.mask.sum()) == pytest.approx(int(discs((20, 20, 14)).sum()), rel=0.15)
        x, y, w, h = cv2.boundingRect(part.hull)
        assert (x, y) == (part.x, part.y)
        assert (w, h) == (29, 29)
    assert len(parts((30, 60, 13), (62, 60, 13))) == 1, "together no larger than one"
    assert len(parts((30, 60, 14), (64, 60, 14), red=20.3)) == 1
    assert len(parts((30, 60, 22), (64, 60, 8))) == 1, "the second piece is too small to be one"
    assert len(parts((40, 60, 16), (74, 60, 16), (57, 90, 16))) == 1, "they lie round a middle"
    row = parts((30, 60, 14), (64, 60, 14), (98, 60, 14))
    assert sorted((part.x, part.y, part.mask.shape) for part in row) == [(x, 46, (29, 29)) for x in (16, 50, 84)]
    small = parts((30, 60, 14), (64, 60, 14), (64, 84, 7))
    assert len(small) == 2
    assert max(part.mask.shape[0] for part in small) == 46, "the small piece goes with the nearest"
    one = patches.joined(discs((60, 60, 14)))[0]
    assert patches.parted(one, one.mask, 9.0) == [one]


GLASS = np.array([235.0, 225.0, 215.0])


def smear(*placed: tuple[int, int, int]) -> np.ndarray:
    """A photo of nothing but flat nuclei, each (x, y, radius)."""
    photo = np.full((400, 440, 3), GLASS, np.uint8)
    photo[discs(*placed, shape=(400, 440)) > 0] = (110, 50, 150)
    return photo


def measured_anew(photo: np.ndarray, nucleus: Patch) -> tuple[np.ndarray, int]:
    """`_finer` on the photo, of a nucleus that was found on a copy a quarter as large."""
    return module._finer(photo, 4, Stain(GLASS.astype(np.float32)), 0.8, 20.0, nucleus)


def coarse(*placed: tuple[int, int, int], whole: bool = True) -> Patch:
    """A nucleus as a copy a quarter as large shows it."""
    (patch,) = patches.joined(discs(*((x // 4, y // 4, radius // 4) for x, y, radius in placed), shape=(100, 110)))
    return patch._replace(whole=whole)


def test_a_nucleus_is_measured_anew_on_a_finer_copy():
    disc = discs((50, 50, 40))
    for x, y in ((200, 180), (42, 180), (200, 42), (396, 356)):
        hull, area = measured_anew(smear((x, y, 40), (x, y + 400, 40)), coarse((x, y, 40)))
        assert area == pytest.approx(int(discs((x, y, 40), shape=(400, 440)).sum()), rel=0.01)
        left, top, w, h = cv2.boundingRect(hull)
        assert abs(left - (x - 40)) <= 1
        assert abs(top - (y - 40)) <= 1
        assert abs(left + w - min(440, x + 41)) <= 1
        assert abs(top + h - min(400, y + 41)) <= 1
    beside = measured_anew(smear((200, 180, 40), (258, 180, 12)), coarse((200, 180, 40)))
    assert cv2.boundingRect(beside[0])[2] > 105, "a lobe that the coarse copy did not show belongs to it"
    assert beside[1] > 1.05 * disc.sum()
    far = measured_anew(smear((200, 180, 40), (290, 180, 12)), coarse((200, 180, 40)))
    assert abs(cv2.boundingRect(far[0])[2] - 81) <= 2
    assert far[1] == pytest.approx(int(disc.sum()), rel=0.01)


@pytest.mark.parametrize(
    ("width", "times", "halvings", "disc", "scale"),
    [
        (440, 1, 3, (200, 180, 40), 1),
        (440, 1, 3, (42, 42, 40), 1),
        (480, 1, 2, (200, 180, 40), 1),
        (440, 2, 3, (200, 180, 40), 2),
        (480, 2, 3, (200, 180, 24), 2),
        (440, 3, 3, (200, 180, 32), 4),
        (440, 3, 3, (200, 180, 24), 2),
    ],
)
def test_a_cell_is_given_in_pixels_of_the_photo(width, times, halvings, disc, scale):
    """Up to 960 px it is measured on the finest copy of 480 px at most, else on that where it is 80 px wide at most."""
    photo = cv2.copyMakeBorder(smear(disc), 0, 0, 0, width - 440, cv2.BORDER_REPLICATE)
    photo = cv2.resize(photo, None, fx=times, fy=times, interpolation=cv2.INTER_NEAREST)
    copies = [photo]
    for _ in range(halvings):
        copies.append(module._halved(copies[-1]))
    x, y, radius = (times * value for value in disc)
    part = 2**halvings
    (nucleus,) = patches.joined(discs((x // part, y // part, radius // part), shape=copies[-1].shape[:2]))
    cell, area = module._measured(copies, Stain(GLASS.astype(np.float32)), nucleus)
    assert area == pytest.approx(np.pi * radius**2, rel=0.05)
    assert area % scale**2 == 0
    assert scale == 1 or area / scale**2 == pytest.approx(np.pi * (radius / scale) ** 2, rel=0.05)
    assert scale == 4 or area % (2 * scale) ** 2, "on a copy twice as coarse it would be a multiple of this"
    assert cell.nucleus_px == pytest.approx(2 * radius, rel=0.06)
    rim = 0.15 * 2 * radius
    box = (max(0, x - radius - rim), max(0, y - radius - rim), x + radius + rim, y + radius + rim)
    assert np.abs(np.subtract(cell.box, box)).max() <= 3 * scale
    assert cell.cut(photo.shape) == (x < radius + rim), "cut is what touches the edge itself"


@pytest.mark.parametrize("turn", range(4))
def test_a_box_reaches_the_edge_that_cuts_its_cell(monkeypatch, turn):
    monkeypatch.setattr(module, "red_cell_width", lambda *measured: None)  # there is none
    (cell,) = locate(np.rot90(smear((200, 30, 40)), turn).copy(), GLASS.astype(np.float32))
    x0, y0, x1, y1 = cell.box
    height, width = ((400, 440), (440, 400))[turn % 2]
    assert (y0, x0, height - y1, width - x1)[turn] == 0


def test_on_the_photo_itself_nothing_is_measured_anew():
    nucleus = coarse((200, 180, 40))
    cell, area = module._measured([smear()[::4, ::4]], Stain(GLASS.astype(np.float32)), nucleus)
    assert (cell.nucleus_px, area) == (patches.disc_diameter(nucleus.hull), 0)


def nuclei_of(monkeypatch, mask: np.ndarray, red: float | None) -> tuple[list[int], float, bool]:
    """`_nuclei` where red cells are so wide: the places of the nuclei along x, and the rest of its answer."""
    monkeypatch.setattr(module, "red_cell_width", lambda absorbed, usable, nucleus: red)
    density = np.where(mask, to_level(1.0), to_level(0.0)).astype(np.uint8)
    nuclei, width, smallest, plain = module._nuclei(mask, density, density, np.full_like(mask, 255))
    assert width == (red or 0.0) * bool(mask.any())
    return sorted(patch.x for patch in nuclei), smallest, plain


@pytest.mark.parametrize(
    ("placed", "kept", "plain"),
    [
        ([], [], False),
        ([(40, 60, 20)], [20], True),
        ([(40, 60, 20), (110, 60, 10)], [20, 100], False),
        ([(40, 60, 20), (110, 60, 9)], [20], False),
        ([(40, 60, 20), (110, 60, 6)], [20], True),
        ([(40, 60, 4)], [36], False),
        ([(40, 60, 3)], [], False),
    ],
)
def test_without_red_cells_the_largest_is_the_yardstick(monkeypatch, placed, kept, plain):
    """A nucleus is 0.45 as wide as the largest, and 7.2 px here, where the short side has 120."""
    assert nuclei_of(monkeypatch, discs(*placed), None) == (kept, 0.0, plain)


@pytest.mark.parametrize(
    ("placed", "kept", "plain"),
    [
        ([(40, 60, 15)], [25], True),
        ([(40, 60, 20)], [20], False),
        ([(40, 60, 6)], [34], False),
        ([(40, 60, 5)], [], False),
        ([(40, 60, 15), (110, 60, 5)], [25], False),
        ([(40, 60, 15), (110, 60, 3)], [25], True),
        ([(40, 60, 15), (110, 60, 15)], [25, 95], False),
        ([(40, 60, 15), (72, 60, 15)], [25, 57], False),
    ],
)
def test_red_cells_are_the_yardstick(monkeypatch, placed, kept, plain):
    """They are 20 px wide: a nucleus has 14 px, here at first 11.9 and so 111 px of area, and 1200 px at most."""
    assert nuclei_of(monkeypatch, discs(*placed), 20.0) == (kept, 14.0, plain)


def test_a_nucleus_of_the_very_size_of_two_is_not_plain(monkeypatch):
    mask = discs()
    mask[20:50, 20:60] = 1
    assert nuclei_of(monkeypatch, mask, 20.0) == ([20], 14.0, False)
    mask[20, 20] = 0
    assert nuclei_of(monkeypatch, mask, 20.0) == ([20], 14.0, True)


def test_red_cells_are_looked_for_away_from_nuclei_and_in_the_light(monkeypatch):
    seen = []
    monkeypatch.setattr(module, "red_cell_width", lambda *given: seen.append(given))
    mask = discs((60, 60, 20))
    density = np.where(mask, to_level(1.0), to_level(0.0)).astype(np.uint8)
    density[60, 120] = to_level(0.4)  # too pale for a nucleus, too dark for a red cell
    density[100, 20] = to_level(0.28)
    light = np.full_like(mask, 255)
    light[:5] = 0
    absorbed = mask * 7
    module._nuclei(mask, density, absorbed, light)
    ((given, usable, nucleus),) = seen
    assert given is absorbed
    assert nucleus == pytest.approx(40, abs=1)
    assert not usable[:5].any()
    assert usable[60, 80:94].max() == 0
    assert usable[60, 94:106].min() == 255, "0.35 of the nucleus away"
    assert usable[60, 107:134].max() == 0
    assert usable[100, 20] == usable[60, 135] == 255
    assert set(np.unique(usable)) == {0, 255}


@pytest.mark.parametrize(("smallest", "found"), [(0.0, 1), (19.9, 1), (20.1, 0)])
def test_what_is_too_small_when_measured_anew_is_none(monkeypatch, smallest, found):
    """The nucleus is 80 px wide, and so 20 px of the copy that is searched."""
    photo = smear((200, 180, 40))
    half = module._halved(photo)
    copies = [photo, half, module._halved(half)]
    monkeypatch.setattr(module, "_nuclei", lambda *measured: ([coarse((200, 180, 40))], 20.0, smallest, True))
    for glance in (False, True):
        cells = module._search(copies, Stain(GLASS.astype(np.float32)), glance)
        assert len(cells) == found
        assert all(np.abs(np.subtract(cell.box, (148, 128, 254, 234))).max() <= 2 for cell in cells)
        assert all(cell.red_cell_px == 4 * 20.0 for cell in cells), "px of the photo"
    monkeypatch.setattr(module, "_nuclei", lambda *measured: ([coarse((200, 180, 40))], 20.0, 0.0, False))
    assert module._search(copies, Stain(GLASS.astype(np.float32)), glance=True) == []
    assert len(module._search(copies, Stain(GLASS.astype(np.float32)))) == 1


def test_sizes_are_given_in_pixels_of_the_photo_from_any_copy(monkeypatch):
    copies = [smear((200, 180, 40))]
    for _ in range(3):
        copies.append(module._halved(copies[-1]))
    (nucleus,) = patches.joined(discs((25, 22, 5), shape=copies[-1].shape[:2]))
    for smallest, found in ((9.9, 1), (10.1, 0)):  # it is 80 px wide, and so 10 px of the copy that is searched
        given = ([nucleus], 6.0, smallest, True)
        monkeypatch.setattr(module, "_nuclei", lambda *measured, given=given: given)
        cells = module._search(copies, Stain(GLASS.astype(np.float32)))
        assert [cell.red_cell_px for cell in cells] == [48.0] * found


@pytest.mark.parametrize(("strength", "difference", "found"), [(1, 0.39, 1), (1, 0.33, 0), (2, 0.44, 1), (2, 0.39, 0)])
def test_in_a_second_search_a_nucleus_is_to_stand_out_more(monkeypatch, strength, difference, found):
    monkeypatch.setattr(module, "red_cell_width", lambda *measured: None)
    photo = np.full((120, 150, 3), GLASS, np.uint8)
    green = round(float(GLASS[1] * np.exp(-difference / strength)))
    photo[discs((70, 60, 30), shape=photo.shape[:2]) > 0] = (GLASS[0], green, GLASS[2])
    assert len(module._search([photo], Stain(GLASS.astype(np.float32), float(strength)))) == found


@pytest.mark.parametrize(
    ("red", "strength"),
    [(None, 1.0), (0.29, 1.0), (0.26, 1.0), (0.25, 1.16), (0.33, 1.0), (0.34, 0.853), (0.9, 0.5), (0.01, 4.0)],
)
def test_densities_are_multiplied_as_far_as_red_cells_ask_for(monkeypatch, red, strength):
    sides = []
    monkeypatch.setattr(module, "red_cell_density", lambda density, *rest: sides.append(density.shape) or red)
    assert module._strength(np.full((960, 700, 3), 200, np.uint8), GLASS) == pytest.approx(strength, abs=0.001)
    assert module._strength(np.full((479, 700, 3), 200, np.uint8)[:, :400], GLASS) == pytest.approx(strength, abs=0.001)
    assert sides == [(240, 175), (479, 400)], "on a copy shorter than 480 px"


@pytest.mark.parametrize(
    ("x", "y", "edge"),
    [(1, 1, False), (0, 5, True), (5, 0, True), (14, 5, False), (15, 5, True), (5, 16, False), (5, 17, True)],
)
def test_a_patch_is_at_the_edge_where_nothing_lies_beyond_it(x, y, edge):
    patch = Patch(x, y, np.ones((3, 5), np.uint8), np.zeros((4, 2), np.int32))
    assert patch.at_edge((20, 20)) == edge


def test_the_only_cell_is_cut_by_the_edge_and_so_never_plain(monkeypatch):
    """Red cells are 20 px wide: a whole nucleus has 14 px, a cut one 9.8, here at first 8.3 and so 54 px of area."""
    cut = discs()
    cut[50:60, :6] = 1
    assert nuclei_of(monkeypatch, cut, 20.0) == ([0], pytest.approx(9.8), False)
    cut[50:60, 5] = 0
    assert nuclei_of(monkeypatch, cut, 20.0) == ([], 14.0, False)
    cut[:] = 0
    cut[50:60, 1:7] = 1
    assert nuclei_of(monkeypatch, cut, 20.0)[0] == [], "not at the edge"


@pytest.mark.parametrize("order", [1, -1])
def test_what_is_too_pale_is_no_nucleus_and_hides_none(monkeypatch, order):
    monkeypatch.setattr(module, "red_cell_width", lambda *measured: None)  # there is none
    places = [(120, 100, 40), (320, 300, 40)][::order]
    photo = smear(places[0])
    photo[discs(places[1], shape=photo.shape[:2]) > 0] = (200, 150, 195)
    (cell,) = locate(photo, GLASS.astype(np.float32))
    x, y, _ = places[0]
    assert np.abs(np.subtract(cell.box, (x - 52, y - 52, x + 53, y + 53))).max() <= 3
    photo[discs(places[1], shape=photo.shape[:2]) > 0] = (180, 110, 190)
    first, second = locate(photo, GLASS.astype(np.float32))
    assert first == cell, "the darker one is the more prominent"
    assert second.box[0] > cell.box[2] or second.box[2] < cell.box[0]


def test_of_touching_nuclei_each_is_measured_within_its_own_hull():
    photo = smear((200, 180, 40), (262, 180, 40))
    hull, area = measured_anew(photo, coarse((200, 180, 40), whole=False))
    left, _, width, _ = cv2.boundingRect(hull)
    assert abs(left - 160) <= 3
    assert abs(width - 81) <= 5
    assert area == pytest.approx(int(discs((50, 50, 40)).sum()), rel=0.08)
    assert cv2.boundingRect(measured_anew(photo, coarse((200, 180, 40)))[0])[2] > 120, "one that is whole is both"


def test_all_lobes_within_the_hull_of_a_parted_nucleus_are_its_own():
    photo = smear((176, 180, 16), (224, 180, 16))
    for whole, width in ((False, 81), (True, 33)):
        hull, area = measured_anew(photo, coarse((200, 180, 44), whole=whole))
        assert abs(cv2.boundingRect(hull)[2] - width) <= 2
        assert area == pytest.approx(int(discs((20, 20, 16)).sum()) * (1 if whole else 2), rel=0.03)


def test_where_a_finer_copy_shows_nothing_the_coarse_hull_stays():
    nucleus = coarse((200, 180, 40))
    hull, area = measured_anew(smear(), nucleus)
    np.testing.assert_array_equal(hull, nucleus.hull * 4 + 2)
    assert hull.dtype == np.int32
    assert area == 0


@pytest.mark.parametrize(
    ("widths", "height", "parts"),
    [((24, 24), 25, 2), ((24, 23), 25, 1), ((44, 16), 20, 2), ((46, 15), 20, 1), ((28, 28), 41, 2), ((28, 27), 41, 1)],
)
def test_a_patch_is_parted_from_the_very_size_on(widths, height, parts):
    """1200 px stained in all, 320 px in each of two pieces, and half as long again as wide."""
    mask = np.zeros((120, 160), np.uint8)
    left, right = widths
    mask[30 : 30 + height, 20 : 20 + left] = mask[30 : 30 + height, 25 + left : 25 + left + right] = 1
    (patch,) = patches.joined(mask, 0.5)
    assert len(patches.parted(patch, patch.within(mask), 20.0)) == parts


EXPECTED = json.loads((Path(__file__).parent / "locate_expected.json").read_text())


def picture(case: dict) -> np.ndarray:
    """A drawn photo, or a part of one, larger or smaller; a pair is two halves that touch."""
    width, height = case["size"]
    photo, drawn = draw_photo(case["types"], seed=case["seed"], width=width, height=height, red_cell_px=case["red"])
    if case["part"] == "pair":
        other, more = draw_photo(
            case["types"], seed=case["seed"] + 50, width=width, height=height, red_cell_px=case["red"]
        )
        return np.hstack([photo[:, : drawn[0].box[2] - 4], other[:, more[0].box[0] + 4 :]])
    if case["part"] == "close":
        x0, y0, x1, y1 = drawn[0].box
        return np.ascontiguousarray(photo[max(0, y0 - 5) : y1 + 5, max(0, x0 - 5) : x1 + 5])
    if case["part"] == "cut":
        x0, y0, x1, y1 = drawn[0].box
        return np.ascontiguousarray(photo[(y0 + y1) // 2 :, (x0 + x1) // 2 :])
    return photo


@pytest.mark.parametrize("case", EXPECTED, ids=lambda case: f"{case['part']}-{case['size'][0]}-{case['seed']}")
def test_cells_are_found_to_the_pixel(case):
    """A checkpoint is as good as its framing, and that follows the box: a change of either must be meant."""
    found = locate(picture(case))
    assert len(found) == len(case["cells"])
    for cell, (box, nucleus_px) in zip(found, case["cells"], strict=True):
        assert np.abs(np.subtract(cell.box, box)).max() <= 1
        assert cell.nucleus_px == pytest.approx(nucleus_px, rel=0.01)
