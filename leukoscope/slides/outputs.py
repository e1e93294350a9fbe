"""A slide's scan -> the files of its folder: CSV, Parquet, GeoJSON for QuPath, pictures, a report.

cells.csv, cells.parquet    a row a cell as for photos; the slide is the photo, boxes are px of its level 0
cells.geojson               detections that QuPath opens
overview.png, score.png     where cells were taken; how good a place each tile was
sheet.jpg, report.pdf       the cells; the differential (with leukoscope[report])
tiles.jsonl                 what is done, for the next run
"""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Mapping
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.counting.counted import CountedCell
from leukoscope.counting.differential import Differential
from leukoscope.files import write_whole
from leukoscope.pictures.slide import Slide
from leukoscope.showing.draw import jpeg, png
from leukoscope.showing.report import NO_NOTES, Notes, write_report
from leukoscope.slides.pictures import colour_of, scored, sheet, taken, thumbnails
from leukoscope.slides.scan import SlideScan


def write_outputs(scan: SlideScan, folder: Path, notes: Notes = NO_NOTES) -> list[str]:
    """Write all files of a slide's folder, each in one step.

    Args:
        scan: the slide.
        folder: that is there.
        notes: what a person says of the sample, for the report.

    Returns:
        A sentence for each file that could not be written for want of a package.
    """
    counted = scan.differential
    left: list[str] = []
    counted.write_csv(folder / "cells.csv")
    write_whole(folder / "cells.geojson", geojson(counted, scan.slide, scan.plan.microns / scan.plan.step).encode())
    shown = taken(scan)
    write_whole(folder / "overview.png", png(shown))
    write_whole(folder / "score.png", png(scored(scan.overview, scan.plan)))
    write_whole(folder / "sheet.jpg", jpeg(sheet(scan.slide, scan.plan, counted), 88))
    if find_spec("pyarrow"):
        write_whole(folder / "cells.parquet", parquet(scan, counted))
    else:
        left.append("no cells.parquet without pyarrow: pip install 'leukoscope[slides]'")
    if find_spec("fpdf"):
        page = io.BytesIO()
        small = thumbnails(scan.slide, scan.plan, counted)
        write_report(page, counted, small, model=scan.model, made_on=date.today(), notes=notes, overview=shown)
        write_whole(folder / "report.pdf", page.getvalue())
    else:
        left.append("no report.pdf without fpdf2: pip install 'leukoscope[report]'")
    return left


def parquet(scan: SlideScan, counted: Differential) -> bytes:
    """The cells as one Parquet file, with the columns that a scan on a cluster has; boxes are px of level 0."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from leukoscope.cluster.ledger import CELLS, COMPRESSION
    from leukoscope.cluster.tables import SCHEMAS, cell_rows

    predictions = [cell.prediction for cell in counted.cells]
    rows = cell_rows(scan.name, scan.slide.digest, str(scan.slide.path.parent), predictions)
    facts = {"model": scan.model, "level": str(scan.plan.level), "microns_per_pixel_of_level": str(scan.plan.microns)}
    schema = SCHEMAS[CELLS].with_metadata(facts)
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), buffer, compression=COMPRESSION)
    return buffer.getvalue()


def geojson(counted: Differential, slide: Slide, microns: float) -> str:
    """The cells of a slide as QuPath reads detections: File, Import objects from file.

    QuPath counts px of level 0 from the corner of the part that was scanned, where the file names one. Its reader wants
    name and colour of a class, a UUID, and rings that are closed.

    Args:
        counted: the slide's cells.
        slide: which.
        microns: of a pixel of level 0, µm.
    """
    features = [_feature(cell, slide, microns) for cell in counted.cells if cell.prediction.box]
    lines = ",\n".join(json.dumps(feature, ensure_ascii=False) for feature in features)
    return f'{{"type": "FeatureCollection", "features": [\n{lines}\n]}}\n'


def _feature(cell: CountedCell, slide: Slide, microns: float) -> Mapping[str, Any]:
    p = cell.prediction
    x, y = slide.cropped
    x0, y0, x1, y1 = (edge - corner for edge, corner in zip(p.box or (), (x, y, x, y), strict=True))
    names, colour = _class(cell)
    measures: dict[str, float] = {
        "Confidence": p.confidence,
        "Unfamiliarity": p.unfamiliarity,
        **{f"Probability of {name}": p.probabilities[name] for name in CELL_TYPES},
        "Width µm": (x1 - x0) * microns,
        "Height µm": (y1 - y0) * microns,
        "Cut by the slide's edge": float(p.cut),
    }
    return {
        "type": "Feature",
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{slide.digest} {p.box}")),
        "geometry": {"type": "Polygon", "coordinates": [[[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]]},
        "properties": {
            "objectType": "detection",
            "name": f"cell {cell.number}",
            "classification": {**({"name": names[0]} if len(names) == 1 else {"names": names}), "color": colour},
            "measurements": {name: round(value, 6) for name, value in measures.items()},
        },
    }


def _class(cell: CountedCell) -> tuple[list[str], list[int]]:
    """The class of a cell as QuPath has it: its type; or its nearest type and that it is to be reviewed."""
    p = cell.prediction
    if cell.corrected:
        return [cell.corrected.capitalize()], list(colour_of(cell.type, "confident"))
    if p.verdict == "confident":
        return [(p.label or "").capitalize()], list(colour_of(p.label, p.verdict))
    if p.verdict == "review":
        return [(p.label or "").capitalize(), "to review"], list(colour_of(None, ""))
    return ["Unfamiliar"], list(colour_of(None, ""))
