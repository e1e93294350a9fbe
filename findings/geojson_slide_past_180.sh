#!/usr/bin/env bash
# Cells of a slide, written by the letter of GeoJSON's RFC, are cut at pixel 180 and gone beyond it.
#
# Most would guess: geometry is numbers. A cell that was outlined at x = 21,000 px, as QuPath keeps its outlines, is
# written and read back where it was; the option RFC7946=YES only orders rings and rounds decimals.
# What happens: a GeoJSON file without a coordinate system is read as longitude and latitude (EPSG:4326). Written with
# RFC7946=YES, outlines are then wrapped around the earth: one that crosses x = 180 comes back in two parts, one of
# them at negative x, with what lay beyond y = 90 cut off; one that lies farther out comes back empty. No error, no
# fewer rows.
# Why it matters: outlines of cells travel between QuPath and Python as GeoJSON. A slide is some 100,000 px wide, so
# all but its first corner is lost, while the number of rows still fits the count. Written without the option all is
# well.
#
# seen with geopandas 1.2.0, pyogrio 0.13.0, shapely 2.2.0 on 27 November 2026
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/python" -m pip install -qq --no-compile geopandas==1.2.0 pyogrio==0.13.0 shapely==2.2.0 \
  numpy==2.4.6 pandas==3.1.1
cd "$room"
venv/bin/python - <<'PYTHON'
import json
import sys
import warnings

import geopandas
import pyogrio
import shapely

warnings.simplefilter("ignore")
print("geopandas", geopandas.__version__, "pyogrio", pyogrio.__version__, "shapely", shapely.__version__)
corners = [(100, 20), (160, 60), (400, 300), (21000, 18000)]
cells = [
    {
        "type": "Feature",
        "geometry": shapely.geometry.mapping(shapely.box(x, y, x + 40, y + 40)),
        "properties": {"objectType": "annotation", "classification": {"name": "Neutrophil"}},
    }
    for x, y in corners
]
with open("slide.geojson", "w") as file:
    json.dump({"type": "FeatureCollection", "features": cells}, file)

slide = geopandas.read_file("slide.geojson")
areas = {}
for name, options in {"plain": {}, "by the RFC": {"RFC7946": "YES"}}.items():
    slide.to_file("again.geojson", driver="GeoJSON", **options)
    again = geopandas.read_file("again.geojson")
    areas[name] = [float(area) for area in again.area]
    print(f"{name}: {len(again)} rows, areas in px²", areas[name])
print("read as", slide.crs, "; the second cell now:", again.geometry.iloc[1])
held = areas["plain"] == [1600.0] * 4 and areas["by the RFC"][0] == 1600 and areas["by the RFC"][1] < 1600
held = held and areas["by the RFC"][2:] == [0.0, 0.0] and len(again) == 4
sys.exit(not held)
PYTHON
