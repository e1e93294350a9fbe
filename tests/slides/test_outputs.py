"""What is written of a slide is read by what it is for: a count, Arrow, QuPath, eyes."""

import json
from uuid import UUID

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pypdf import PdfReader

from leukoscope.biology.cells import CELL_TYPES, CELLS
from leukoscope.cluster.ledger import CELLS as TABLE
from leukoscope.cluster.tables import SCHEMAS
from leukoscope.counting.differential import NOT_COUNTED, Differential
from leukoscope.showing.report import Notes
from leukoscope.slides import outputs, pictures, scan_slide, write_outputs

FILES = {"cells.csv", "cells.geojson", "cells.parquet", "overview.png", "report.pdf", "score.png", "sheet.jpg"}


@pytest.fixture(scope="module")
def written(drawn, classifier, tmp_path_factory):
    """A part of the drawn slide, and the folder of what was made of it."""
    folder = tmp_path_factory.mktemp("written")
    scan = scan_slide(drawn.path, classifier, cells=None, region=(0, 0, 3072, 2048))
    assert write_outputs(scan, folder, Notes(sample="S 7")) == []
    yield scan, folder
    scan.slide.close()


def test_all_files_are_there(written):
    assert {file.name for file in written[1].iterdir()} == FILES


def test_the_csv_is_read_back_as_the_count(written):
    scan, folder = written
    counted = Differential.read_csv(folder / "cells.csv")
    assert counted.cells == scan.differential.cells
    assert counted.photos == (str(scan.slide.path),)
    assert counted.origins[scan.name].sha256 == scan.slide.digest
    assert len(counted.cells) == len(scan.cells) > 5


def test_the_parquet_has_the_columns_of_a_scan_on_a_cluster(written):
    scan, folder = written
    table = pq.read_table(folder / "cells.parquet")
    assert table.schema.remove_metadata() == SCHEMAS[TABLE]
    assert table.schema.metadata[b"level"] == b"0"
    boxes = [tuple(row[edge] for edge in ("x0", "y0", "x1", "y1")) for row in table.to_pylist()]
    assert boxes == [cell.prediction.box for cell in scan.cells]


def as_qupath_reads(text: str) -> list[dict]:
    """Detections by the rules of QuPath's own reader: what it would refuse or drop fails here."""
    values = json.loads(text)
    assert values["type"] == "FeatureCollection"
    found = []
    for feature in values["features"]:
        (ring,) = feature["geometry"]["coordinates"]
        assert feature["geometry"]["type"] == "Polygon"
        assert ring[0] == ring[-1]  # its geometry wants closed rings
        assert len({tuple(point) for point in ring}) == 4
        properties = feature["properties"]
        assert properties["objectType"] == "detection"  # anything unknown becomes an annotation
        given = properties["classification"]
        assert ("name" in given) != ("names" in given)
        assert len(given["color"]) == 3  # a class without a colour ends the whole import
        assert all(isinstance(part, int) and 0 <= part <= 255 for part in given["color"])
        assert all(isinstance(value, float) for value in properties["measurements"].values())
        found.append(
            {
                "id": UUID(feature["id"]),  # any other id is dropped
                "class": ": ".join(given.get("names") or [given["name"]]),
                "colour": given["color"],
                "box": (*ring[0], *ring[2]),
                "measurements": properties["measurements"],
            }
        )
    return found


def test_qupath_gets_detections_with_classes_colours_and_measurements(written):
    scan, folder = written
    found = as_qupath_reads((folder / "cells.geojson").read_text())
    assert [cell["box"] for cell in found] == [cell.prediction.box for cell in scan.cells]
    assert len({cell["id"] for cell in found}) == len(found)
    for cell, kept in zip(found, scan.cells, strict=True):
        p = kept.prediction
        if p.verdict == "confident":
            assert cell["class"] == p.label.capitalize()
            assert "#{:02X}{:02X}{:02X}".format(*cell["colour"]) == CELLS[p.label].colour
        else:
            assert cell["class"] in ("Unfamiliar", f"{p.label.capitalize()}: to review")
        assert cell["measurements"]["Confidence"] == pytest.approx(p.confidence, abs=1e-6)
        assert sum(cell["measurements"][f"Probability of {name}"] for name in CELL_TYPES) == pytest.approx(1, abs=1e-5)
        assert cell["measurements"]["Width µm"] == pytest.approx((p.box[2] - p.box[0]) * 0.1, abs=1e-6)


def test_a_persons_word_is_the_class(written):
    scan, _ = written
    counted = scan.differential.reclassify(scan.name, 1, "monocyte").reclassify(scan.name, 2, NOT_COUNTED)
    first, second, *_ = as_qupath_reads(outputs.geojson(counted, scan.slide, 0.1))
    assert (first["class"], second["class"]) == ("Monocyte", "None of the four")


def test_where_a_viewer_crops_to_what_was_scanned_cells_are_counted_from_there(written, monkeypatch):
    scan, folder = written
    before = as_qupath_reads((folder / "cells.geojson").read_text())
    monkeypatch.setattr(scan.slide, "cropped", (100, 50))
    after = as_qupath_reads(outputs.geojson(scan.differential, scan.slide, 0.1))
    x0, y0, x1, y1 = before[0]["box"]
    assert after[0]["box"] == (x0 - 100, y0 - 50, x1 - 100, y1 - 50)


def test_the_report_has_the_count_and_a_page_of_where_cells_were_taken(written):
    scan, folder = written
    pages = PdfReader(folder / "report.pdf").pages
    assert len(pages) == 2
    assert "Sample: S 7" in pages[0].extract_text()
    assert f"Counted {scan.differential.counted} cells in 1 slide." in pages[0].extract_text()
    assert "Slides: " in pages[0].extract_text()
    assert "hoto" not in pages[0].extract_text()
    assert "Where the cells were taken" in pages[1].extract_text()
    assert len(pages[1].images) == 1


def test_the_overview_shows_the_tiles_and_a_dot_for_each_cell(written):
    scan, folder = written
    picture = np.asarray(Image.open(folder / "overview.png"))
    assert picture.shape == scan.overview.picture.shape
    for cell in scan.cells:
        x0, y0, x1, y1 = cell.prediction.box
        x, y = (round(c / 2 / scan.overview.scale) for c in (x0 + x1, y0 + y1))
        assert tuple(picture[y, x]) == pictures.colour_of(cell.prediction.label, cell.prediction.verdict)


def test_the_sheet_shows_every_cell_of_a_small_count(written, monkeypatch):
    scan, folder = written
    sheet = np.asarray(Image.open(folder / "sheet.jpg"))
    kinds = {c.type if c.type else "undecided" for c in scan.differential.cells}
    assert sheet.shape[1] == pictures.SHEET_COLUMNS * pictures.SHEET_PX
    assert sheet.shape[0] >= len(kinds) * (pictures.LINE + pictures.SHEET_PX)
    monkeypatch.setattr(pictures, "SHEET_CELLS", 2)
    few = pictures.sheet(scan.slide, scan.plan, scan.differential)
    assert few.shape[0] <= sheet.shape[0]


def test_a_cells_picture_is_that_of_its_place(written, drawn):
    scan, _ = written
    name, box = drawn.cells[0]
    picture = pictures.cell_picture(scan.slide, scan.plan, box)
    assert picture.shape == (150, 150, 3)
    nucleus = picture[50:100, 50:100].reshape(-1, 3).mean(axis=0)
    assert nucleus[2] > nucleus[0] + 20, name  # blue, in the middle


def test_what_has_no_package_is_told_and_the_rest_written(written, tmp_path, monkeypatch):
    scan, _ = written
    monkeypatch.setattr(outputs, "find_spec", lambda name: None)
    left = write_outputs(scan, tmp_path)
    assert [line.split(" ")[1] for line in left] == ["cells.parquet", "report.pdf"]
    assert {file.name for file in tmp_path.iterdir()} == FILES - {"cells.parquet", "report.pdf"}
