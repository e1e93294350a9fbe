#!/usr/bin/env bash
# Into stains and back: an eosinophil's orange granules lose a quarter of their light, a nucleus loses nothing.
#
# Most would guess: rgb2hed is a change of basis, three numbers for three, and hed2rgb undoes it within rounding.
# What happens: amounts of a stain below 0 are cut to 0 on the way in. Colours within the three stains return exactly,
# purple nuclei among them; orange, pale blue and grey lie outside. (220, 120, 90) comes back as (170, 91, 80).
# Why it matters: the pair is used to vary the stain of training pictures. With no variation at all it already
# recolours what tells an eosinophil, and a pale blue cytoplasm, while the nuclei that one looks at to check are as
# they were.
#
# seen with scikit-image 0.26.0, numpy 2.4.6 on 27 November 2026
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/python" -m pip install -qq --no-compile scikit-image==0.26.0 numpy==2.4.6
cd "$room"
venv/bin/python - <<'PYTHON'
import sys

import numpy as np
import skimage
from skimage.color import hed2rgb, rgb2hed

print("scikit-image", skimage.__version__)
away = {}
for name, colour in {"nucleus": (90, 40, 140), "granules": (220, 120, 90), "cytoplasm": (170, 190, 225)}.items():
    photo = np.full((4, 4, 3), colour, np.uint8)
    back = np.round(hed2rgb(rgb2hed(photo))[0, 0] * 255).astype(int)
    away[name] = int(np.abs(back - colour).max())
    print(f"{name}: {colour} -> {tuple(back.tolist())}, at most {away[name]} away")
sys.exit(not (away["nucleus"] <= 1 and away["granules"] > 30 and away["cytoplasm"] > 15))
PYTHON
