#!/usr/bin/env bash
# Balanced accuracy and macro recall, one quantity by the manual, part as soon as a cell is called something absent.
#
# Most would guess: balanced_accuracy_score(t, p) equals recall_score(t, p, average="macro"), as its definition reads.
# What happens: macro recall is over every class that is true or predicted, balanced accuracy over those that are true.
# On a slide without monocytes, where one of six cells is called one, they are 0.625 and 0.833, and macro F1 is lower yet.
# Why it matters: small slides often lack the rare types. Scores of two papers, or of two lines of one script, differ by
# twenty points for one false monocyte, and a network that never says "monocyte" gains by it in one of them only.
#
# seen with scikit-learn 1.9.1, scipy 1.17.1, numpy 2.4.6 on 27 November 2026
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/python" -m pip install -qq --no-compile scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
cd "$room"
venv/bin/python - <<'PYTHON'
import sys
import warnings

import sklearn
from sklearn.metrics import balanced_accuracy_score, recall_score

warnings.simplefilter("ignore")
print("scikit-learn", sklearn.__version__)
cells = ["eosinophil"] * 2 + ["lymphocyte"] * 2 + ["neutrophil"] * 2
called = ["eosinophil"] * 2 + ["lymphocyte", "monocyte"] + ["neutrophil"] * 2
balanced = float(balanced_accuracy_score(cells, called))
macro = float(recall_score(cells, called, average="macro"))
print(f"balanced accuracy {balanced:.3f}, macro recall {macro:.3f}")
sys.exit(not (abs(balanced - 5 / 6) < 1e-9 and abs(macro - 5 / 8) < 1e-9))
PYTHON
