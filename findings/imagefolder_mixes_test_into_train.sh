#!/usr/bin/env bash
# TRAIN and TEST, as this data set's folders are named, are one split; train, test and test_simple are two.
#
# Most would guess: load_dataset("imagefolder") tells TRAIN from TEST as it tells train from test, and would leave a folder
# of another name, TEST_SIMPLE, alone, or make it a split of its own.
# What happens: names of splits are matched in lower case only. Of TRAIN, TEST and TEST_SIMPLE all pictures are in one
# split "train", with the right labels. Renamed to lower case there are two, and test_simple is a part of "test".
# Why it matters: the Kaggle blood cell pictures lie in just these folders. Whoever splits that "train" anew has the
# published TEST in training, and whoever renames the folders scores some cells twice.
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
counts = {}
for case in (str.upper, str.lower):
    root = Path(case("Cells"))
    for split, pictures in {"train": 3, "test": 2, "test_simple": 1}.items():
        for kind in ("EOSINOPHIL", "MONOCYTE"):
            folder = root / case(split) / kind
            folder.mkdir(parents=True)
            for number in range(pictures):
                Image.new("RGB", (8, 8), (number, 40, 140)).save(folder / f"_{number}_{1000 + number}.jpeg")
    found = datasets.load_dataset("imagefolder", data_dir=str(root.resolve()))
    counts[case("train")] = {name: len(rows) for name, rows in found.items()}
print("of 6, 4 and 2 pictures:", counts)
sys.exit(counts != {"TRAIN": {"train": 12}, "train": {"train": 6, "test": 6}})
PYTHON
