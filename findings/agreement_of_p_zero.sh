#!/usr/bin/env bash
# McNemar's test of two readers who never differ says p = 0: they differ for certain.
#
# Most would guess: without a single discordant cell nothing speaks for a difference: p = 1, or nan, or an error.
# What happens: the exact test says 1. The chi-squared one divides by the number of discordant cells, after taking its
# correction of 1 from their difference: 1 / 0 is infinite, and the p-value of that is 0. It warns of a division only.
# Why it matters: whether a new model, or a second person, calls cells otherwise is asked by just this test, for each cell
# type. For the types on which both agree throughout a table then holds p = 0.000 and a star; without the correction nan.
#
# seen with statsmodels 0.15.0, scipy 1.17.1, numpy 2.4.6 on 27 November 2026
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/python" -m pip install -qq --no-compile statsmodels==0.15.0 scipy==1.17.1 numpy==2.4.6 pandas==3.1.1
cd "$room"
venv/bin/python - <<'PYTHON'
import sys
import warnings

import numpy as np
import scipy
import statsmodels
from statsmodels.stats.contingency_tables import mcnemar

warnings.simplefilter("ignore")
print("statsmodels", statsmodels.__version__, "scipy", scipy.__version__)
agree = np.array([[188, 0], [0, 12]])  # both right, and both wrong, on 200 cells
exact = float(mcnemar(agree, exact=True).pvalue)
corrected = float(mcnemar(agree, exact=False).pvalue)
plain = float(mcnemar(agree, exact=False, correction=False).pvalue)
print("p of two readers who never differ: exact", exact, "chi-squared", corrected, "without correction", plain)
sys.exit(not (exact == 1 and corrected == 0 and np.isnan(plain)))
PYTHON
