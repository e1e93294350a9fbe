"""What a picture shows beside the photo, what is drawn on it, and what its edge cuts off."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from leukoscope.drawn.synthetic import draw_photo
from leukoscope.pictures.images import read_image
from tests.leukoscope.test_locate import overlap
from training.data.labs import annotated_boxes

PAGES = {"white": (255, 255, 255), "grey": (228, 228, 228), "black": (0, 0, 0), "green": (40, 80, 40)}


def on_page(photo: np.ndarray, colour, left: int, top: int) -> np.ndarray:
    """A photo on a page of one colour, wider on its other sides."""
    height, width = photo.shape[:2]
    page = np.full((height + 3 * top, width + 2 * left, 3), colour, np.uint8)
    page[top : top + height, left : left + width] = photo
    return page


@pytest.mark.parametrize("colour", PAGES)
@pytest.mark.parametrize("seed", range(3))
def test_on_a_page_the_same_cells_are_found(classifier, colour, seed):
    photo, drawn = draw_photo(["monocyte", "neutrophil"], seed=seed)
    found = classifier.locate(on_page(photo, PAGES[colour], 90, 60))
    assert len(found) == len(drawn)
    moved = [(x0 + 90, y0 + 60, x1 + 90, y1 + 60) for _, (x0, y0, x1, y1) in drawn]
    assert all(max(overlap(cell.box, box) for cell in found) > 0.7 for box in moved)


@pytest.mark.parametrize("degrees", [12, 30])
@pytest.mark.parametrize("seed", range(3))
def test_beside_a_turned_photo_it_may_be_black(classifier, degrees, seed):
    photo, _ = draw_photo(["eosinophil"], seed=seed)
    whole = len(classifier.locate(photo))
    turned = Image.fromarray(photo).rotate(degrees, Image.Resampling.BILINEAR)
    assert len(classifier.locate(np.asarray(turned))) <= whole
    empty = classifier.locate(np.asarray(Image.fromarray(draw_photo([], seed=seed)[0]).rotate(degrees)))
    assert all(cell.score < classifier.spec.thresholds.sure_cell for cell in empty), "nothing that a label stands for"
    assert len(empty) <= 1


def bar(draw: ImageDraw.ImageDraw, box) -> None:
    draw.rectangle((500, 440, 600, 450), fill="black")
    draw.text((520, 420), "10 um", fill="black", font_size=16)


def strip(draw: ImageDraw.ImageDraw, box) -> None:
    draw.rectangle((0, 440, 640, 480), fill=(20, 30, 90))


def pen(draw: ImageDraw.ImageDraw, box) -> None:
    draw.ellipse((box[0] - 25, box[1] - 25, box[2] + 25, box[3] + 25), outline=(30, 40, 160), width=6)


def blue_box(draw: ImageDraw.ImageDraw, box) -> None:
    draw.rectangle((box[0] - 4, box[1] - 4, box[2] + 4, box[3] + 4), outline=(0, 0, 255), width=2)


def label(draw: ImageDraw.ImageDraw, box) -> None:
    draw.rectangle((box[0] - 4, box[1] - 4, box[2] + 4, box[3] + 4), outline=(240, 240, 0), width=3)
    top = box[1] - 24 if box[1] > 24 else box[3] + 4
    draw.rectangle((box[0] - 4, top, box[0] + 56, top + 20), fill=(240, 240, 0))


@pytest.mark.parametrize("overlay", [bar, strip, pen, blue_box, label], ids=lambda function: function.__name__)
@pytest.mark.parametrize("seed", range(4))
def test_what_is_drawn_on_a_photo_is_no_cell_and_hides_none(classifier, overlay, seed):
    photo, (drawn,) = draw_photo(["neutrophil"], seed=seed, height=480)
    picture = Image.fromarray(photo)
    overlay(ImageDraw.Draw(picture), drawn.box)
    (cell,) = classifier.locate(np.asarray(picture))
    x0, y0, x1, y1 = drawn.box
    seen = (x0, y0, x1, min(y1, 440)) if overlay is strip else drawn.box
    assert overlap(cell.box, seen) > 0.6


@pytest.mark.parametrize("seed", range(3))
def test_the_only_cell_may_be_cut_by_the_edge(classifier, seed):
    photo, (drawn,) = draw_photo(["monocyte"], seed=seed)
    x0, _, x1, _ = drawn.box
    (cell,) = classifier.locate(np.ascontiguousarray(photo[:, (x0 + x1) // 2 :]))
    assert cell.box[0] == 0
    assert cell.cut((photo.shape[0], photo.shape[1] - (x0 + x1) // 2))


def test_a_cell_may_fill_the_picture(classifier):
    """Drawn ones have no rim that fades; one in six may be lost. Real ones are below."""
    overlaps = []
    for seed in range(6):
        for cell_type in ("lymphocyte", "monocyte"):
            photo, (drawn,) = draw_photo([cell_type], seed=seed)
            x0, y0, x1, y1 = drawn.box
            found = classifier.locate(photo[y0:y1, x0:x1])
            assert len(found) <= 1
            overlaps.append(overlap(found[0].box, (0, 0, x1 - x0, y1 - y0)) if found else 0.0)
    assert sum(share > 0.55 for share in overlaps) >= 10


def test_real_cells_may_fill_the_picture(classifier, labs_folder):
    """Annotated cells cut out along their boxes, of two labs."""
    cut = {}
    for name, boxes in list(annotated_boxes(labs_folder).items())[::3]:
        photo = read_image(labs_folder.parent / name)
        for x0, y0, x1, y1 in (map(int, box) for box in boxes[:1]):
            picture = np.ascontiguousarray(photo[y0:y1, x0:x1])
            if min(picture.shape[:2]) >= 60:
                found = classifier.locate(picture)
                whole = (0, 0, picture.shape[1], picture.shape[0])
                cut.setdefault(name.split("/")[-3], []).append(overlap(found[0].box, whole) if found else 0.0)
    assert set(cut) == {"pbc", "raabin"}
    for lab, overlaps in cut.items():
        assert len(overlaps) > 50
        assert np.median(overlaps) > 0.8, lab
        assert np.mean(np.array(overlaps) > 0.5) > 0.9, lab


def test_real_photos_on_a_white_page(classifier, blood_cells):
    files = sorted((blood_cells / "dataset-master/dataset-master/JPEGImages").glob("*.jpg"))[::9]
    differ = [
        len(classifier.locate(on_page(photo, PAGES["white"], 90, 60))) - len(classifier.locate(photo))
        for photo in map(read_image, files)
    ]
    assert len(differ) > 30
    assert np.abs(differ).sum() <= 1
