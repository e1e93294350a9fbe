#!/usr/bin/env bash
# Streamlit's cache takes a corrected table of cells, or a retouched photo, for the one that it has seen.
#
# Most would guess: st.cache_data runs the function again whenever an argument differs, if only in one value.
# What happens: from 50,000 rows on a table's hash is of 10,000 rows, from 500,000 numbers on an array's is of 100,000,
# drawn with a fixed seed, so always the same. A correction elsewhere returns the old answer, for good, without a word.
# Why it matters: a study's differential is a table with a row a cell. At 60,000 cells four corrections in five are not
# seen, and the count on the page stays wrong. In a photo of 1600 x 1200 every second change of 3 x 3 px goes unseen.
#
# seen with streamlit 1.67.0, pandas 3.1.1, numpy 2.4.6 on 27 November 2026
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/python" -m pip install -qq --no-compile streamlit==1.67.0 pandas==3.1.1 numpy==2.4.6
cd "$room"
venv/bin/python - 2>/dev/null <<'PYTHON'
import sys

import numpy as np
import pandas as pd
import streamlit as st

print("streamlit", st.__version__, "pandas", pd.__version__, "numpy", np.__version__)


@st.cache_data
def blasts(table: pd.DataFrame) -> int:
    """How many cells are blasts."""
    return int((table["type"] == "blast").sum())


@st.cache_data
def dark(photo: np.ndarray) -> int:
    """How many numbers of a photo are dark."""
    return int((photo < 100).sum())


unseen = {}
for rows in (40_000, 60_000):
    table = pd.DataFrame({"slide": np.arange(rows) // 200, "type": "neutrophil"})
    blasts(table)
    unseen[rows] = 0
    for row in range(0, rows, rows // 50):
        corrected = table.copy()
        corrected.loc[row, "type"] = "blast"
        unseen[rows] += blasts(corrected) == 0
    print(f"{rows} cells: {unseen[rows]} of 50 corrections not seen")
photo = np.full((1200, 1600, 3), 230, np.uint8)
dark(photo)
spots = 0
for x in range(100, 1500, 70):
    spotted = photo.copy()
    spotted[600:603, x : x + 3] = 40
    spots += dark(spotted) == 0
print(f"{spots} of 20 spots of 3 x 3 px not seen")
sys.exit(not (unseen[40_000] == 0 and unseen[60_000] >= 25 and spots >= 4))
PYTHON
