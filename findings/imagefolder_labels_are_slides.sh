#!/usr/bin/env bash
# A folder for each type, and in it one for each slide: imagefolder's labels are then the slides.
#
# Most would guess: the label is the first folder below the root, as it is for Keras and torchvision, which walk on down.
# What happens: the label is the last folder, the one that holds the file. EOSINOPHIL/slide1 and MONOCYTE/slide1 become
# one class "slide1"; the types are nowhere in the table. Nothing warns, and there are as many classes as slides.
# Why it matters: keeping the slide in the path is what guards against splits that share a patient. A network that is
# trained on such a table learns to tell slides apart, by their stain, and validates well on a random split.
#
# seen with datasets 5.2.0, Pillow 12.3.0, pyarrow 26.0.1 on 27 November 2026
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/python" -m pip install -qq --no-compile datasets==5.2.0 pillow==12.3.0 pyarrow==26.0.1 numpy==2.4.6
cd "$room"
HF_HOME="$room/hub" HF_HUB_OFFLINE=1 venv/bin/python - <<'PYTHON'
import sys
from pathlib import Path

import datasets
from PIL import Image

datasets.disable_progress_bars()
print("datasets", datasets.__version__)
root = Path("cells").resolve()
for kind in ("EOSINOPHIL", "MONOCYTE"):
    for slide in ("slide1", "slide2", "slide3"):
        (root / kind / slide).mkdir(parents=True)
        Image.new("RGB", (8, 8), (90, 40, 140)).save(root / kind / slide / "cell.png")
table = datasets.load_dataset("imagefolder", data_dir=str(root))["train"]
names = table.features["label"].names
print("labels:", names, "of", len(table), "pictures:", table["label"][:])
sys.exit(names != ["slide1", "slide2", "slide3"])
PYTHON
