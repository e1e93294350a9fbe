#!/usr/bin/env bash
# The annotation whose id is 0 is never found: a perfect detector scores 0.56.
#
# Most would guess: an id is a name. Boxes numbered from 0, as enumerate() does, score as boxes numbered from 1.
# What happens: the evaluator notes for each detection the id of the annotation that it met, and 0 for none. The one
# annotation with id 0 is met, but noted as "none": its detection counts as a false alarm, and as the surest one it
# drags the precision of all that follow.
# Why it matters: a smear has few white cells, and tables of boxes are turned into COCO by short scripts. With four cells
# that are all found exactly, average precision falls from 1.0 to 0.56; nothing warns.
#
# seen with pycocotools 2.0.11, numpy 2.4.6 on 27 November 2026
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/python" -m pip install -qq --no-compile pycocotools==2.0.11 numpy==2.4.6
cd "$room"
venv/bin/python - <<'PYTHON'
import contextlib
import io
import sys
from importlib.metadata import version

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def average_precision(first: int) -> float:
    """Of four cells, each found where it is, with ids from `first` on."""
    boxes = [[60.0 * i + 5, 20.0, 40.0, 40.0] for i in range(4)]
    cells = [
        {"id": first + i, "image_id": 1, "category_id": 1, "bbox": box, "area": 1600.0, "iscrowd": 0}
        for i, box in enumerate(boxes)
    ]
    found = [
        {"image_id": 1, "category_id": 1, "bbox": box, "score": 0.9 - 0.1 * i} for i, box in enumerate(boxes)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": 1, "width": 320, "height": 240}],
            "annotations": cells,
            "categories": [{"id": 1, "name": "white cell"}],
        }
        truth.createIndex()
        scored = COCOeval(truth, truth.loadRes(found), "bbox")
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
    return float(scored.stats[0])


print("pycocotools", version("pycocotools"))
from_one, from_zero = average_precision(1), average_precision(0)
print(f"ids from 1: {from_one:.3f}; ids from 0: {from_zero:.3f}")
sys.exit(not (from_one > 0.999 and from_zero < 0.7))
PYTHON
