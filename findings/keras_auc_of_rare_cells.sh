#!/usr/bin/env bash
# Keras' AUC of a perfect ranking is 0.5, a coin's, if the cells asked for are rare.
#
# Most would guess: keras.metrics.AUC works with 200 thresholds, so it is right to two or three decimals.
# What happens: the thresholds lie evenly between 0 and 1, 0.005 apart. Probabilities of a rare type lie below the first,
# and those of a sure "not" above the last: then no threshold parts the cells, and the curve is the diagonal. 100 basophils
# with 0.0025 to 0.0049 among 1,900 cells with less: 0.5 by Keras, 1.0 by scikit-learn. No warning.
# Why it matters: basophils are about half a percent of white cells, and a score for "none of these" is near 0 or 1. Whoever
# watches val_auc to stop training, or to choose a network, watches a constant.
#
# seen with keras 3.15.1 on jax 0.10.2, scikit-learn 1.9.1, numpy 2.4.6 on 27 November 2026
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/python" -m pip install -qq --no-compile keras==3.15.1 jax==0.10.2 scikit-learn==1.9.1 numpy==2.4.6
cd "$room"
KERAS_HOME="$room/keras" KERAS_BACKEND=jax JAX_PLATFORMS=cpu venv/bin/python - <<'PYTHON'
import sys

import jax
import keras
import numpy as np
import sklearn
from sklearn.metrics import roc_auc_score

print("keras", keras.__version__, "jax", jax.__version__, "scikit-learn", sklearn.__version__)
rng = np.random.default_rng(0)
basophil = np.arange(2000) < 100
scores = np.where(basophil, rng.uniform(0.0025, 0.0049, 2000), rng.uniform(0, 0.0024, 2000)).astype("float32")
metric = keras.metrics.AUC()
metric.update_state(basophil.astype("float32"), scores)
ours, exact = float(metric.result()), float(roc_auc_score(basophil, scores))
print(f"AUC by Keras {ours:.3f}, by scikit-learn {exact:.3f}")
sys.exit(not (abs(ours - 0.5) < 0.01 and exact == 1))
PYTHON
