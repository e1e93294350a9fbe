#!/usr/bin/env bash
# The half-size level of a slide is not the best level for a factor of 2 if the slide is an odd number of pixels wide.
#
# Most would guess: of levels that are 1003 and 501 px wide the second is what one gets who asks for the best level at a
# factor of 2, as of 1002 and 501.
# What happens: its step is 1003 / 501 = 2.002, which is more than 2, so the whole level 0 is "best". Writers of slides
# round down at every level, so nearly every pyramid has such steps. Asked for 1 % more, the half is found. No error.
# Why it matters: who reads a smear at half of its resolution reads four times as many pixels, and who then measures
# cells by the microns of the level that was meant finds them twice as wide: a lymphocyte is as wide as a monocyte.
#
# seen with openslide-python 1.4.7, openslide-bin 4.0.1.2, tifffile 2026.3.3 on 28 November 2026
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/python" -m pip install -qq --no-compile openslide-python==1.4.7 openslide-bin==4.0.1.2 \
  tifffile==2026.3.3 numpy==2.4.6 pillow==12.3.0
cd "$room"
venv/bin/python - <<'PYTHON'
import sys

import numpy
import openslide
import tifffile

print("openslide", openslide.__version__, openslide.__library_version__)


def levels(width):
    smear = numpy.random.default_rng(0).integers(0, 255, (width, width, 3), numpy.uint8)
    with tifffile.TiffWriter("slide.tif") as file:
        for level in range(3):
            step = 2**level
            half = numpy.ascontiguousarray(smear[::step, ::step][: width // step, : width // step])
            file.write(half, tile=(256, 256), photometric="rgb", subfiletype=int(level > 0))
    with openslide.OpenSlide("slide.tif") as slide:
        best = [slide.get_best_level_for_downsample(factor) for factor in (2, 2.02)]
        print(slide.level_dimensions, "steps", [round(step, 4) for step in slide.level_downsamples])
        print("best level for 2:", best[0], " for 2.02:", best[1])
        return best


even, odd = levels(1002), levels(1003)
sys.exit(not (even == [1, 1] and odd == [0, 1]))
PYTHON
