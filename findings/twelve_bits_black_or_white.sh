#!/usr/bin/env bash
# A camera of 12 bits: convert("RGB") makes its grey pictures all white and its colour pictures nearly black.
#
# Most would guess: whatever happens to a deep picture, it happens to grey and to colour alike: an error, or scaled.
# What happens: Pillow opens 16-bit colour, TIFF and PNG, as 8 bits, of which each is the upper byte: of 0..4095 there
# remains 0..15. It opens 16-bit grey as such, and convert() cuts at 255: glass and nucleus are both 255. So a nucleus
# of 640 and glass of 3520 come out as 255 and 255, or as 2 and 13, from the same camera and by the same two calls.
# Why it matters: many cameras of microscopes have 12 bits, and store them at the low end of 16. A page or a training
# script that says Image.open(...).convert("RGB") shows the one blank and the other black, and asks its model all the
# same.
#
# seen with Pillow 12.3.0, tifffile 2026.3.3, opencv-python-headless 5.0.0.93 on 27 November 2026
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/python" -m pip install -qq --no-compile pillow==12.3.0 tifffile==2026.3.3 \
  opencv-python-headless==5.0.0.93 numpy==2.4.6
cd "$room"
venv/bin/python - <<'PYTHON'
import sys

import cv2
import numpy as np
import PIL
import tifffile
from PIL import Image

print("Pillow", PIL.__version__, "tifffile", tifffile.__version__, "opencv", cv2.__version__)
y, x = np.mgrid[:64, :64]
nucleus = (y - 32) ** 2 + (x - 32) ** 2 < 200
grey = np.where(nucleus, 640, 3520).astype(np.uint16)  # of 0..4095
colour = np.repeat(grey[..., None], 3, axis=2)
tifffile.imwrite("grey.tif", grey)
tifffile.imwrite("colour.tif", colour, photometric="rgb")
cv2.imwrite("grey.png", grey)
cv2.imwrite("colour.png", colour)
held = True
for name in ("grey.tif", "grey.png", "colour.tif", "colour.png"):
    with Image.open(name) as image:
        pixels = np.asarray(image.convert("RGB"))
        seen = int(pixels[32, 32, 0]), int(pixels[0, 0, 0])
        print(f"{name}: mode {image.mode}, nucleus and glass {seen}")
    held = held and seen == ((255, 255) if name.startswith("grey") else (2, 13))
sys.exit(not held)
PYTHON
