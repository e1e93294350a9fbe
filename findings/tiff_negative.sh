#!/usr/bin/env bash
# The same TIFF is a picture in two readers and its negative in three.
#
# Most would guess: readers differ in metadata, not in what is dark. A grey TIFF shows a dark nucleus everywhere.
# What happens: TIFF may store white as 0. Pillow and OpenCV turn such a picture the right way; tifffile gives what is
# stored, and so do scikit-image and imageio, which ask it. Likewise with a palette: scikit-image gives colours for a
# PNG of indices, but the bare indices, black to the eye, for the TIFF of the same picture.
# Why it matters: TIFF's baseline has white as 0 as one of its two kinds of grey, and masks of cells are often
# palettes. Trained with one reader and asked through the other, a network sees a pale nucleus on dark glass, and
# nothing is amiss.
#
# seen with tifffile 2026.3.3, scikit-image 0.26.0, imageio 2.38.1, Pillow 12.3.0, opencv-python-headless 5.0.0.93
# on 27 November 2026
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/python" -m pip install -qq --no-compile tifffile==2026.3.3 scikit-image==0.26.0 imageio==2.38.1 \
  pillow==12.3.0 opencv-python-headless==5.0.0.93 numpy==2.4.6
cd "$room"
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import cv2
import imageio.v3
import numpy as np
import skimage.io
import tifffile
from PIL import Image

print({name: version(name) for name in ("tifffile", "scikit-image", "imageio", "pillow", "opencv-python-headless")})
y, x = np.mgrid[:64, :64]
nucleus = (y - 32) ** 2 + (x - 32) ** 2 < 200
grey = np.where(nucleus, 40, 220).astype(np.uint8)
tifffile.imwrite("white_is_0.tif", 255 - grey, photometric="miniswhite")
readers = {
    "Pillow": lambda name: np.asarray(Image.open(name)),
    "OpenCV": lambda name: cv2.imread(name, cv2.IMREAD_UNCHANGED),
    "tifffile": tifffile.imread,
    "scikit-image": skimage.io.imread,
    "imageio": imageio.v3.imread,
}
nuclei = {name: int(read("white_is_0.tif")[32, 32]) for name, read in readers.items()}
print("a nucleus of 40 is read as", nuclei)
palette = Image.fromarray(nucleus.astype(np.uint8))
palette.putpalette([230, 220, 210, 90, 40, 140])
shapes = {}
for name in ("palette.png", "palette.tif"):
    palette.save(name)
    shapes[name] = skimage.io.imread(name).shape
print("scikit-image reads a palette as", shapes)
held = list(nuclei.values()) == [40, 40, 215, 215, 215]
held = held and shapes == {"palette.png": (64, 64, 3), "palette.tif": (64, 64)}
sys.exit(not held)
PYTHON
